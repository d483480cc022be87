"""An engine has tasks and nobody who runs them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tasks import EngineState, WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """For how many seconds it is so: a worker that just begins may take some."""
    for engine in sight.now.engines:
        tasks = engine.startable + engine.running
        yield Reading(
            sight.lasts(partial(_is_down, engine.name)), engine.name, {"engine": engine.name, "tasks": f"{tasks}"}
        )


def _is_down(name: str, look: Figures) -> bool:
    """Tasks of later need no worker yet, and who paused an engine may stop its workers too."""
    served = any(worker.serves and worker.engine == name for worker in look.workers)
    return not served and any(
        engine.name == name and not engine.paused and engine.startable + engine.running for engine in look.engines
    )


def _look(at: float, engine: EngineState, *workers: WorkerFigures) -> Figures:
    return Figures(at, engines=[engine], workers=workers)


_ARQ = EngineState("arq", paused=False, queued=3, running=0, workers=0, slots=0, startable=3)
_LATER = replace(_ARQ, startable=0)
_PAUSED = replace(_ARQ, paused=True, running=1, startable=0)
_IDLE = EngineState("arq", paused=False, queued=0, running=0, workers=0, slots=0)
_ELSEWHERE = WorkerFigures(WorkerId("a"), "database")
_SILENT = WorkerFigures(WorkerId("b"), "arq", seen=31.0, live=False)
_WITHOUT_SLOTS = WorkerFigures(WorkerId("d"), "arq", slots=0)
_HERE = WorkerFigures(WorkerId("c"), "arq")

ALERT = Alert(
    name="engine-down",
    why="An engine carries users whose tasks could run, and no worker of it lives.",
    severity=Severity.CRITICAL,
    unit=Unit.SECONDS,
    find=_find,
    subject=Subject.ENGINE,
    loud=[
        one(_look(20.0, _ARQ, _ELSEWHERE), _look(0.0, _ARQ), _look(10.0, _ARQ)),
        one(_look(20.0, _ARQ, _SILENT), _look(0.0, _ARQ), _look(10.0, _ARQ)),
        one(_look(20.0, _ARQ, _WITHOUT_SLOTS), _look(0.0, _ARQ), _look(10.0, _ARQ)),
    ],
    quiet=[
        one(_look(20.0, _IDLE), _look(0.0, _IDLE), _look(10.0, _IDLE)),
        one(_look(20.0, _ARQ, _HERE), _look(0.0, _ARQ), _look(10.0, _ARQ)),
        one(_look(20.0, _ARQ)),  # the first look
        one(_look(20.0, _LATER), _look(0.0, _LATER), _look(10.0, _LATER)),
        one(_look(20.0, _PAUSED), _look(0.0, _PAUSED), _look(10.0, _PAUSED)),
    ],
    otherwise=15.0,
    rises=1,
    falls=1,
)
