"""Tasks wait, and one resource bounds how fast they are done."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, ModelFigures, Vitals, WorkerFigures
from paperlane.model.tasks import WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_BUSY, _FULL = 0.85, 0.85
_NEARLY = 0.9  # of all slots


def _find(sight: Sight) -> Iterator[Reading]:
    """How long the oldest task waits, told of the resource that is scarce: the first of these that has a reason.

    A model that refuses makes all else wait, so it comes first; slots come last, for where they alone are used up
    there is room for more of them.
    """
    reasons = dict(_reasons(sight.now)) if sight.now.queued else {}
    scarce = next(iter(reasons), None)
    if scarce is not None:
        params = {"resource": scarce, "reasons": "; ".join(reasons.values())}
        yield Reading(sight.now.oldest, scarce, params)


def _reasons(now: Figures) -> Iterator[tuple[str, str]]:
    for model in now.models:
        if model.refusals or model.closed_for or model.away or model.rationed:
            state = "away" if model.away else "rate used up" if model.rationed else f"429 x {model.refusals}"
            yield "model", f"{model.name}: {state}"
            break
    if now.most_connections and now.connections / now.most_connections >= _FULL:
        yield "database", f"connections {now.connections}/{now.most_connections}"
    live = [worker for worker in now.workers if worker.live]
    memory = max((share for share in (now.memory, *(w.memory for w in live)) if share is not None), default=0.0)
    if memory >= _FULL:
        yield "memory", f"memory {memory:.0%}"
    cpu = max((share for share in (now.cpu, *(w.cpu for w in live)) if share is not None), default=0.0)
    if cpu >= _BUSY:
        yield "cpu", f"CPU {cpu:.0%}"
    if (now.slots and now.running >= _NEARLY * now.slots) or (now.limit and now.running >= now.limit):
        yield "slots", f"running {now.running}, slots {now.slots}, limit {now.limit}"


def _waiting(**more: object) -> Sight:
    figures = {"queued": 40, "oldest": 90.0, "running": 5, "slots": 20, "limit": 100, **more}
    return one(Figures(0.0, **figures))  # pyright: ignore[reportArgumentType]


ALERT = Alert(
    name="bottleneck",
    why="Tasks wait, and one resource is used up: the model, the database, memory, CPU or slots, in this order.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    loud=[
        _waiting(cpu=0.97),
        _waiting(memory=0.9),
        _waiting(workers=[WorkerFigures(WorkerId("w"), "database", cpu=0.99)]),
        _waiting(vitals=Vitals(connections=90, most_connections=100)),
        _waiting(models=[ModelFigures("fast", refusals=4)]),
        _waiting(running=20),
    ],
    quiet=[
        one(Figures(0.0, cpu=0.99)),  # nobody waits
        _waiting(cpu=0.97, oldest=2.0),
        _waiting(cpu=0.4, memory=None),
    ],
    setting="alert_bottleneck_seconds",
)
