"""Too many answers are failures of ours."""

from collections.abc import Iterator

from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit
from paperlane.monitor.alerts.failed_share import failed_share, loud, quiet


def _find(sight: Sight) -> Iterator[Reading]:
    return failed_share(sight)


ALERT = Alert(
    name="availability",
    why="More of the answers are failures of Paperlane (5xx) than the limit allows.",
    severity=Severity.CRITICAL,
    unit=Unit.SHARE,
    find=_find,
    loud=loud("api"),
    quiet=quiet("api"),
    setting="alert_failed_answers",
)
