"""The database is away, or has no room, so nothing goes on."""

from collections.abc import Iterator

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """For how many seconds it could not be looked at; whoever looked before tells it without the database."""
    yield Reading(sight.now.away, sight.now.host, {"host": sight.now.host, "why": sight.now.why})


ALERT = Alert(
    name="database-away",
    why="The database cannot be reached, does not answer, or has no room: nothing goes on until it is back.",
    severity=Severity.CRITICAL,
    unit=Unit.SECONDS,
    find=_find,
    subject=Subject.HOST,
    loud=[
        one(Figures(31.0, host="crane", away=31.0, why="There is no room to write: disk full.")),
        one(Figures(0.0, away=4_000.0)),
    ],
    quiet=[one(Figures(0.0)), one(Figures(0.0, away=12.0, why="The database is busy."))],
    otherwise=30.0,
    rises=1,
    falls=1,
)
