"""Tasks wait, and one resource bounds how fast they are done."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from paperlane.model.figures import Figures, ModelFigures, Vitals, WorkerFigures
from paperlane.model.tasks import EngineState, WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one

RESOURCES = ("model", "database", "memory", "cpu", "slots")
"""Those of which it may be told, in this order."""

_BUSY, _FULL = 0.85, 0.85
_NEARLY = 0.9  # of all slots


def _find(sight: Sight) -> Iterator[Reading]:
    """How long the oldest task waits, told of the resource that is scarce: the first of these that has a reason.

    A model that refuses makes all else wait, so it comes first; slots come last, for where they alone are used up
    there is room for more of them. Tasks whose engine has no slots wait for a worker, and for none of these; where
    there are such too, the oldest may be one of them, so it counts for how long others have been seen to wait. What
    waits for a model that is away could not run, so there it counts for how long it has been seen away.
    """
    now, served = sight.now, _served(sight.now)
    reasons = dict(_reasons(now, served))
    waited = now.oldest if served else 0.0
    if sum(engine.startable for engine in served) < now.startable:
        waited = min(waited, sight.lasts(lambda look: bool(_served(look))))
    scarce = next(iter(reasons), None)
    if scarce == "model":
        waited = max(waited, sight.lasts(_waits_for_a_model))
    if scarce is not None:
        yield Reading(waited, scarce, {"resource": scarce, "reasons": "; ".join(reasons.values())})


def _served(look: Figures) -> Sequence[EngineState]:
    """The engines that have tasks waiting which could run, and slots to run them."""
    return [engine for engine in look.engines if engine.startable and engine.slots]


def _waits_for_a_model(look: Figures) -> bool:
    return look.queued > 0 and any(model.away for model in look.models)


def _reasons(now: Figures, served: Sequence[EngineState]) -> Iterator[tuple[str, str]]:
    for model in now.models if now.queued else ():
        if model.refusals or model.closed_for or model.away or model.rationed:
            state = "away" if model.away else "rate used up" if model.rationed else f"429 x {model.refusals}"
            yield "model", f"{model.name}: {state}"
            break
    if not served:
        return
    if now.most_connections and now.connections / now.most_connections >= _FULL:
        yield "database", f"connections {now.connections}/{now.most_connections}"
    names = {engine.name for engine in served}
    live = [worker for worker in now.workers if worker.live and worker.engine in names]
    memory = max((share for share in (now.memory, *(w.memory for w in live)) if share is not None), default=0.0)
    if memory >= _FULL:
        yield "memory", f"memory {memory:.0%}"
    cpu = max((share for share in (now.cpu, *(w.cpu for w in live)) if share is not None), default=0.0)
    if cpu >= _BUSY:
        yield "cpu", f"CPU {cpu:.0%}"
    full = next((engine for engine in served if engine.running >= _NEARLY * engine.slots), None)
    if full is not None:
        yield "slots", f"{full.name}: running {full.running}, slots {full.slots}"
    elif now.limit and now.running >= now.limit:
        yield "slots", f"running {now.running}, limit {now.limit}"


def _engine(name: str = "database", queued: int = 40, running: int = 5, slots: int = 20) -> EngineState:
    return EngineState(name, False, queued, running, min(slots, 1), slots, startable=queued)


def _waiting(*engines: EngineState, at: float = 0.0, **more: object) -> Figures:
    engines = engines or (_engine(),)
    sums = {
        name: sum(getattr(engine, name) for engine in engines) for name in ("queued", "startable", "running", "slots")
    }
    figures = {**sums, "engines": engines, "oldest": 90.0, "limit": 100, **more}
    return Figures(at, **figures)  # pyright: ignore[reportArgumentType]


_INLINE = _engine("inline", queued=0, running=0, slots=4)
_LOST = _engine("arq", running=0, slots=0)
_PAUSED = replace(_engine(), paused=True, startable=0)
_LATER = replace(_engine(), startable=0)
_AWAY = [ModelFigures("fast", away=True)]
_SHUT = [ModelFigures("fast", away=True, closed_for=20.0)]

ALERT = Alert(
    name="bottleneck",
    why="Tasks wait, and one resource is used up: the model, the database, memory, CPU or slots, in this order.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    subject=Subject.RESOURCE,
    loud=[
        one(_waiting(cpu=0.97)),
        one(_waiting(memory=0.9)),
        one(_waiting(workers=[WorkerFigures(WorkerId("w"), "database", cpu=0.99)])),
        one(_waiting(vitals=Vitals(connections=90, most_connections=100))),
        one(_waiting(models=[ModelFigures("fast", refusals=4)])),
        one(_waiting(_engine(running=20), _INLINE)),
        one(_waiting(limit=5)),
        one(_waiting(_engine(), _LOST, at=70.0, cpu=0.97), _waiting(_engine(), _LOST)),
        one(*(_waiting(_LATER, at=at, oldest=0.0, models=_AWAY) for at in (70.0, 0.0))),
        one(
            _waiting(_LATER, at=70.0, oldest=0.0, models=_SHUT),
            _waiting(_LATER, oldest=0.0, models=_SHUT),
            _waiting(at=40.0, oldest=2.0, models=_AWAY),
        ),  # one asked it between, and had no answer yet
    ],
    quiet=[
        one(Figures(0.0, cpu=0.99)),  # nobody waits
        one(_waiting(cpu=0.97, oldest=2.0)),
        one(_waiting(cpu=0.4, memory=None)),
        one(_waiting(_LOST, _INLINE, cpu=0.97)),  # they wait for a worker
        one(_waiting(_engine(), _LOST, at=70.0, cpu=0.97), _waiting(_LOST), _waiting(_engine(), _LOST, at=60.0)),
        one(_waiting(_PAUSED, cpu=0.97)),
        one(_waiting(_LATER, cpu=0.97, oldest=0.0)),
        one(_waiting(_LATER, at=70.0, oldest=0.0, models=_AWAY), _waiting(_LATER, oldest=0.0)),  # away just now
        one(_waiting(workers=[WorkerFigures(WorkerId("w"), "arq", cpu=0.99)])),  # others' worker
    ],
    setting="alert_bottleneck_seconds",
)
