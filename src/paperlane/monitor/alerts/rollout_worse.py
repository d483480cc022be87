"""A guardrail found a roll-out worse than what it replaces."""

from collections.abc import Iterator
from dataclasses import replace

from paperlane.model.figures import Figures, GuardFigures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """How many roll-outs of an engine; the newest of them is told of."""
    found: dict[str, list[GuardFigures]] = {}
    for guard in sight.now.guards:
        found.setdefault(guard.engine, []).append(guard)
    for engine, guards in found.items():
        newest = guards[0]
        params = {name: getattr(newest, name) for name in ("engine", "control", "measure", "a", "b")}
        params |= {"percent": f"{newest.percent:g}", "done": newest.done.replace("_", " ")}
        yield Reading(float(len(guards)), engine, params)


_WORSE = GuardFigures("arq", 25.0, "database", "failures", "0.8%", "10.4%", "taken_back")

ALERT = Alert(
    name="rollout-worse",
    why="A guardrail found a roll-out worse than what it replaces, and does what it was set to do. It is told while"
    " that rule holds and nobody has acknowledged it, and for an hour after it was taken back.",
    severity=Severity.CRITICAL,
    unit=Unit.NUMBER,
    find=_find,
    subject=Subject.ENGINE,
    loud=[
        one(Figures(10.0, guards=[_WORSE])),
        one(Figures(10.0, guards=[replace(_WORSE, done="held"), replace(_WORSE, engine="celery")])),
    ],
    quiet=[one(Figures(10.0))],
    rises=1,
    falls=1,
)
