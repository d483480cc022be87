"""What every engine promises, seen from outside: its real programs, on each database, and with its broker if any."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from tests.databases import Databases
from tests.engines.carried import ENGINES, Carried, carried
from tests.engines.house import House, new_id, own
from tools.servers import CERTIFICATE

from paperlane.model.tasks import BatchId, Lease, NewBatch, NewTask, Stage, State, TaskId

ALL = ["one", "two", "three"]
AWAY = {False: 3.0, True: 120.0}  # seconds without a broker, in the short and in the long form
DATABASES = {"PostgreSQL": "postgresql", "SQLite": "sqlite file"}
HOUSES: dict[str, Callable[[Databases, Path], AbstractContextManager[House]]] = {
    **{f"{case} over PostgreSQL": partial(carried, case) for case in ENGINES},
    **{
        f"{engine} over {name}": partial(own, engine, kind)
        for engine in ("inline", "pool", "database")
        for name, kind in DATABASES.items()
    },
}
"""By the name of a column: what opens the house."""


with_a_broker = pytest.mark.parametrize("house", [f"{case} over PostgreSQL" for case in ENGINES], indirect=True)


@pytest.fixture(scope="module", params=HOUSES)
def house(
    request: pytest.FixtureRequest, all_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One engine after the other."""
    with HOUSES[request.param](all_databases, tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def service(house: House) -> House:
    """At work; each test has users of its own there."""
    house.running()
    return house


def outcomes_of(service: House, name: TaskId) -> list[str]:
    """How a task's attempts ended, the first one first."""
    return [past.outcome for past in service.ledger.attempts(name)]


class TestWork:
    def test_every_task_ends_once_and_tells_who_carried_it(self, service: House):
        log = service.file()
        names = [name for _ in range(3) for name in service.submit(service.user(), 5, log=str(log))]
        service.completed(names)
        assert {service.ledger.task(name).engine for name in names} == {service.engine}
        assert sorted(log.read_text().split()) == sorted(ALL * len(names))

    def test_what_comes_while_it_is_idle_is_run(self, service: House):
        user = service.user()
        for _ in range(3):
            service.completed(service.submit(user))

    def test_what_is_accepted_while_nobody_works_is_run_by_who_comes(self, house: House):
        house.stop()
        names = house.submit(house.user(), 3)
        assert house.statuses(names) == ["queued"] * 3
        house.start()
        house.completed(names)

    def test_what_is_submitted_twice_under_one_key_is_run_once(self, service: House):
        log, user = service.file(), service.user()
        payload = f'{{"log": "{log}"}}'.encode()
        batches = [NewBatch(BatchId(new_id()), user, [NewTask(TaskId(new_id()), payload)], key="key") for _ in range(2)]
        (first, new), (again, anew) = map(service.ledger.submit, batches)
        assert (again.id, new, anew) == (first.id, True, False)
        service.completed([batches[0].tasks[0].id])
        service.completed(service.submit(user))
        assert log.read_text().split() == ALL

    def test_a_task_for_later_waits_for_its_time(self, service: House):
        user, at = service.user(), time.time() + 1.5
        (name,) = service.submit(user, run_at=at)
        (task,) = service.ended([name])
        assert task.started_at >= at

    def test_what_no_worker_can_read_yet_waits_and_stops_nobody(self, service: House):
        user = service.user()
        later, now = service.submit(user, version=2), service.submit(user, 2)
        service.completed(now)
        assert service.statuses(later) == ["queued"]
        service.ledger.cancel(*later)


class TestProgress:
    def test_progress_is_told_without_a_gap_and_never_falls(self, service: House):
        (name,) = service.submit(service.user())
        service.completed([name])
        events = list(service.ledger.events(name))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        percents = [event.percent for event in events]
        assert (percents, percents[-1]) == (sorted(percents), 100)

    def test_a_step_tells_how_far_it_is_while_it_runs(self, service: House):
        path = service.file()
        (name,) = service.submit(service.user(), **{"wait in two": str(path)})
        service.until(lambda: service.ledger.task(name).message == "waits", "what the step tells")
        task = service.ledger.task(name)
        assert (task.status, task.step, task.percent) == ("running", "two", 35.0)  # 20 for step one, 30 for two
        path.touch()
        service.completed([name])


class TestTries:
    def test_what_passes_the_second_time_goes_on_from_where_it_was(self, service: House):
        log = service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"fails once in two": str(service.file())})
        (task,) = service.ended([name])
        assert (task.state, task.attempt) == (State.COMPLETED, 2)
        assert outcomes_of(service, name) == ["retry", "completed"]
        assert log.read_text().split() == ALL

    @pytest.mark.parametrize(("cause", "code"), [("passing", "step_crashed"), ("bug", "internal_error")])
    def test_what_does_not_pass_fails_after_all_its_tries(self, service: House, cause: str, code: str):
        log = service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"fault in two": cause})
        (task,) = service.ended([name])
        assert (task.state, task.attempt, task.fault and task.fault.code) == (State.FAILED, 4, code)
        assert outcomes_of(service, name) == ["retry", "retry", "retry", "failed"]
        assert log.read_text().split() == ["one"]

    def test_what_takes_longer_than_it_may_is_tried_again_and_then_fails(self, house: House):
        """And leaves nothing in the one slot there is."""
        house.stop()
        house.start(1, "--task-seconds", "0.5")
        log = house.file()
        (task,) = house.ended(house.submit(house.user(), log=str(log), **{"wait in two": str(house.file())}))
        assert (task.state, task.attempt, task.fault and task.fault.code) == (State.FAILED, 4, "task_timeout")
        assert outcomes_of(house, task.id) == ["retry", "retry", "retry", "failed"]
        assert set(log.read_text().split()) == {"one"}
        assert [quick.state for quick in house.ended(house.submit(house.user()))] == [State.COMPLETED]
        house.stop()

    def test_what_cannot_pass_fails_at_once_with_its_cause(self, service: House):
        (task,) = service.ended(service.submit(service.user(), **{"fault in one": "document"}))
        assert (task.state, task.attempt) == (State.FAILED, 1)
        assert task.fault is not None
        assert task.fault.code == "damaged_file"

    def test_what_failed_and_is_started_again_goes_on_from_where_it_was(self, service: House):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"bad in two until": str(path)})
        assert [task.state for task in service.ended([name])] == [State.FAILED]
        path.touch()
        service.ledger.retry(name)
        assert [task.state for task in service.ended([name])] == [State.COMPLETED]
        assert log.read_text().split() == ALL


class TestTurns:
    def test_no_user_runs_more_than_the_limit(self, service: House):
        path = service.file()
        user = service.user(max_running=2)
        names = service.submit(user, 6, **{"wait in one": str(path)})
        service.run_at_once(2, names)
        service.heard()
        most = service.turns(user)
        path.touch()
        while not all(service.ledger.task(name).state.ended for name in names):
            most = max(most, service.turns(user))
        assert most == 2
        service.completed(names)

    def test_a_limit_that_is_raised_counts_for_what_waits(self, service: House):
        path = service.file()
        user = service.user(max_running=1)
        names = service.submit(user, 4, **{"wait in one": str(path)})
        service.run_at_once(1, names)
        service.ledger.lane(user, max_running=3)
        service.run_at_once(3, names)
        path.touch()
        service.completed(names)

    def test_all_users_together_run_no_more_than_the_systems_limit(self, service: House):
        path = service.file()
        users = [service.user(), service.user()]
        service.ledger.limit(2)
        try:
            names = [name for user in users for name in service.submit(user, 3, **{"wait in one": str(path)})]
            service.run_at_once(2, names)
            service.heard()
            assert service.turns(*users) == 2
        finally:
            service.ledger.limit(None)
        service.run_at_once(4, names)  # as many as there are slots
        path.touch()
        service.completed(names)

    def test_no_worker_runs_more_than_it_has_slots(self, service: House):
        path = service.file()
        user = service.user(max_running=8)
        names = service.submit(user, 8, **{"wait in one": str(path)})
        service.run_at_once(4, names)
        service.heard()
        assert service.statuses(names).count("running") == 4
        path.touch()
        service.completed(names)

    def test_a_light_user_does_not_wait_for_a_heavy_ones_backlog(self, service: House):
        path = service.file()
        heavy = service.submit(service.user(), 60, **{"wait in one": str(path)})
        service.run_at_once(4, heavy)  # or much of it would be over before anybody else comes
        light = service.submit(service.user(), 4)
        path.touch()
        service.completed(light)
        last = max(service.ledger.task(name).started_at for name in light)
        service.completed(heavy)
        before = [name for name in heavy if service.ledger.task(name).started_at < last]
        assert len(before) <= len(light) + 4 * 4  # turn for turn, and what was out or under way before

    def test_a_users_own_tasks_go_by_priority(self, service: House):
        path = service.file()
        user = service.user(max_running=1)
        first = service.submit(user, **{"wait in one": str(path)})
        service.at(path)
        low, high = service.submit(user, priority=1), service.submit(user, priority=9)
        path.touch()
        service.completed([*first, *low, *high])
        assert service.ledger.task(high[0]).started_at < service.ledger.task(low[0]).started_at


class TestOrders:
    def test_a_paused_engine_begins_nothing_until_it_is_resumed(self, service: House):
        path, user = service.file(), service.user()
        under_way = service.submit(user, **{"wait in two": str(path)})
        service.at(path)
        service.ledger.pause(service.engine, paused=True)
        try:
            names = service.submit(user, 2)
            path.touch()
            service.completed(under_way)
            service.heard()
            assert service.statuses(names) == ["queued"] * 2
        finally:
            service.ledger.pause(service.engine, paused=False)
        service.completed(names)

    def test_a_paused_user_alone_waits(self, service: House):
        paused, other = service.user(paused=True), service.user()
        names = service.submit(paused, 2)
        service.completed(service.submit(other, 2))
        assert service.statuses(names) == ["queued"] * 2
        service.ledger.lane(paused, paused=False)
        service.completed(names)

    def test_a_queued_task_that_is_cancelled_is_never_run(self, service: House):
        path, log, user = service.file(), service.file(), service.user(max_running=1)
        first = service.submit(user, **{"wait in two": str(path)})
        queued, later = service.submit(user, log=str(log)), service.submit(user, log=str(log), run_at=time.time() + 60)
        service.at(path)
        for name in (*queued, *later):
            assert service.ledger.cancel(name).state is State.CANCELLED
        path.touch()
        service.completed([*first, *service.submit(user)])
        assert not log.exists()

    def test_a_running_task_that_is_cancelled_stops_and_leaves_its_turn_to_the_next(self, service: House):
        log, user = service.file(), service.user(max_running=1)
        path = service.file()
        (running,) = service.submit(user, log=str(log), **{"wait in two": str(path)})
        service.at(path)
        service.ledger.cancel(running)
        service.completed(service.submit(user))
        assert service.ledger.task(running).state is State.CANCELLED
        path.touch()
        service.completed(service.submit(user))
        assert log.read_text().split() == ["one"]

    def test_a_backlog_and_what_is_under_way_move_to_another_engine_and_back(self, service: House):
        path = service.file()
        user = service.user(max_running=2)
        names = service.submit(user, 6, **{"wait in two": str(path)})
        service.at(path)
        service.ledger.lane(user, engine="elsewhere")
        path.touch()
        service.until(lambda: service.statuses(names).count("completed") == 2, "what was under way")
        assert set(service.statuses(names)) == {"queued", "completed"}
        service.ledger.lane(user, engine=service.engine)
        service.completed(names)

    def test_a_backlog_is_run_by_the_engine_it_moves_to_and_what_is_under_way_by_its_own(self, service: House):
        path = service.file()
        user = service.user(max_running=2)
        names = service.submit(user, 6, **{"wait in two": str(path)})
        service.run_at_once(2, names)
        with service.another("pool" if service.engine == "database" else "database") as other:
            service.ledger.lane(user, engine=other.engine)
            path.touch()
            service.completed(names)
            carried_by = Counter(service.ledger.task(name).engine for name in names)
            assert carried_by == {service.engine: 2, other.engine: 4}


class TestDeliveries:
    def test_one_that_is_lost_is_handed_out_again_without_a_try(self, service: House):
        with service.asleep():  # or one of them would be quicker
            (name,) = service.submit(service.user())
            assert [lease.task for lease in service.ledger.lease(service.engine, 1)] == [name]  # for nobody
        service.completed([name])

    @with_a_broker
    def test_one_that_comes_ten_times_runs_once(self, service: Carried):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        task = service.ledger.task(name)
        service.deliver([Lease(name, 1, Stage.CPU, task.user)], times=10)
        path.touch()
        service.completed([name])
        assert log.read_text().split() == ALL

    @with_a_broker
    def test_one_that_comes_after_the_end_changes_nothing(self, service: Carried):
        log = service.file()
        (name,) = service.submit(service.user(), log=str(log))
        service.completed([name])
        before = list(service.ledger.events(name))
        service.deliver([Lease(name, 1, Stage.CPU, service.ledger.task(name).user)], times=3)
        service.completed(service.submit(service.user()))
        assert list(service.ledger.events(name)) == before
        assert log.read_text().split() == ALL

    @with_a_broker
    def test_one_of_an_earlier_attempt_changes_nothing(self, service: Carried):
        path, log = service.file(), service.file()
        asked = {"log": str(log), "fails once in two": str(service.file()), "wait in three": str(path)}
        (name,) = service.submit(service.user(), **asked)
        service.at(path)
        service.deliver([Lease(name, 1, Stage.CPU, service.ledger.task(name).user)], times=3)
        service.completed(service.submit(service.user()))
        path.touch()
        service.ended([name])
        service.completed(service.submit(service.user()))
        assert outcomes_of(service, name) == ["retry", "completed"]
        assert log.read_text().split() == ALL

    @with_a_broker
    def test_one_of_a_task_that_was_cancelled_runs_nothing(self, service: Carried):
        log, user = service.file(), service.user(paused=True)
        (name,) = service.submit(user, log=str(log))
        service.ledger.cancel(name)
        service.deliver([Lease(name, fence, Stage.CPU, user) for fence in (0, 1)])
        service.completed(service.submit(service.user()))
        assert service.ledger.task(name).state is State.CANCELLED
        assert not log.exists()

    @with_a_broker
    def test_one_of_no_task_at_all_is_passed_over(self, service: Carried):
        service.deliver([Lease(TaskId("nobody's"), 1)])
        service.completed(service.submit(service.user()))


class TestFaults:
    def test_a_drain_hands_back_and_the_next_program_goes_on(self, service: House):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        service.stop()
        task = service.ledger.task(name)
        assert (task.status, task.attempt) == ("queued", 0)
        assert not service.ledger.members()
        path.touch()
        service.running()
        service.completed([name])
        assert log.read_text().split() == ALL

    def test_a_program_is_replaced_by_one_that_takes_over_all_that_is_under_way(self, service: House):
        path, log = service.file(), service.file()
        names = service.submit(service.user(max_running=12), 10, log=str(log), **{"wait in two": str(path)})
        service.run_at_once(4, names)
        before = list(service.programs)
        service.start()
        service.run_at_once(8, names)
        for program in before:
            program.terminate()
        for program in before:
            program.wait()
            service.programs.remove(program)
        path.touch()
        service.completed(names)
        assert sorted(log.read_text().split()) == sorted(ALL * 10)

    def test_a_worker_is_killed_and_its_tasks_go_on_after_their_last_step(self, service: House):
        user, logs = service.user(), [service.file() for _ in ALL]
        paths = [service.file() for _ in ALL]
        asked = zip(ALL, logs, paths, strict=True)
        names = [service.submit(user, log=str(log), **{f"wait in {step}": str(path)})[0] for step, log, path in asked]
        for path in paths:
            service.at(path)  # all of them: what was run and not saved yet would run again
        service.kill_workers()
        for path in paths:
            path.touch()
        service.completed(names)
        assert [log.read_text().split() for log in logs] == [ALL] * 3
        assert [outcomes_of(service, name) for name in names] == [["crashed", "completed"]] * 3

    @with_a_broker
    def test_the_program_is_killed_and_its_worker_ends_with_it(self, service: Carried):
        path = service.file()
        (name,) = service.submit(service.user(), **{"wait in two": str(path)})
        service.at(path)
        for program in service.programs:
            program.kill()
            program.wait()
        service.until(lambda: not service.ledger.members(), "the end of the worker")
        assert (service.ledger.task(name).status, service.ledger.task(name).attempt) == ("queued", 0)
        path.touch()
        service.running()
        service.completed([name])

    def test_a_worker_that_sleeps_past_its_lease_finishes_nothing(self, service: House):
        """Nor does it write down anything, when it wakes up while another one runs its task."""
        two, three = service.file(), service.file()
        (name,) = service.submit(service.user(), **{"wait in two": str(two), "wait in three": str(three)})
        service.at(two)
        with service.asleep():
            service.start()
            service.until(lambda: bool(service.ledger.attempts(name)), "the loss of the first lease")
            two.touch()
            service.at(three)
        newest = service.programs[-1]
        service.completed(service.submit(service.user(max_running=8), 8))
        service.heard()
        assert service.statuses([name]) == ["running"]
        three.touch()
        service.completed([name])
        ended = service.ledger.task(name)
        service.programs.remove(newest)
        newest.terminate()
        newest.wait()
        service.completed(service.submit(service.user(), 4))  # by who has slept
        assert service.ledger.task(name) == ended
        assert outcomes_of(service, name) == ["crashed", "completed"]
        saved = [event.step for event in service.ledger.events(name) if event.kind == "saved"]
        assert saved == ALL

    def test_what_kills_its_worker_three_times_is_poison_and_what_ran_beside_it_is_not(self, service: House):
        path = service.file()
        beside = service.submit(service.user(), 2, **{"wait in two": str(path)})
        service.run_at_once(2, beside)
        (name,) = service.submit(service.user(), **{"dies in": "two"})
        service.until(lambda: bool(service.ledger.attempts(name)), "the first death")
        path.touch()
        (task,) = service.ended([name])
        assert (task.state, task.fault and task.fault.code) == (State.FAILED, "poison")
        assert outcomes_of(service, name) == ["crashed", "crashed", "poison"]
        service.completed([*beside, *service.submit(service.user(), 2)])


@with_a_broker
class TestBroker:
    @pytest.mark.parametrize("how", ["is killed", "comes back empty"])
    def test_the_broker(self, service: Carried, how: str):
        path, before = service.file(), [program.poll() for program in service.programs]
        user = service.user(max_running=8)
        names = service.submit(user, 8, **{"wait in two": str(path)})  # half of them wait at the broker, or soon will
        service.at(path)
        service.broker.kill()
        later = service.submit(user, 4)  # is accepted meanwhile
        path.touch()
        if how == "comes back empty":
            service.forget_all()
        service.broker.start()
        service.completed([*names, *later])
        assert [program.poll() for program in service.programs] == before

    def test_the_broker_is_away_while_tasks_go_on_to_come(self, service: Carried, whole: bool):  # noqa: FBT001
        """The one place where time itself must pass: after some, programs give up, or ask the more rarely."""
        path = service.file()
        user = service.user(max_running=8)
        names = service.submit(user, 8, **{"wait in two": str(path)})
        service.at(path)
        before = [program.poll() for program in service.programs]
        service.broker.kill()
        path.touch()
        back = time.monotonic() + AWAY[whole]
        while time.monotonic() < back:
            names += service.submit(user)
            time.sleep(0.5)
        service.until(lambda: any(service.ledger.task(name).state.ended for name in names), "what was running")
        service.broker.start()
        service.completed(names)
        assert [program.poll() for program in service.programs] == before

    def test_a_broker_is_used_whose_certificate_is_trusted(self, house: Carried, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(house.broker.folder / CERTIFICATE))
        house.stop()
        house.start(2, broker=house.broker.secure_url)
        house.completed(house.submit(house.user(), 2))
        house.stop()

    @pytest.mark.parametrize("why", ["is for another host", "nobody trusts"])
    def test_a_broker_is_refused_whose_certificate(self, house: Carried, monkeypatch: pytest.MonkeyPatch, why: str):
        url = house.broker.secure_url
        if why == "is for another host":
            monkeypatch.setenv("SSL_CERT_FILE", str(house.broker.folder / CERTIFICATE))
            url = url.replace("localhost", "127.0.0.1")
        monkeypatch.setenv("PAPERLANE_AMQP_URL" if url.startswith("amqp") else "PAPERLANE_REDIS_URL", url)
        where = ("--engine", house.engine, "--data", str(house.folder), "--database", house.url)
        command = [house.python, "-m", "paperlane", "worker", *where]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr
        assert "certificate verify failed" in ran.stderr
