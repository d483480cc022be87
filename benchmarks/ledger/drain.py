"""Draining no-op tasks through their whole life, 100, 10 and 1 in flight, beside peers and the machine's limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.figures import OURS, Figure, compared, median
from benchmarks.ledger import limits
from benchmarks.ledger.contestants import Contestant, ours, peer, warmed
from benchmarks.ledger.databases import Databases
from benchmarks.rounds import Rounds, Sample, Taken, say

UNIT = "tasks/s"
PGBENCH_8 = "pgbench commits, 8 clients"
_HOSTED = f"{OURS} by a worker's host"
_POOLS = ({"pool": "prefork"}, {"pool": "threads"})
_THREADS = ({"threads": 8}, {"threads": 2}, {"threads": 32})

_PEERS = (
    peer("pgqueuer", "postgresql", rate=15_000, in_flight=1_000, title="pgqueuer (batch 1000)"),
    peer("pgqueuer", "postgresql", rate=12_000, in_flight=100, title="pgqueuer (batch 100)"),
    peer("procrastinate", "postgresql", rate=700),
    peer("saq", "postgresql", rate=600, title="saq (PostgreSQL)"),
    peer("dbos", "postgresql", rate=1_000, title="DBOS"),
    peer("saq", "redis", rate=1_500, title="saq (Redis)"),
    peer("arq", "redis", rate=2_000, environment="arq"),
    peer("celery", "redis", rate=1_200, title="celery (Redis)", variants=_POOLS),
    peer("celery", "rabbitmq", rate=3_000, title="celery (RabbitMQ)", variants=_POOLS),
    peer("celery", "rabbitmq", rate=5_000, title="celery (RabbitMQ, solo)", variants=({"pool": "solo"},)),
    peer("rq", "redis", rate=250, title="rq (SimpleWorker)"),
    peer("dramatiq", "redis", rate=800, variants=_THREADS),
)


def postgresql(databases: Databases, rounds: Rounds) -> list[Figure]:
    """PostgreSQL, beside every peer but huey."""
    ten = peer("pgqueuer", "postgresql", rate=6_000, in_flight=10, title="pgqueuer (batch 10)")
    base = databases.fresh("postgresql")
    own = _own("postgresql")
    limited, hundred, few, one = own.values()
    thousand = own[f"{OURS} 1000"] = replace(ours("postgresql", 1_000, rate=15_000), name=f"{OURS} 1000")
    hosted = own[_HOSTED] = replace(ours("postgresql", 100, rate=500), name=_HOSTED, module="benchmarks.ledger.hosted")
    near, far = _PEERS[:2], _PEERS[2:]  # what is close runs close in time, for throughput drifts
    run = _Run(databases, rounds, [limited, hundred, hosted, thousand, *near, few, ten, one, *far], own)
    run.limit(PGBENCH_8, lambda seconds: limits.pgbench(base, 8, seconds))
    taken = run.take()
    figures = run.figures("postgresql", 100, [PGBENCH_8, *(one.name for one in _PEERS)])
    figures += run.figures("postgresql", 1_000, [_PEERS[0].name])
    figures += run.figures("postgresql", 10, [ten.name])
    figures += run.figures("postgresql", 1, [])
    figures += _limited(taken, "postgresql")
    figures += run.hosted("postgresql")
    databases.drop(base)
    return figures


def sqlite(databases: Databases, rounds: Rounds) -> list[Figure]:
    """SQLite, beside huey with as many workers as suit it, and commits of one insert."""
    variants = ({"workers": 1}, {"workers": 4}, {"workers": 100})
    peers = [
        peer("huey", "sqlite", rate=3_000, title="huey", variants=variants),
        peer("huey", "sqlite", rate=3_000, in_flight=10, title="huey (10)", variants=(*variants[:2], {"workers": 10})),
    ]
    own = _own("sqlite")
    run = _Run(databases, rounds, [*own.values(), *peers], own)
    path = databases.fresh("sqlite").removeprefix("sqlite:///")
    run.limit("SQLite commits", lambda seconds: limits.sqlite(path, seconds))
    taken = run.take()
    return [
        *run.figures("sqlite", 100, ["SQLite commits", "huey"]),
        *run.figures("sqlite", 10, ["huey (10)"]),
        *run.figures("sqlite", 1, []),
        *_limited(taken, "sqlite"),
    ]


def mariadb(databases: Databases, rounds: Rounds) -> list[Figure]:
    """MariaDB, with one and with four connections, beside its commits of one insert."""
    base = databases.fresh("mariadb")
    server = databases.server("mariadb")
    own = _own("mariadb")
    four = "four connections"
    own[four] = replace(ours("mariadb", 100), name=four, processes=4)
    run = _Run(databases, rounds, list(own.values()), own)
    for connections in (1, 4):
        run.limit(
            f"MariaDB commits, {connections}",
            lambda seconds, n=connections: limits.mariadb(server, base, n, seconds),
        )
    taken = run.take()
    figures = [
        figure for n in (100, 10, 1) for figure in run.figures("mariadb", n, ["MariaDB commits, 1"] * (n == 100))
    ]
    beside = {"MariaDB commits, 4": taken.values("MariaDB commits, 4")}
    figures += compared("drain.mariadb.4x100", UNIT, taken.values(four), beside, failed=run.why([four]))
    figures += _limited(taken, "mariadb")
    databases.drop(base)
    return figures


def _own(server: str) -> dict[str, Contestant]:
    """Ours, by name: every user limited to one with 100 in flight, and 100, 10 and 1 in flight."""

    def named(name: str, in_flight: int, **setup: Any) -> Contestant:
        return replace(ours(server, in_flight, rate=5_000, **setup), name=f"{OURS} {name}")

    found = [named("limited", 100, user_limit=1), *(named(str(in_flight), in_flight) for in_flight in (100, 10, 1))]
    return {one.name: one for one in found}


def _limited(taken: Taken, server: str) -> list[Figure]:
    """Every user limited to one running task, against the same without such a limit."""
    free = taken.values(f"{OURS} 100")
    limited = taken.values(f"{OURS} limited")
    return compared(f"drain.{server}.limited", UNIT, limited, {"unlimited": free})


class _Run:
    """All drains on one database: warmed up, then in interleaved rounds."""

    def __init__(
        self, databases: Databases, rounds: Rounds, contestants: Sequence[Contestant], own: Mapping[str, Contestant]
    ) -> None:
        say("  warming up")
        self._ready, self._failed = warmed(databases, contestants)
        self._rounds = rounds
        self._limits: dict[str, Callable[[], Sample]] = {}
        self._own = own
        self._taken = Taken({}, {})

    def limit(self, name: str, measure: Callable[[float], Sample]) -> None:
        """A limit of the machine, measured in each round too."""
        self._limits[name] = lambda: measure(min(self._rounds.seconds, 10.0))

    def take(self) -> Taken:
        """All rounds."""
        cases = self._limits | {name: drain.case(self._rounds) for name, drain in self._ready.items()}
        self._taken = self._rounds.interleaved(cases)
        return self._taken

    def why(self, names: Sequence[str]) -> dict[str, str]:
        """Why these have no figure."""
        failed = self._failed | self._taken.failed
        return {OURS if name in self._own else name: failed[name] for name in names if name in failed}

    def figures(self, server: str, in_flight: int, beside: Sequence[str]) -> list[Figure]:
        """Throughput beside the named ones, and processor time a task."""
        name = f"drain.{server}.{in_flight}"
        own = f"{OURS} {in_flight}"
        told = {one: drain.told for one, drain in self._ready.items()}
        told[OURS] = told.get(own, "")
        others = {one: self._taken.values(one) for one in beside if one in self._taken.samples}
        found = compared(name, UNIT, self._taken.values(own), others, told, self.why([*beside, own]))
        for one in (own, *beside):
            if one in self._ready and one in self._taken.samples:
                who = OURS if one == own else one
                found.append(median(f"cpu.{server}.{in_flight}", "us/task", self._taken.cpu(one), peer=who))
        return found

    def hosted(self, server: str) -> list[Figure]:
        """Through a worker process's host, against the bare loop of steps with as many in flight."""
        told = f"{self._ready[_HOSTED].told}; a step and its checkpoint" if _HOSTED in self._ready else ""
        others = {"bare loop": self._taken.values(f"{OURS} 100")}
        values, failed = self._taken.values(_HOSTED), self.why([_HOSTED])
        found = compared(f"drain.{server}.hosted", UNIT, values, others, {OURS: told}, failed)
        if values:
            found.append(median(f"cpu.{server}.hosted", "us/task", self._taken.cpu(_HOSTED)))
        return found
