"""Too many tasks of one user wait."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """Of those that could run now, as the alert `queue` counts them."""
    for user, waiting in sight.now.backlogs.items():
        yield Reading(waiting, user, {"user": user})


ALERT = Alert(
    name="user-backlog",
    why="So many tasks of one user wait that could run now that their limit, or a program of theirs, deserves a look.",
    severity=Severity.WARNING,
    unit=Unit.NUMBER,
    find=_find,
    subject=Subject.USER,
    loud=[one(Figures(0.0, queued=21, backlogs={"ann": 21})), one(Figures(0.0, backlogs={"bob": 3, "ann": 400}))],
    quiet=[
        one(Figures(0.0)),
        one(Figures(0.0, queued=60, backlogs={"ann": 20, "bob": 20, "cleo": 20})),
        one(Figures(0.0, queued=400, backlogs={})),  # of tonight, or paused
    ],
    setting="alert_user_backlog",
)
