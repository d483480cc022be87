"""A machine has hardly any memory left."""

from collections.abc import Iterator

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tasks import WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """The one that looks, and those of workers, by their host; whoever runs on a host tells of the same machine."""
    of_host: dict[str, list[float | None]] = {sight.now.host: [sight.now.memory]}
    for worker in sight.now.workers:
        if worker.live:
            of_host.setdefault(worker.host.partition("/")[0], []).append(worker.memory)
    for host, shares in of_host.items():
        known = [share for share in shares if share is not None]
        yield Reading(max(known) if known else None, host, {"host": host})


_FULL = WorkerFigures(WorkerId("w"), "database", "crane", memory=0.91)
_GONE = WorkerFigures(WorkerId("w"), "database", "crane", memory=0.91, live=False)
_FAILED = WorkerFigures(WorkerId("w"), "database", "crane", memory=None)

ALERT = Alert(
    name="memory",
    why="A machine that runs out of memory kills processes, and with them attempts.",
    severity=Severity.CRITICAL,
    unit=Unit.SHARE,
    find=_find,
    subject=Subject.HOST,
    loud=[
        one(Figures(0.0, host="crane", memory=0.86)),
        one(Figures(0.0, host="heron", memory=0.2, workers=[_FULL])),
        one(Figures(0.0, host="crane", memory=None, workers=[_FULL])),
    ],
    quiet=[
        one(Figures(0.0, host="crane", memory=0.84)),
        one(Figures(0.0, host="heron", memory=None, workers=[_FAILED])),
        one(Figures(0.0, host="crane", memory=0.2, workers=[_GONE])),
    ],
    setting="alert_memory",
)
