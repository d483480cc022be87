"""Too many uploads fail through a fault of ours."""

from collections.abc import Iterator

from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit
from paperlane.monitor.alerts.failed_share import failed_share, loud, quiet


def _find(sight: Sight) -> Iterator[Reading]:
    return failed_share(sight, ["batch"])


ALERT = Alert(
    name="creation-success",
    why="More uploads fail through a fault of Paperlane (5xx) than the limit allows.",
    severity=Severity.CRITICAL,
    unit=Unit.SHARE,
    find=_find,
    loud=loud("batch"),
    quiet=[*quiet("batch"), *loud("api")],
    setting="alert_failed_uploads",
)
