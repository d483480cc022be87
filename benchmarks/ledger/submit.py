"""Durable submission: one task a commit, and a thousand tasks of a thousand users at once."""

from collections.abc import Callable

from benchmarks.figures import OURS, Figure, compared
from benchmarks.ledger import limits
from benchmarks.ledger.databases import Databases, on_each
from benchmarks.machine import watched
from benchmarks.program import Failed, Program
from benchmarks.rounds import Rounds, Sample

PGBENCH_1 = "pgbench commits, 1 client"
COPY = "COPY, 1,000 rows a commit"
_WORKER = "benchmarks.ledger.worker"


def _ours(databases: Databases, kind: str, do: str, seconds: float, said: dict[str, str]) -> Callable[[], Sample]:
    def take() -> Sample:
        url = databases.fresh(kind)
        try:
            with Program(_WORKER) as program:
                program.ask("setup", url=url)
                program.ask("prepare", count=1_000)  # so that every user has a lane
                databases.settle()
                with watched(worker=program.pid, server=databases.pid(kind)) as load:
                    found = program.ask(do, seconds=seconds)
        finally:
            databases.drop(url)
        said[do] = found.get("settings", "")
        used = {name: used / found["done"] for name, used in load.used.items()}
        return Sample(found["done"] / found["seconds"], used, load.foreign)

    return take


def measured(databases: Databases, rounds: Rounds) -> list[Figure]:
    """On each database, beside what it can do at most: commits of one insert, and COPY."""
    return on_each("submit", lambda kind: _on(databases, rounds, kind))


def _on(databases: Databases, rounds: Rounds, kind: str) -> list[Figure]:
    seconds = min(rounds.seconds, 8.0)
    base = databases.fresh(kind)
    said: dict[str, str] = {}
    cases = {do: _ours(databases, kind, f"submit_{do}", seconds, said) for do in ("single", "bulk")}
    beside = _limits(databases, kind, base, seconds)
    taken = rounds.interleaved({**beside, **cases})
    databases.drop(base)
    figures: list[Figure] = []
    for do in cases:
        fitting = [name for name in beside if (name == COPY) == (do == "bulk")]
        others = {name: taken.values(name) for name in fitting if name in taken.samples}
        failed = {OURS: taken.failed[do]} if do in taken.failed else {}
        failed |= {name: taken.failed[name] for name in fitting if name in taken.failed}
        settings = {OURS: said.get(f"submit_{do}", "")}
        figures += compared(f"submit.{kind}.{do}", "tasks/s", taken.values(do), others, settings, failed)
    return figures


def _limits(databases: Databases, kind: str, base: str, seconds: float) -> dict[str, Callable[[], Sample]]:
    match kind:
        case "postgresql":
            return {
                PGBENCH_1: lambda: limits.pgbench(base, 1, seconds),
                COPY: lambda: limits.copied(base, seconds),
            }
        case "sqlite":
            return {"SQLite commits": lambda: limits.sqlite(base.removeprefix("sqlite:///"), seconds)}
        case "mariadb":
            server = databases.server(kind)
            return {"MariaDB commits, 1": lambda: limits.mariadb(server, base, 1, seconds)}
        case _:
            raise Failed(kind)
