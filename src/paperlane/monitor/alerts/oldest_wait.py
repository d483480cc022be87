"""A task that could run waits for very long."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """Since it could run: what was started again today waits since then, however old it is; what is paused does not."""
    yield Reading(sight.now.oldest, params={"waiting": f"{sight.now.startable}"})


ALERT = Alert(
    name="oldest-wait",
    why="The task that is next in some user's line could run for long: work comes in faster than it is done.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    loud=[one(Figures(0.0, queued=1, startable=1, oldest=301.0))],
    quiet=[one(Figures(0.0)), one(Figures(0.0, queued=90, startable=90, oldest=299.0))],
    setting="alert_oldest_seconds",
)
