"""Workers have the slots that the ledger would grant them, and keep their number whatever else is changed."""

from contextlib import closing

import pytest
from tests.databases import opened
from tests.simulation.test_law import Trace

from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import WorkerId
from paperlane.simulation.run import Arrival, Simulation, Work
from paperlane.simulation.scenario import OVERHEAD, Scenario, changed
from paperlane.simulation.setting import Crew, Setting

CREWS = (Crew(workers=3, slots=10), Crew("arq", 1, 4), Crew("rq", 2, 1))


def granted_by_the_ledger(crews: tuple[Crew, ...], limit: int) -> list[int]:
    """The slots of each worker in the end, where all have joined before the limit is lowered."""
    with closing(SqlLedger(opened("sqlite://"), Rules(system_limit=1_000))) as ledger:
        alike = [crew for crew in crews for _ in range(crew.workers)]
        for at, crew in enumerate(alike):
            ledger.register(WorkerId(f"w{at}"), crew.engine, "here", 1, crew.slots)
        ledger.limit(limit)
        return [one.slots for one in sorted(ledger.members(), key=lambda one: one.id)]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 9, 24, 35, 36, 50])
def test_a_limit_for_all_is_shared_as_the_ledger_shares_it(limit: int):
    slots = [slots for _, slots in Setting(CREWS, system_limit=limit).granted()]
    assert slots == granted_by_the_ledger(CREWS, limit)
    assert sum(slots) == min(limit, 36)


def test_each_engine_has_its_share_of_the_limit_and_no_more_run_than_that():
    setting = Setting((Crew(workers=3, slots=10), Crew("arq", 1, 10)), system_limit=24)
    assert [slots for _, slots in setting.granted()] == [5, 6, 6, 7]
    assert setting.without == []
    trace = Trace(setting)
    load = [Arrival(0.0, 1 + user, [Work(1.0, 1.0)] * 9) for user in range(9)]
    Simulation(setting, load, watchers=[trace], engine_of=lambda user: "arq" if user % 2 else "database").run()
    assert trace.most == 24
    assert {life.engine for life in trace.lives.values()} == {"database", "arq"}


def test_engines_that_no_slot_is_left_for_are_named():
    assert Setting(CREWS, system_limit=2).without == ["rq"]
    assert Setting(CREWS, system_limit=1, first="arq").without == ["database", "rq"]
    assert Setting(CREWS, system_limit=1, first="celery").without == ["database", "rq"]  # nobody serves that one


def test_another_engine_is_served_by_all_the_workers_that_there_are():
    found = changed(Setting(CREWS, system_limit=40), Scenario(engine="celery"), {"engine"})
    assert found.engines == ["celery"]
    assert [(crew.workers, crew.slots) for crew in found.crews] == [(3, 10), (1, 4), (2, 1)]
    assert {crew.overhead for crew in found.crews} == {OVERHEAD["celery"]}
    assert found.slots == 36


def test_more_workers_are_more_of_the_largest_group_whatever_the_engine_is():
    said = {"engine", "workers", "overhead", "system_limit"}
    found = changed(Setting(CREWS), Scenario(engine="rq", workers=5, overhead=2.0, system_limit=70), said)
    assert [(crew.engine, crew.workers, crew.overhead) for crew in found.crews] == [
        ("rq", 5, 2.0), ("rq", 1, 2.0), ("rq", 2, 2.0),
    ]  # fmt: skip
    assert found.system_limit == 70
    (first, *others) = changed(Setting(CREWS), Scenario(slots=20), {"slots"}).crews
    assert (first.slots, others) == (20, [*CREWS[1:]])
