"""Which share of answers are failures of ours: what the alerts about them read, and their examples."""

from collections.abc import Iterator, Sequence

from paperlane.model.figures import Figures
from paperlane.model.tallies import Histogram, once
from paperlane.monitor.alerts import Reading, Sight, one

_LEAST = 20  # answers
_FEW = 3  # failures: fewer may be an accident, however few the answers are


def failed_share(sight: Sight, kinds: Sequence[str] = ()) -> Iterator[Reading]:
    """Of the answers of these kinds, or of all. Refusals of who asks for too much, or for no sense, are no failures."""
    labels = [label for label in sight.labels("http_answers") if not kinds or label.partition("/")[0] in kinds]
    found = sight.counted_by("http_answers", labels, _LEAST)
    answers = sum(told.count for told in found.values())
    failed = sum(told.count for label, told in found.items() if label.endswith("/5xx"))
    yield Reading(failed / answers if failed >= _FEW else 0.0, params={"failed": f"{failed}", "answers": f"{answers}"})


def _after(kind: str, **answers: int) -> Sight:
    told = {
        ("http_answers", f"{kind}/{status}"): sum([once()] * count, Histogram()) for status, count in answers.items()
    }
    return one(Figures(60.0, tallies=told), Figures(0.0))


def loud(kind: str) -> Sequence[Sight]:
    """Too many of a kind failed."""
    return [_after(kind, **{"2xx": 90, "5xx": 5})]


def quiet(kind: str) -> Sequence[Sight]:
    """Nothing, refusals only, a quiet night, and an accident."""
    few = [{"2xx": 90, "429": 400, "4xx": 50}, {"5xx": 1}, {"2xx": 40, "5xx": 1}]
    return [one(Figures(60.0)), *(_after(kind, **answers) for answers in few)]
