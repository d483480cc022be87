"""A task that could run waits for very long."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    yield Reading(sight.now.oldest, params={"waiting": f"{sight.now.queued}"})


ALERT = Alert(
    name="oldest-wait",
    why="The task that is next in some user's line has waited for long: work comes in faster than it is done.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    loud=[one(Figures(0.0, queued=1, oldest=301.0))],
    quiet=[one(Figures(0.0)), one(Figures(0.0, queued=90, oldest=299.0))],
    setting="alert_oldest_seconds",
)
