"""Too many tasks wait."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    yield Reading(sight.now.queued)


ALERT = Alert(
    name="queue",
    why="More tasks wait in the whole system than it can soon run.",
    severity=Severity.WARNING,
    unit=Unit.NUMBER,
    find=_find,
    loud=[one(Figures(0.0, queued=101)), one(Figures(0.0, queued=5_000, running=100))],
    quiet=[one(Figures(0.0)), one(Figures(0.0, queued=100, running=100))],
    setting="alert_queue",
)
