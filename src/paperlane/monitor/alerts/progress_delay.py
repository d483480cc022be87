"""Progress reaches browsers late."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.model.tallies import Histogram, once
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_LEAST = 20  # frames


def _find(sight: Sight) -> Iterator[Reading]:
    frames = sight.counted("progress_seconds", [""], _LEAST)
    yield Reading(frames.quantile(0.99), params={"frames": f"{frames.count}"})


def _after(seconds: float, count: int) -> Sight:
    told = sum([once(seconds)] * count, Histogram())
    return one(Figures(60.0, tallies={("progress_seconds", ""): told}), Figures(0.0))


ALERT = Alert(
    name="progress-delay",
    why="Of 100 frames of progress one is sent later than the limit after what it tells of was written down.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    loud=[_after(9.0, 20)],
    quiet=[one(Figures(60.0)), _after(0.3, 300), _after(9.0, 19)],
    setting="alert_progress_seconds",
)
