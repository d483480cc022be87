"""Too many tasks wait."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """Of those that could run now, for more workers would help only these.

    What is planned for later, or paused, waits because somebody wants it so. What failed and is tried again in a while
    waits because that is of use: where a model is away the alert `bottleneck` tells it, and `dead-letters` what came of
    it.
    """
    yield Reading(sight.now.startable)


ALERT = Alert(
    name="queue",
    why="More tasks that could run now wait in the whole system than it can soon run.",
    severity=Severity.WARNING,
    unit=Unit.NUMBER,
    find=_find,
    loud=[
        one(Figures(0.0, queued=101, startable=101)),
        one(Figures(0.0, queued=5_000, startable=4_000, running=100)),
    ],
    quiet=[
        one(Figures(0.0)),
        one(Figures(0.0, queued=100, startable=100, running=100)),
        one(Figures(0.0, queued=5_000, startable=2)),  # of tonight, or paused
    ],
    setting="alert_queue",
)
