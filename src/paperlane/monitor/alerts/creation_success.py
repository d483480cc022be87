"""Too many uploads fail through a fault of ours."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.model.tallies import Histogram, once
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_LEAST = 20  # answers
_FEW = 3  # failures: fewer may be an accident, however few the answers are


def _find(sight: Sight) -> Iterator[Reading]:
    """Refusals of who asks for too much, or for what makes no sense, are no failures."""
    labels = [label for label in sight.labels("http_answers") if label.startswith("batch/")]
    found = sight.counted_by("http_answers", labels, _LEAST)
    answers = sum(told.count for told in found.values())
    failed = sum(told.count for label, told in found.items() if label.endswith("/5xx"))
    yield Reading(failed / answers if failed >= _FEW else 0.0, params={"failed": f"{failed}", "answers": f"{answers}"})


def _after(**answers: int) -> Sight:
    told = {("http_answers", f"batch/{kind}"): sum([once()] * count, Histogram()) for kind, count in answers.items()}
    return one(Figures(60.0, tallies=told), Figures(0.0))


_FAILING = {"2xx": 90, "5xx": 5}
_REFUSING = {"2xx": 90, "429": 400, "4xx": 50}
_QUIET_NIGHT = {"5xx": 1}
_ACCIDENT = {"2xx": 40, "5xx": 1}

ALERT = Alert(
    name="creation-success",
    why="More uploads fail through a fault of Paperlane (5xx) than the limit allows.",
    severity=Severity.CRITICAL,
    unit=Unit.SHARE,
    find=_find,
    loud=[_after(**_FAILING)],
    quiet=[one(Figures(60.0)), _after(**_REFUSING), _after(**_QUIET_NIGHT), _after(**_ACCIDENT)],
    setting="alert_failed_uploads",
)
