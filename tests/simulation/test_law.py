"""A simulation decides as the ledger does, loses nothing, and waits are what theory says."""

import math
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.simulation.whole import WholeLedger
from typing_extensions import override

from paperlane.errors import BadRequest
from paperlane.ledger import Rules
from paperlane.simulation.run import Arrival, Life, Simulation, Watcher, Work
from paperlane.simulation.setting import Crew, Setting

ROOMY = Rules(user_backlog=1_000_000, system_backlog=1_000_000)


def load(seed: int, uploads: int, users: int) -> Iterator[Arrival]:
    """Uploads of some users who are unlike, some at the same moment, with estimates that are far off."""
    chance = random.Random(seed)
    at = 1_000.0
    for _ in range(uploads):
        at += chance.choice([0.0, chance.expovariate(1 / 3)])
        user = 1 + int(users * chance.random() ** 3)
        many = chance.choice([1, 2, 9])
        works = [Work(chance.lognormvariate(2, 0.8), chance.choice([1.0, 5.0, 30.0])) for _ in range(many)]
        yield Arrival(at, user, works)


class Trace(Watcher):
    """All that happens, and an oracle for limits and for what must happen once."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.told: list[object] = []
        self.came = self.most = 0
        self.begun: Counter[int] = Counter()
        self.lives: dict[int, Life] = {}

    @override
    def accepted(self, user: int, at: float, tasks: int) -> None:
        self.came += tasks

    @override
    def started(self, user: int, accepted: float, at: float) -> None:
        self.told.append((user, accepted, at))
        self.begun[user] += 1

    @override
    def ended(self, life: Life) -> None:
        assert life.number not in self.lives, "a task ended twice"
        assert life.accepted <= life.started <= life.ended
        self.told.append(life)
        self.lives[life.number] = life

    @override
    def passes(self, until: float, running: int, queued: int, waiting: int) -> None:
        self.most = max(self.most, running)
        assert running <= self.setting.slots
        assert self.came == len(self.lives) + running + queued, "a task is lost"

    def at_once(self, user: int) -> int:
        """The most tasks of a user that ran at one time."""
        moments = [(life.started, 1) for life in self.lives.values() if life.user == user]
        moments += [(life.ended, -1) for life in self.lives.values() if life.user == user]
        running = most = 0
        for _, change in sorted(moments):  # ends before starts of the same moment
            running += change
            most = max(most, running)
        return most


def mixed(seed: int) -> tuple[Setting, Trace, Simulation]:
    """Two engines, users who are moved between them, weights, small limits."""
    chance = random.Random(seed)
    crews = (
        Crew(workers=1, slots=chance.choice([1, 4, 20])),
        Crew("arq", 1, chance.choice([2, 9]), factor=1.3),
    )
    setting = Setting(crews, user_limit=chance.choice([1, 3, 10]), weights={2: 2.0, 5: 0.5}, limits={3: 2})
    trace = Trace(setting)
    simulation = Simulation(
        setting,
        load(seed, 120, 20),
        seed=seed,
        watchers=[trace],
        engine_of=lambda user: "database" if user % 3 else "arq",
        rules=ROOMY,
    )
    for _ in range(8):
        user, engine = chance.randrange(1, 20), chance.choice(["arq", "database"])
        simulation.at(1_000 + chance.random() * 300, lambda user=user, engine=engine: simulation.move(user, engine))
    return setting, trace, simulation


@pytest.mark.parametrize("seed", range(3))
def test_everything_happens_as_in_the_whole_ledger_at_the_same_moments(seed: int):
    _, simulated, simulation = mixed(seed)
    simulation.run()
    _, real, truth = mixed(seed)
    truth.books = WholeLedger.below(truth)
    truth.run()
    assert len(simulated.lives) > 300
    assert simulated.told == real.told


@pytest.mark.parametrize("seed", range(10, 20))
def test_no_task_is_lost_or_runs_twice_and_no_limit_is_exceeded(seed: int):
    setting, trace, simulation = mixed(seed)
    simulation.run()
    assert len(trace.lives) == trace.came == simulation.tasks
    assert simulation.running == simulation.queued == simulation.waiting == 0
    for user in trace.begun:
        assert trace.at_once(user) <= setting.limits.get(user, setting.user_limit)


def test_the_same_seed_gives_the_same_simulation():
    def told(seed: int) -> list[object]:
        setting = Setting((Crew(workers=3, slots=2, fails=0.1, retries=0.2),))
        trace = Trace(setting)
        Simulation(setting, load(7, 100, 9), seed=seed, watchers=[trace]).run()
        return trace.told

    assert told(1) == told(1) != told(2)


def test_what_fails_ends_as_failed_and_what_is_tried_again_waits_first():
    setting = Setting((Crew(workers=2, slots=5, fails=0.1, retries=0.3),), user_limit=5)
    trace = Trace(setting)
    simulation = Simulation(setting, load(3, 400, 9), watchers=[trace])
    simulation.run()
    lives = trace.lives.values()
    assert len(lives) == trace.came
    failed = sum(life.failed for life in lives) / len(lives)
    assert 0.1 < failed < 0.2  # one in ten attempts, of 1.4 or so; and the fourth retry
    again = [life for life in lives if life.ended - life.started > life.seconds + 4]
    assert 0.2 < len(again) / len(lives) < 0.4


def erlang_c(servers: int, offered: float) -> float:
    """The chance to wait in M/M/c, by Erlang's formula C (Erlang 1917)."""
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (math.fsum(offered**n / math.factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize(("servers", "busy", "users"), [(1, 0.6, 1), (4, 0.8, 1), (8, 0.7, 40)])
def test_waits_are_those_of_theory_whoever_the_users_are(servers: int, busy: float, users: int):
    """The order of turns does not know how long a task takes, so it changes who waits, not how long all wait."""
    mean, tasks = 10.0, 20_000
    chance = random.Random(servers)
    waits: list[float] = []

    def coming() -> Iterator[Arrival]:
        at = 0.0
        for _ in range(tasks):
            at += chance.expovariate(busy * servers / mean)
            yield Arrival(at, 1 + chance.randrange(users), [Work(chance.expovariate(1 / mean), mean)])

    class Waits(Watcher):
        @override
        def started(self, user: int, accepted: float, at: float) -> None:
            waits.append(at - accepted)

    setting = Setting((Crew(workers=servers, slots=1),), user_limit=servers)
    Simulation(setting, coming(), watchers=[Waits()]).run()
    expected = erlang_c(servers, busy * servers) * mean / (servers * (1 - busy))
    assert sum(waits) / tasks == pytest.approx(expected, rel=0.12)


def test_a_light_user_does_not_wait_for_a_heavy_ones_backlog():
    setting = Setting((Crew(workers=1, slots=4),))
    trace = Trace(setting)
    heavy = Arrival(0.0, 1, [Work(10.0, 10.0)] * 500)
    Simulation(setting, [heavy, Arrival(100.0, 2, [Work(10.0, 10.0)] * 2)], watchers=[trace]).run()
    waits = [life.wait for life in trace.lives.values() if life.user == 2]
    assert max(waits) <= 10.0


def test_users_are_moved_between_engines_while_it_runs_and_an_engine_may_be_slower():
    setting = Setting((Crew(slots=5), Crew("arq", 2, 5, factor=1.3)))
    trace = Trace(setting)
    each = [Arrival(60.0 * n, 1 + n % 10, [Work(10.0, 10.0)]) for n in range(200)]
    simulation = Simulation(setting, each, watchers=[trace])
    simulation.run(until=6_000.0)
    assert simulation.now == 6_000.0
    for user in range(1, 6):
        simulation.move(user, "arq")
    simulation.run()
    assert {life.engine for life in trace.lives.values() if life.accepted < 6_000} == {"database"}
    later = [life for life in trace.lives.values() if life.accepted > 6_000]
    assert {life.engine for life in later if life.user <= 5} == {"arq"}
    assert {round(life.ended - life.started) for life in later if life.user <= 5} == {13}
    assert {life.engine for life in later if life.user > 5} == {"database"}


def test_settings_that_make_no_sense_are_refused():
    for wrong in (
        lambda: Crew(workers=0),
        lambda: Crew(factor=0.0),
        lambda: Crew(fails=0.8, retries=0.3),
        lambda: Setting(()),
        lambda: Setting(user_limit=0),
    ):
        with pytest.raises(BadRequest):
            wrong()
