"""Documents take too long from upload to report."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.model.tallies import Histogram, once
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_LEAST = 5  # tasks


def _find(sight: Sight) -> Iterator[Reading]:
    completed = sight.counted("completion_seconds", sight.labels("completion_seconds"), _LEAST)
    yield Reading(completed.mean, params={"tasks": f"{completed.count}"})


def _after(seconds: float, count: int) -> Sight:
    told = sum([once(seconds)] * count, Histogram())
    return one(Figures(60.0, tallies={("completion_seconds", "database"): told}), Figures(0.0))


ALERT = Alert(
    name="mean-completion",
    why="Tasks that were completed in the last minutes took longer than the limit on average, waiting included.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    loud=[_after(301.0, 5)],
    quiet=[one(Figures(60.0)), _after(200.0, 50), _after(900.0, 4)],
    setting="alert_completion_seconds",
)
