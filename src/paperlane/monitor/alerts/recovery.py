"""What a dead worker held is not taken back in time."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, Vitals
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """Since the worker was last heard of: a lease before its end."""
    vitals = sight.now.vitals
    silent = vitals.stranded_for + sight.now.lease if vitals.stranded else 0.0
    yield Reading(silent, params={"stranded": f"{vitals.stranded}"})


ALERT = Alert(
    name="recovery",
    why="Tasks of a worker that is gone wait for longer than the limit for a sweep to take them back.",
    severity=Severity.CRITICAL,
    unit=Unit.SECONDS,
    find=_find,
    loud=[one(Figures(0.0, vitals=Vitals(stranded=2, stranded_for=280.0)))],
    quiet=[one(Figures(0.0)), one(Figures(0.0, vitals=Vitals(stranded=2, stranded_for=60.0)))],
    setting="alert_recovery_seconds",
    rises=3,  # a database that was away looks so until the first sweep
    falls=1,
)
