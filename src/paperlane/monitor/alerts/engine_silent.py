"""Workers of an engine live and have room, tasks could run, and nothing begins."""

from collections.abc import Iterator
from dataclasses import replace

from paperlane.model.figures import Figures, WorkerFigures
from paperlane.model.tallies import once
from paperlane.model.tasks import EVERYTHING, Channel, EngineState, Stage, WorkerId
from paperlane.monitor.alerts import Alert, Reading, Severity, Sight, Subject, Unit, one


def _find(sight: Sight) -> Iterator[Reading]:
    """For how many seconds it was so at every look; what begins is counted, and what began and ended since too."""
    for engine in sight.now.engines:
        waits, since = _waits(sight.now, engine.name), sight.now.at
        for earlier in reversed(sight.before):
            same = _begun(earlier, engine.name) == _begun(sight.now, engine.name)
            if not (waits and same and _waits(earlier, engine.name)):
                break
            since = earlier.at
        yield Reading(sight.now.at - since, engine.name, {"engine": engine.name})


def _waits(of: Figures, name: str) -> bool:
    """Is there a worker with room that serves what could run? One that drains takes nothing more, so has none."""
    takes = any(one.room for one in of.workers if one.engine == name and (name, one.channel) in of.runnable)
    paused = any(engine.paused for engine in of.engines if engine.name == name)
    return takes and not paused and (not of.limit or of.running < of.limit)


def _begun(of: Figures, name: str) -> tuple[int, int]:
    ended = sum(
        told.count
        for (tally, label), told in of.tallies.items()
        if tally == "outcomes" and label.startswith(f"{name}/")
    )
    began = of.tallies.get(("wait_seconds", name))
    return sum(engine.running for engine in of.engines if engine.name == name) + ended, began.count if began else 0


_RQ = EngineState("rq", paused=False, queued=3, running=1, workers=1, slots=4)
_PAUSED = EngineState("rq", paused=True, queued=3, running=1, workers=1, slots=4)
_ROOM = WorkerFigures(WorkerId("w"), "rq", slots=4, wants=4, running=1)
_FULL = replace(_ROOM, running=4)
_DRAINS = replace(_ROOM, wants=0)
_OTHER_STAGE = replace(_ROOM, channel=Channel(frozenset({Stage.MODEL})))
_ODD_USERS = replace(_ROOM, channel=Channel(shard=1, shards=2))


def _at(
    at: float, *workers: WorkerFigures, engine: EngineState = _RQ, could: Channel = EVERYTHING, ended: int = 0
) -> Figures:
    tallies = {("outcomes", f"rq/completed-{number}"): once() for number in range(ended)}
    runnable = frozenset({("rq", could)})
    return Figures(at, engines=[engine], workers=workers or [_ROOM], runnable=runnable, tallies=tallies)


def _lasting(*workers: WorkerFigures, could: Channel = EVERYTHING) -> Sight:
    return one(*(_at(at, *workers, could=could) for at in (30.0, 10.0, 20.0)))


ALERT = Alert(
    name="engine-silent",
    why="An engine's workers live and have room, and yet no task begins: its broker may have lost what it was given.",
    severity=Severity.CRITICAL,
    unit=Unit.SECONDS,
    find=_find,
    subject=Subject.ENGINE,
    loud=[
        one(_at(30.0), _at(10.0), _at(20.0)),
        _lasting(_FULL, _ODD_USERS, could=_ODD_USERS.channel),
    ],
    quiet=[
        one(_at(30.0)),  # the first look
        one(_at(30.0, ended=1), _at(10.0), _at(20.0)),
        one(_at(30.0, _FULL), _at(10.0), _at(20.0)),
        one(_at(30.0, engine=_PAUSED), _at(10.0), _at(20.0)),
        _lasting(_DRAINS),
        _lasting(_OTHER_STAGE, _FULL),  # who has room serves nothing of what waits
        _lasting(_ODD_USERS, _FULL),
    ],
    setting="alert_silent_seconds",
    rises=1,
    falls=1,
)
