"""What the ledger and the service are to reach, most as ratios inside one run on two cores, and whether they did."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import load
from benchmarks.engines.carried import BARE, ENGINES
from benchmarks.figures import OURS, Figure
from benchmarks.ledger.drain import PGBENCH_8
from benchmarks.ledger.plain import PLAIN
from benchmarks.ledger.submit import COPY, PGBENCH_1
from benchmarks.operating import PAGES

_TESTS: Mapping[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Aim:
    """A bound for one figure: for the ratio to `peer`, or for our own value where there is none.

    `beside` names a figure that is shown with what was reached and judges nothing.
    """

    group: str
    figure: str
    test: str
    bound: float
    peer: str = OURS
    stretch: float | None = None
    beside: str = ""

    @property
    def of_ratio(self) -> bool:
        """Is it the ratio that counts?"""
        return self.peer != OURS


@dataclass(frozen=True, slots=True)
class Judged:
    """An aim beside what was measured; `met` is None where nothing was."""

    aim: Aim
    ours: Figure | None
    other: Figure | None
    reached: float | None
    met: bool | None
    beside: Figure | None = None


def _each(group: str, figure: str, test: str, bound: float, peers: Sequence[str] = (OURS,)) -> list[Aim]:
    return [Aim(group, figure.format(kind), test, bound, peer) for kind in _DATABASES for peer in peers]


def _plain(deep: str, depth: int, bound: float) -> list[Aim]:
    """One task a claim on both sides, as a plain query takes it; a hundred on both stand beside."""
    group, name = f"Against the query of a plain queue table, {deep} deep, 1 a claim", f"plain.{{}}.{depth}"
    return [
        Aim(group, f"{name}.1".format(kind), ">=", bound, PLAIN, beside=f"{name}.100".format(kind))
        for kind in _DATABASES
    ]


def _told(group: str, case: str) -> list[Aim]:
    """Milliseconds; more where a database has no notices."""
    bounds = {"postgresql": 500, "sqlite": 500, "mariadb": 1_500}
    return [Aim(group, f"service.progress.{kind}.{case}, P99", "<", bound) for kind, bound in bounds.items()]


def _held(run: str, criterion: str, test: str, promise: float, aim: float | None = None) -> list[Aim]:
    """What is promised of a load that is held, on each database that it is held on; the aim is its stretch."""
    group = f"Tasks held: {run}. {criterion[0].upper()}{criterion[1:]}"
    return [Aim(group, f"load.{kind}.{run}.{criterion}", test, promise, stretch=aim) for kind in load.KINDS]


def _through(name: str) -> str:
    return name.replace(".", " on ").replace("redis", "Redis").replace("rabbitmq", "RabbitMQ")


_KEPT = {"arq": 0.7, "celery": 0.7, "rq": 0.95}  # of what the program reaches by itself
_LOADED = (  # requirements of every load that is held: the bound, and what is aimed at
    ("creating a batch of 50", "<", 0.5, 0.1),
    ("creating one in a rush", "<", 1.0, 0.5),
    ("API", "<", 1.0, 0.15),
    ("page response", "<", 2.0, 0.3),
    ("progress delay", "<", 5.0, 0.5),
    ("task completion", "<", 300.0, None),
    ("task creation", ">=", 0.99, None),
    ("tasks lost", "<=", 0.0, None),
    ("database connections", "<=", 1.0, 0.8),
    ("growth of memory", "<", 1.0, 0.2),
    ("light users' wait", "<=", 2.0, 1.0),
)
_DATABASES = ("postgresql", "sqlite", "mariadb")
_DRAIN = "Drain of no-op tasks, 100 in flight"
_PG = "drain.postgresql.100"
_CLAIM = "Growth of the claim"
_RECOVERY = "service.recovery.start until the last of these goes on"
_CREATION = "service.creation.batch of 50"
_FAILING = "rollout.failing"

AIMS: Sequence[Aim] = (
    Aim(_DRAIN, _PG, ">=", 1.0, "pgqueuer (batch 1000)", stretch=1.5),
    Aim(_DRAIN, _PG, ">=", 0.8, PGBENCH_8),
    Aim(_DRAIN, _PG, ">=", 20, "procrastinate"),
    Aim(_DRAIN, _PG, ">=", 18, "saq (PostgreSQL)"),
    Aim(_DRAIN, _PG, ">=", 15, "DBOS"),
    Aim(_DRAIN, _PG, ">=", 12, "arq"),
    Aim(_DRAIN, _PG, ">=", 12, "celery (Redis)"),
    Aim(_DRAIN, _PG, ">=", 5, "celery (RabbitMQ)"),
    Aim(_DRAIN, _PG, ">=", 6, "dramatiq"),
    Aim(_DRAIN, _PG, ">=", 60, "rq (SimpleWorker)"),
    Aim(_DRAIN, "drain.sqlite.100", ">=", 6, "huey"),
    Aim("Drain, 10 in flight", "drain.postgresql.10", ">=", 1.0, "pgqueuer (batch 10)", stretch=1.2),
    Aim("Drain, 10 in flight", "drain.sqlite.10", ">=", 3, "huey (10)"),
    Aim("Drain, four connections of 100", "drain.mariadb.4x100", ">=", 1.2, "MariaDB commits, 4"),
    Aim("Processor time a task, worker and server, 100 in flight", "cpu.postgresql.100", "<=", 60),
    Aim("Processor time a task, worker and server, 10 in flight", "cpu.postgresql.10", "<=", 160),
    Aim("Processor time a task, worker and server, 1 in flight", "cpu.postgresql.1", "<=", 600),
    *_each("Every user limited to one running task", "drain.{}.limited", ">=", 0.4, ["unlimited"]),
    *_each(_CLAIM, "growth.{}.depth.100", ">=", 0.7, ["1k deep, 100 users"]),
    *_each(_CLAIM, "growth.{}.depth.1000", ">=", 0.7, ["10k deep, 1k users"]),
    *_each(_CLAIM, "growth.{}.users", ">=", 0.7, ["1M deep, 100 users"]),
    *_each(_CLAIM, "growth.{}.capped", ">=", 0.8, ["1M deep, 1k users"]),
    *_each(_CLAIM, "growth.{}.p95", "<=", 2.0, ["10k deep, 1k users"]),
    Aim("Durable submits of one task", "submit.postgresql.single", ">=", 0.4, PGBENCH_1),
    Aim("Bulk of 1,000 tasks over 1,000 users (or 50,000 a second)", "submit.postgresql.bulk", ">=", 0.2, COPY),
    Aim("Pick-up by an idle worker, p50", "pickup.postgresql.p50", "<=", 0.7, "pgqueuer"),
    Aim("Pick-up by an idle worker, p50", "pickup.sqlite.p50", "<", 1.0, "saq (Redis)"),
    *_each("One user with 10,000 tasks beside nine with 10: the last light task", "fairness.{}.last.1", "<=", 110),
    *_each("Jain's index of what each was given meanwhile", "fairness.{}.jain.1", ">=", 0.999),
    *_each("Weights 1:2:4, furthest from their share", "fairness.{}.weights", "<=", 3),
    *_each("Drain under a snapshot held open, last fifth / first", "snapshot.{}", ">=", 0.4),
    *(Aim(f"Tasks a second through {_through(name)}", f"engines.{name}.drain", ">=", _KEPT[one.engine], BARE)
      for name, one in ENGINES.items()),
    *(Aim(f"Pick-up through {_through(name)}, p50, beyond its own", f"engines.{name}.pickup.beyond", "<=", 10)
      for name in ENGINES),
    *_plain("100k", 100_000, 100),
    *_plain("1M", 1_000_000, 1_000),
    Aim("A batch of 50 answered while idle, median", f"{_CREATION}, idle, median", "<", 500, stretch=100),
    Aim("A batch of 50 answered while busy, worst", f"{_CREATION}, workers busy, worst", "<", 500, stretch=100),
    Aim("Calls of the service meanwhile, p95", "service.creation.API while busy, P95", "<", 1_000, stretch=150),
    Aim("From an upload to the start of its task, p50", "service.waking.upload to start, P50", "<=", 50),
    *_told("From a step's commit to its frame on a WebSocket, p99", "step to frame"),
    *_told("The same with 200 tasks followed and the workers busy, p99", "step to frame while busy"),
    *_each("A scrape of metrics, 1M tasks of 100k users, worst but the first", "operating.{}.scrape, later", "<", 50),
    *_each("The first one after a start", "operating.{}.scrape, first", "<", 50),
    *(Aim(f"A page of operators, 1M tasks, p95: {path}", f"operating.{kind}.page {path}, P95", "<", 2_000, stretch=300)
      for kind in _DATABASES for path in PAGES),
    Aim("Simulating 1M tasks of 100,000 users", "simulation.million.seconds", "<", 600, stretch=300),
    Aim("A roll-out to an engine that fails 10 %: taken back after", f"{_FAILING}.until it is taken back", "<", 300),
    *(Aim(f"A roll-out, {what}: tasks lost", f"rollout.{run}.tasks lost", "<=", 0)
      for run, what in (("failing", "taken back"), ("whole", "to the end"))),
    *(aim for run in ("200", "1000") for criterion, test, promise, stretch in _LOADED
      for aim in _held(run, criterion, test, promise, stretch)),
    *_held("1000, a worker killed every 20 s", "availability", ">=", 0.999),
    *_held("1000, a worker killed every 20 s", "tasks lost", "<=", 0),
    *_held("1000, a worker killed every 20 s", "recovery", "<", 90),
    Aim("All processes killed in a batch of 50: from the new start until all goes on", _RECOVERY, "<", 90),
)  # fmt: skip

_ENOUGH_BULK = 50_000.0


def judged(figures: Iterable[Figure], aims: Sequence[Aim] = AIMS) -> list[Judged]:
    """Each aim beside its figure."""
    known = {(figure.name, figure.peer): figure for figure in figures}
    return [_judge(aim, known) for aim in aims]


def _judge(aim: Aim, known: Mapping[tuple[str, str], Figure]) -> Judged:
    ours, other = known.get((aim.figure, OURS)), known.get((aim.figure, aim.peer))
    reached = (other.ratio if aim.of_ratio else other.value) if other is not None else None
    met = None if reached is None else _TESTS[aim.test](reached, aim.bound)
    if aim.peer == COPY and ours is not None and ours.value is not None and ours.value >= _ENOUGH_BULK:
        met = True
    return Judged(aim, ours, other, reached, met, known.get((aim.beside, aim.peer)))
