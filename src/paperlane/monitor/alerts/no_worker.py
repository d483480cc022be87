"""Whoever uploads now waits: the engine of new users has no worker."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tasks import WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    usual = sight.now.usual
    served = any(worker.live and worker.engine == usual for worker in sight.now.workers)
    yield Reading(0 if served else 1, params={"engine": usual})


_HERE = WorkerFigures(WorkerId("a"), "database")
_ELSEWHERE = WorkerFigures(WorkerId("b"), "inline")
_SILENT = WorkerFigures(WorkerId("a"), "database", seen=31.0, live=False)

ALERT = Alert(
    name="no-worker",
    why="The engine that carries new users has no living worker, so what is uploaded next waits.",
    severity=Severity.CRITICAL,
    unit=Unit.NUMBER,
    find=_find,
    loud=[
        one(Figures(0.0, usual="database", workers=[_ELSEWHERE])),
        one(Figures(0.0, usual="database", workers=[_SILENT])),
    ],
    quiet=[one(Figures(0.0, usual="database", workers=[_ELSEWHERE, _HERE]))],
    falls=1,
)
