"""Workers of an engine on a machine are silent, or vanished with tasks."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tallies import NONE, once
from paperlane.model.tasks import WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one

_PATIENCE = 2 / 3  # of a lease: two heartbeats are missed
_TOLD = 3  # looks for which one that vanished stays in sight, also where another took its place at once
_NAMED = 3  # of those that are gone
_LATE = 30.0  # seconds by which it may be counted before or after that its tasks crashed


def _find(sight: Sight) -> Iterator[Reading]:
    """How many of an engine are gone on a machine: where one after the other is, that is one trouble."""
    of_each: dict[str, list[tuple[WorkerFigures, bool | None]]] = {}
    for worker, gone in _seen(sight):
        of_each.setdefault(f"{worker.engine} on {worker.host}", []).append((worker, gone))
    for subject, found in of_each.items():
        gone = [worker for worker, is_gone in found if is_gone]
        unknown = not gone and any(is_gone is None for _, is_gone in found)
        yield Reading(None if unknown else len(gone), subject, _params([worker for worker, _ in found], gone))


def _seen(sight: Sight) -> Iterator[tuple[WorkerFigures, bool | None]]:
    """Those that are silent, and those that were there at one look, and not at the next: is each gone? None: unknown.

    One that is told to stop leaves too: gone is who was silent before, or whose engine had attempts that crashed at
    about that time. It is over when another worker of that engine has begun since, or is not remembered any more.
    """
    for worker in sight.now.workers:
        if _is_silent(sight.now, worker):
            yield worker, True if sight.goes_on else None
    looks = [*sight.before, sight.now]
    present = {worker.id for worker in sight.now.workers}
    for age, (before, after) in enumerate(reversed(list(pairwise(looks)))):
        there = {worker.id for worker in after.workers}
        for worker in before.workers:
            if worker.id in there | present:
                continue
            if _is_silent(before, worker) or _crashed(looks, worker.engine, before.at, after.at):
                yield worker, age < _TOLD or not _replaced(sight.now, worker, before.at)


def _is_silent(look: Figures, worker: WorkerFigures) -> bool:
    return worker.seen > look.lease * _PATIENCE


def _params(of: Sequence[WorkerFigures], gone: Sequence[WorkerFigures]) -> Mapping[str, str]:
    names = ", ".join([worker.id for worker in gone][:_NAMED])
    running = sum(worker.running for worker in gone)
    return {"worker": names, "engine": of[0].engine, "host": of[0].host, "running": f"{running}"}


def _crashed(looks: Sequence[Figures], engine: str, since: float, until: float) -> bool:
    near = (look for look in looks if since - _LATE <= look.at <= until + _LATE)
    counts = [look.tallies.get(("outcomes", f"{engine}/crashed"), NONE).count for look in near]
    return max(counts) > min(counts)


def _replaced(now: Figures, worker: WorkerFigures, since: float) -> bool:
    return any(other.live and other.engine == worker.engine and other.started_at >= since for other in now.workers)


_BUSY = WorkerFigures(WorkerId("a"), "database", running=3, started_at=1.0)
_SILENT = WorkerFigures(WorkerId("a"), "database", seen=21.0)
_LATE_ONCE = WorkerFigures(WorkerId("a"), "database", seen=15.0)
_NEXT = WorkerFigures(WorkerId("b"), "database", started_at=22.0)
_CRASHED = {("outcomes", "database/crashed"): once()}

ALERT = Alert(
    name="worker-gone",
    why="A worker missed two heartbeats, or vanished with tasks that others must do again.",
    severity=Severity.WARNING,
    unit=Unit.NUMBER,
    find=_find,
    subject=Subject.ENGINE_ON_HOST,
    loud=[
        one(Figures(100.0, workers=[_SILENT]), Figures(90.0, workers=[_LATE_ONCE])),
        one(Figures(30.0, workers=[_NEXT], tallies=_CRASHED), Figures(20.0, workers=[_BUSY])),
        one(Figures(140.0, tallies=_CRASHED), Figures(20.0, workers=[_BUSY]), Figures(30.0, tallies=_CRASHED)),
    ],
    quiet=[
        one(Figures(100.0, workers=[_LATE_ONCE]), Figures(90.0, workers=[_BUSY])),
        one(Figures(100.0, workers=[_SILENT])),  # whoever looks has just begun
        one(Figures(200.0, workers=[_SILENT]), Figures(60.0, workers=[_BUSY]), Figures(70.0, workers=[_BUSY])),  # a gap
        one(Figures(30.0, workers=[_NEXT]), Figures(20.0, workers=[_BUSY])),  # it drained
        one(
            Figures(60.0, workers=[_NEXT], tallies=_CRASHED),
            Figures(20.0, workers=[_BUSY]),
            *(Figures(at, workers=[_NEXT], tallies=_CRASHED) for at in (30.0, 40.0, 50.0)),
        ),  # another took its place
    ],
    rises=1,
    falls=3,  # or one that crashes every minute would be told each time
)
