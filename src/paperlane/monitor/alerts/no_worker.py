"""Whoever uploads now waits: an engine of new users has no worker."""

from collections.abc import Iterator
from functools import partial

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tasks import EngineState, WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """For how many seconds there is none: one that just begins may take some. Roll-outs say who is given what."""
    for engine in sorted(sight.now.of_new):
        yield Reading(sight.lasts(partial(_lacks, engine)), engine, {"engine": engine})


def _lacks(engine: str, look: Figures) -> bool:
    """Who paused an engine may stop its workers too."""
    served = any(worker.serves and worker.engine == engine for worker in look.workers)
    paused = any(one.paused for one in look.engines if one.name == engine)
    return engine in look.of_new and not served and not paused


def _look(at: float, *workers: WorkerFigures, paused: bool = False) -> Figures:
    arq = EngineState("arq", paused=paused, queued=0, running=0, workers=0, slots=0)
    return Figures(at, of_new=frozenset({"database", "arq"}), workers=[*workers, _USUAL], engines=[arq])


_USUAL = WorkerFigures(WorkerId("a"), "database")
_HERE = WorkerFigures(WorkerId("b"), "arq")
_ELSEWHERE = WorkerFigures(WorkerId("b"), "inline")
_SILENT = WorkerFigures(WorkerId("b"), "arq", seen=31.0, live=False)
_WITHOUT_SLOTS = WorkerFigures(WorkerId("c"), "arq", slots=0)

ALERT = Alert(
    name="no-worker",
    why="An engine that new users may be given has no living worker, so what they upload waits.",
    severity=Severity.CRITICAL,
    unit=Unit.SECONDS,
    find=_find,
    subject=Subject.ENGINE,
    loud=[
        one(_look(20.0, _ELSEWHERE), _look(0.0), _look(10.0)),
        one(_look(20.0, _SILENT), _look(0.0, _SILENT), _look(10.0, _SILENT)),
        one(_look(20.0, _WITHOUT_SLOTS), _look(0.0), _look(10.0)),
    ],
    quiet=[
        one(_look(20.0, _HERE), _look(0.0), _look(10.0)),
        one(_look(20.0), _look(0.0, _HERE), _look(10.0)),
        one(_look(20.0)),  # the first look
        one(_look(20.0), Figures(0.0), Figures(10.0)),  # it was rolled out just now
        one(*(_look(at, paused=True) for at in (20.0, 0.0, 10.0))),
    ],
    otherwise=15.0,
    rises=1,
    falls=1,
)
