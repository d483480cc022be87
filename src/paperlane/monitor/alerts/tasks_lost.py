"""Tasks may be lost: nobody takes them back, or they failed through no fault of their documents."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, Vitals
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one

_CAUSES = ("poison", "file_lost")
_LEASES = 3  # that one which is over may be old: a sweep takes it back long before


def _find(sight: Sight) -> Iterator[Reading]:
    """Leases that are over for long, and dead letters of the last hour whose workers died or whose files are gone."""
    vitals = sight.now.vitals
    stranded = vitals.stranded if vitals.stranded_for > _LEASES * sight.now.lease else 0
    failed = sum(sight.now.fresh_dead.get(cause, 0) for cause in _CAUSES)
    yield Reading(stranded + failed, params={"stranded": f"{stranded}", "failed": f"{failed}"})


ALERT = Alert(
    name="tasks-lost",
    why="A task that was accepted has no worker and is not taken back, or failed because workers died of it or its file"
    " is gone.",
    severity=Severity.CRITICAL,
    unit=Unit.NUMBER,
    find=_find,
    loud=[
        one(Figures(0.0, vitals=Vitals(stranded=2, stranded_for=100.0))),
        one(Figures(0.0, dead=1, fresh_dead={"poison": 1})),
    ],
    quiet=[
        one(Figures(0.0)),
        one(Figures(0.0, vitals=Vitals(stranded=2, stranded_for=40.0))),
        one(Figures(0.0, dead=1, fresh_dead={"damaged_file": 1})),
    ],
    rises=3,  # a database that was away looks so until the first sweep
)
