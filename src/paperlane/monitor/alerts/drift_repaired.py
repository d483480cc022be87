"""Counters of a line of tasks had drifted, and were put right."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """In the last ten minutes; of what was put right before the first look nothing is told."""
    earliest = sight.before[0].repairs if sight.before else sight.now.repairs
    yield Reading(max(0, sight.now.repairs - earliest))


ALERT = Alert(
    name="drift-repaired",
    why="The sweep found a user's counters wrong. Nothing is lost, but it is a fault of Paperlane: please report it.",
    severity=Severity.WARNING,
    unit=Unit.NUMBER,
    find=_find,
    loud=[one(Figures(20.0, repairs=5), Figures(10.0, repairs=4))],
    quiet=[one(Figures(20.0, repairs=5)), one(Figures(20.0, repairs=5), Figures(10.0, repairs=5))],
    rises=1,
    falls=1,
)
