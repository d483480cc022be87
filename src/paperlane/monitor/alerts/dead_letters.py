"""Tasks failed for good."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_SAID = 3


def _find(sight: Sight) -> Iterator[Reading]:
    fresh = sight.now.fresh_dead
    causes = ", ".join(f"{code} ({count})" for code, count in list(fresh.items())[:_SAID])
    yield Reading(sum(fresh.values()), params={"causes": causes})


ALERT = Alert(
    name="dead-letters",
    why="Tasks failed for good within the last hour, and nobody started them again or discarded them.",
    severity=Severity.WARNING,
    unit=Unit.NUMBER,
    find=_find,
    loud=[one(Figures(0.0, dead=1, fresh_dead={"damaged_file": 1}))],
    quiet=[one(Figures(0.0)), one(Figures(0.0, dead=12))],  # of yesterday, and known
    setting="alert_dead_letters",
    rises=1,
    falls=1,
)
