"""The database has hardly any connection left."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, Vitals
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    used, most = sight.now.connections, sight.now.most_connections
    yield Reading(used / most if most else None, params={"used": f"{used}", "most": f"{most}"})


ALERT = Alert(
    name="database-connections",
    why="Once all are used nobody is let in, also no worker that must say that it lives.",
    severity=Severity.CRITICAL,
    unit=Unit.SHARE,
    find=_find,
    loud=[one(Figures(0.0, vitals=Vitals(connections=81, most_connections=100)))],
    quiet=[
        one(Figures(0.0)),  # nobody told
        one(Figures(0.0, vitals=Vitals(connections=80, most_connections=100))),
    ],
    setting="alert_connections",
)
