"""Whoever uploads now waits: the engine of new users has no worker."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tasks import WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """For how many seconds there is none: one that just begins may take some."""
    yield Reading(sight.lasts(_lacks), params={"engine": sight.now.usual})


def _lacks(look: Figures) -> bool:
    return not any(worker.serves and worker.engine == look.usual for worker in look.workers)


def _look(at: float, *workers: WorkerFigures) -> Figures:
    return Figures(at, usual="database", workers=workers)


_HERE = WorkerFigures(WorkerId("a"), "database")
_ELSEWHERE = WorkerFigures(WorkerId("b"), "inline")
_SILENT = WorkerFigures(WorkerId("a"), "database", seen=31.0, live=False)
_WITHOUT_SLOTS = WorkerFigures(WorkerId("c"), "database", slots=0)

ALERT = Alert(
    name="no-worker",
    why="The engine that carries new users has no living worker, so what is uploaded next waits.",
    severity=Severity.CRITICAL,
    unit=Unit.SECONDS,
    find=_find,
    loud=[
        one(_look(20.0, _ELSEWHERE), _look(0.0), _look(10.0)),
        one(_look(20.0, _SILENT), _look(0.0, _SILENT), _look(10.0, _SILENT)),
        one(_look(20.0, _WITHOUT_SLOTS), _look(0.0), _look(10.0)),
    ],
    quiet=[
        one(_look(20.0, _ELSEWHERE, _HERE), _look(0.0), _look(10.0)),
        one(_look(20.0), _look(0.0, _HERE), _look(10.0)),
        one(_look(20.0)),  # the first look
    ],
    otherwise=15.0,
    rises=1,
    falls=1,
)
