"""How soon an idle worker begins a task that another process submits."""

from collections.abc import Callable

from benchmarks.figures import OURS, Figure, compared, percentile
from benchmarks.ledger.contestants import Contestant, ours, peer
from benchmarks.ledger.databases import KINDS, Databases
from benchmarks.machine import watched
from benchmarks.rounds import Rounds, Sample

_FIRST = 5  # tasks that open connections and are not counted
_GAP = 0.05  # seconds between two tasks: the worker is idle again
_POINTS = {"p50": 0.5, "p95": 0.95}

_PEERS = (
    peer("pgqueuer", "postgresql", title="pgqueuer"),
    peer("saq", "postgresql", title="saq (PostgreSQL)"),
    peer("saq", "redis", title="saq (Redis)"),
)


def _taken(databases: Databases, who: Contestant, count: int) -> Callable[[], Sample]:
    def take() -> Sample:
        url = databases.fresh(who.server)
        try:
            with who.program() as worker, who.program() as sender:
                worker.ask("setup", url=url)
                sender.ask("join", url=url)
                with watched() as load:
                    worker.send("pickup", count=count + _FIRST)
                    sent = sender.ask("submit", count=count + _FIRST, gap=_GAP)
                    begun = worker.answer()
        finally:
            databases.drop(url)
        waits = [(at - began) * 1e3 for (began, _), at in zip(sent, begun, strict=False)][_FIRST:]
        after = [(at - done) * 1e3 for (_, done), at in zip(sent, begun, strict=False)][_FIRST:]
        points = {name: percentile(waits, share) for name, share in _POINTS.items()}
        return Sample(points["p50"], foreign=load.foreign, more={**points, "after": percentile(after, 0.5)})

    return take


def measured(databases: Databases, rounds: Rounds) -> list[Figure]:
    """From the call of submit to the start of the task, both durable, one at a time; after the commit beside it."""
    count = 40 if rounds.quick else 200
    own = {f"{OURS} on {kind}": ours(kind, 1) for kind in KINDS}
    cases = {name: _taken(databases, who, count) for name, who in (own | {one.name: one for one in _PEERS}).items()}
    taken = rounds.interleaved(cases)

    figures: list[Figure] = []
    for kind in KINDS:
        name = f"{OURS} on {kind}"
        failed = {OURS: taken.failed[name]} if name in taken.failed else {}
        failed |= {one.name: taken.failed[one.name] for one in _PEERS if one.name in taken.failed}
        for what in (*_POINTS, "after"):
            others = {one.name: taken.more(one.name, what) for one in _PEERS if one.name in taken.samples}
            figures += compared(f"pickup.{kind}.{what}", "ms", taken.more(name, what), others, failed=failed)
    return figures
