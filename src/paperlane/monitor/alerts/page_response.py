"""Pages are answered too slowly."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.model.tallies import Histogram, once
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_LEAST = 20  # answers, of which the slowest is beyond the quantile


def _find(sight: Sight) -> Iterator[Reading]:
    answers = sight.counted("http_seconds", ["page"], _LEAST)
    yield Reading(answers.quantile(0.95), params={"answers": f"{answers.count}"})


def _after(seconds: float, count: int) -> Sight:
    told = sum([once(seconds)] * count, Histogram())
    return one(Figures(60.0, tallies={("http_seconds", "page"): told}), Figures(0.0))


ALERT = Alert(
    name="page-response",
    why="Of 20 pages one takes longer than the limit.",
    severity=Severity.WARNING,
    unit=Unit.SECONDS,
    find=_find,
    loud=[_after(4.9, 20)],
    quiet=[one(Figures(60.0)), _after(0.9, 200), _after(4.9, 19)],
    setting="alert_page_seconds",
)
