"""The watch: one process of all looks every few seconds, keeps a sample, and opens and closes incidents."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from paperlane.clock import Clock, NewId
from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.machine import Sensors
from paperlane.model.figures import Figures
from paperlane.monitor.alerts import ALERTS, WINDOW, Sight
from paperlane.monitor.judging import Judge, Key, Opening, fields_of, params_of
from paperlane.monitor.looking import Looking
from paperlane.monitor.outage import Outage
from paperlane.monitor.sampling import series_of
from paperlane.monitor.webhook import Receiver, Teller
from paperlane.records import incidents, portable, samples
from paperlane.records.incidents import Incident, Silence, Telling
from paperlane.scheduling.pace import pause
from paperlane.settings import Settings
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

_PATIENCE = 2.5  # looks that another process waits for the one that watches
_MINUTE = 60.0


@dataclass(slots=True)
class Watch:
    """What this process remembers of its looks, while nobody else's come between. Its methods are for one thread.

    `at` this time, by the database's clock, it asked for its turn last, and found these `silences`.
    """

    ledger: Ledger
    settings: Settings
    looking: Looking
    judge: Judge
    new_id: NewId
    name: str
    tells: bool
    at: float = 0.0
    silences: Sequence[Silence] = ()
    _before: deque[Figures] = field(default_factory=deque[Figures])
    _cleaned_at: float = 0.0

    def takes_turn(self) -> bool:
        """Is it this process that looks now?"""
        seconds = self.settings.alert_seconds
        patience = _PATIENCE * seconds

        def may(connection: Connection) -> tuple[bool, bool]:
            self.at = now = portable.now(connection)
            self.silences = incidents.silent(connection, now)
            held = samples.has_turn(connection, self.name)
            return held, samples.may_take_turn(connection, self.name, now, seconds, patience)

        def take(connection: Connection) -> bool:
            return samples.take_turn(connection, self.name, portable.now(connection), seconds, patience)

        held, may_take = self.ledger.read(may)
        if not held:
            self._before.clear()
            self.judge.forget()
        return may_take and self.ledger.write(take)

    def look(self) -> bool:
        """One look: it is kept, and what it opens and closes is written and logged. Did it change any incident?"""
        now = self.looking.look()
        sight = Sight(now, tuple(self._remembered(now)))
        lasting, silences = self.ledger.read(lambda c: (incidents.lasting(c), incidents.silent(c, now.at)))
        verdict = self.judge.judge(sight, {_key(incident) for incident in lasting})
        series = series_of(sight)
        cleans = abs(now.at - self._cleaned_at) >= _MINUTE
        new = [self._incident(opening, now.at, silences) for opening in verdict.opens]
        over = [incident for incident in lasting if _key(incident) in verdict.closes]

        def write(connection: Connection) -> tuple[Sequence[Incident], Sequence[Incident]]:
            samples.add(connection, now.at, series)
            opened = [incident for incident in new if incidents.begin(connection, incident)]
            closed = [incident for incident in over if incidents.end(connection, incident.id, now.at)]
            if self.tells:
                incidents.make_due(connection, [one.id for one in lasting if not _is_silent(_key(one), silences)])
            if cleans:
                incidents.forget(connection, now.at)
            return opened, closed

        opened, closed = self.ledger.write(write)
        self._before.append(now)
        if cleans:
            self._cleaned_at = now.at
        for incident in opened:
            log.warning("incident opened", **fields_of(incident))
        for incident in closed:
            log.info("incident closed", **fields_of(incident))
        return bool(opened or closed)

    def leave(self) -> None:
        """Somebody else may look at once."""
        self.ledger.write(lambda connection: samples.leave(connection, self.name))

    def _remembered(self, now: Figures) -> Collection[Figures]:
        """The looks of the last minutes; none of before the clock was set back."""
        if self._before and self._before[-1].at > now.at:
            self._before.clear()
        while self._before and self._before[0].at < now.at - WINDOW:
            self._before.popleft()
        return self._before

    def _incident(self, of: Opening, at: float, silences: Sequence[Silence]) -> Incident:
        subject = incidents.subject_of(of.reading.subject)
        due = self.tells and not _is_silent((of.alert.name, subject), silences)
        return Incident(
            id=self.new_id(),
            alert=of.alert.name,
            subject=subject,
            severity=of.alert.severity.value,
            value=of.value,
            limit=of.limit,
            opened_at=at,
            params=params_of(of.alert, of.reading, of.limit),
            opening=Telling.DUE if due else Telling.NOTHING,
        )


def _key(of: Incident) -> Key:
    return of.alert, of.subject


def _is_silent(key: Key, silences: Sequence[Silence]) -> bool:
    return any(silence.covers(*key) for silence in silences)


async def watch(
    ledger: Ledger,
    settings: Settings,
    sensors: Sensors,
    clock: Clock,
    new_id: NewId,
    stop: asyncio.Event,
    receiver: Receiver | None = None,
) -> None:
    """Look while it is this process's turn, until told to stop; on threads of its own, so nobody waits for a look."""
    looks, tells = Threads("watch"), Threads("tell")
    judge = Judge(ALERTS, settings)
    looking = Looking(ledger, sensors, settings.engine, socket.gethostname())
    watching = Watch(ledger, settings, looking, judge, new_id, new_id(), receiver is not None)
    teller = None if receiver is None else Teller(ledger, receiver, tells, clock)
    outage = Outage(ALERTS["database-away"], settings, receiver, clock, new_id, looking.host)
    outage.takes_up()
    beside = [asyncio.create_task(outage.watch(stop))]
    if teller is not None:
        beside.append(asyncio.create_task(teller.run(stop)))
    try:
        while not stop.is_set():
            begun = clock.monotonic()
            await _one_look(watching, outage, teller, looks)
            await pause(max(0.0, settings.alert_seconds - (clock.monotonic() - begun)), stop)
        await _try(looks, watching.leave)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        for threads in (looks, tells):
            threads.close()


async def _one_look(watching: Watch, outage: Outage, teller: Teller | None, threads: Threads) -> None:
    """Whatever fails, the next look comes."""
    outage.begins()
    try:
        outage.leads = leads = await threads(watching.takes_turn)
        outage.saw(watching.at, watching.silences)
        changed = leads and await threads(watching.look)
        changed |= await outage.over(watching.ledger, threads)
        if teller is not None:
            teller.leads = leads
            if changed:
                teller.bell.set()
    except Unavailable as error:
        outage.failed(error.message)
        log.warning("a look at the figures failed", why=error.message)
    except Exception:
        outage.answered()
        log.exception("a look at the figures failed")


async def _try(threads: Threads, last: Callable[[], None]) -> None:
    try:
        await threads(last)
    except Unavailable:
        return  # another one takes the turn a little later
    except Exception:  # it would cancel all that ends in good order beside the watch
        log.exception("the turn to look could not be left; another process takes it a little later")
