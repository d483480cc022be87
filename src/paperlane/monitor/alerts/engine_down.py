"""An engine has tasks and nobody who runs them."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tasks import EngineState, WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    served = {worker.engine for worker in sight.now.workers if worker.live}
    for engine in sight.now.engines:
        tasks = engine.queued + engine.running
        yield Reading(0 if engine.name in served else tasks, engine.name, {"engine": engine.name})


_ARQ = EngineState("arq", paused=False, queued=3, running=0, workers=0, slots=0)
_IDLE = EngineState("arq", paused=False, queued=0, running=0, workers=0, slots=0)
_ELSEWHERE = WorkerFigures(WorkerId("a"), "database")
_SILENT = WorkerFigures(WorkerId("b"), "arq", seen=31.0, live=False)
_HERE = WorkerFigures(WorkerId("c"), "arq")

ALERT = Alert(
    name="engine-down",
    why="An engine carries users whose tasks wait, and no worker of it lives.",
    severity=Severity.CRITICAL,
    unit=Unit.NUMBER,
    find=_find,
    loud=[
        one(Figures(0.0, engines=[_ARQ], workers=[_ELSEWHERE])),
        one(Figures(0.0, engines=[_ARQ], workers=[_SILENT])),
    ],
    quiet=[one(Figures(0.0, engines=[_IDLE])), one(Figures(0.0, engines=[_ARQ], workers=[_HERE]))],
)
