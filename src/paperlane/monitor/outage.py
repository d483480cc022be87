"""The database is away: told without it by the process that watched, and written down once it is back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from paperlane.clock import Clock, NewId
from paperlane.ledger import Ledger
from paperlane.model.figures import Figures
from paperlane.monitor.alerts import Alert, Sight
from paperlane.monitor.judging import fields_of, params_of
from paperlane.monitor.keeping import Kept
from paperlane.monitor.webhook import Receiver, refusal
from paperlane.patience import Patience
from paperlane.records import incidents, portable
from paperlane.records.incidents import Incident, Silence, Telling
from paperlane.scheduling.pace import pause
from paperlane.settings import Settings
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

_GLANCE = 1.0  # seconds between two looks at how long it is away: one that hangs tells nothing itself
_ANSWER = 1.0  # seconds that a telling gets whose answer may be on its way
_FILE = "database-away.json"
_HANGS = "The database does not answer."


@dataclass(slots=True)
class Outage:
    """Knows since when looks fail, or hang. Where this process `leads` then, it opens the incident, and tells it once.

    Others see the same, and keep still. What nobody is to be told of is known from the last turn, and so is the
    database's clock. Once a look works again the incident is written down, over; its end is told as all others are.
    Until then it is kept in a file of the data folder, which the next process of that folder takes up.
    """

    alert: Alert
    settings: Settings
    receiver: Receiver | None
    clock: Clock
    new_id: NewId
    host: str
    leads: bool = False
    silences: Sequence[Silence] = ()
    _ahead: float = 0.0  # of this process's monotonic clock, the database's
    _since: float | None = None  # by the monotonic clock: when the first look that did not work began
    _why: str = _HANGS
    _open: Incident | None = None
    _telling: asyncio.Task[None] | None = field(default=None)

    def takes_up(self) -> None:
        """What a process before this one opened, and did not see over, is this one's to write down."""
        self._open = self._kept.read()

    def begins(self) -> None:
        """A look begins."""
        if self._since is None:
            self._since, self._why = self.clock.monotonic(), _HANGS

    def failed(self, why: str) -> None:
        """It failed, for the database cannot be used."""
        self._why = why

    def answered(self) -> None:
        """The database answered, whatever else went wrong."""
        self._since = None

    def saw(self, at: float, silences: Sequence[Silence]) -> None:
        """It is this time by the database's clock, and of this nobody is to be told."""
        self._ahead, self.silences = at - self.clock.monotonic(), silences

    async def watch(self, stop: asyncio.Event) -> None:
        """See how long looks have failed, until told to stop."""
        try:
            while not stop.is_set():
                self.glance()
                await pause(min(_GLANCE, self.settings.alert_seconds), stop)
        finally:
            if self._telling is not None:
                self._telling.cancel()

    def glance(self) -> None:
        """Open the incident, where it is time and this process's turn."""
        if self.leads and self._since is not None and self._open is None:
            self._judge(self._since)

    def _judge(self, since: float) -> None:
        away = self.clock.monotonic() - since
        limit = self.alert.limit(self.settings)
        now = since + away + self._ahead
        (reading,) = self.alert.find(Sight(Figures(now, host=self.host, away=away, why=self._why)))
        if reading.value is None or reading.value <= limit:
            return
        opened = Incident(
            id=self.new_id(),
            alert=self.alert.name,
            subject=reading.subject,
            severity=self.alert.severity.value,
            value=reading.value,
            limit=limit,
            opened_at=since + self._ahead,
            params=params_of(self.alert, reading, limit),
        )
        log.error("incident opened", **fields_of(opened))
        quiet = any(one.covers(opened.alert, opened.subject) and one.until > now for one in self.silences)
        if self.receiver is not None and not quiet:
            opened = replace(opened, opening=Telling.DUE)
            self._telling = asyncio.create_task(self._tell(opened, self.receiver))
        self._keep(opened)

    async def over(self, ledger: Ledger, threads: Threads) -> bool:
        """The database can be used again: write down what was opened meanwhile, and that it is over; was there any?

        Unavailable where it cannot be written: then the database is away still.
        """
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=_ANSWER)
        opened = self._open
        if opened is not None:
            await threads(ledger.write, lambda connection: incidents.note(connection, opened, portable.now(connection)))
            log.info("incident closed", **fields_of(opened))
        if self._telling is not None:
            self._telling.cancel()  # what is on its way may come twice, under the same id
        self._since = self._open = self._telling = None
        if opened is not None:
            await threads(self._kept.clear)
        return opened is not None

    @property
    def _kept(self) -> Kept:
        return Kept(self.settings.data / _FILE)

    def _keep(self, opened: Incident) -> None:
        self._open = opened
        self._kept.write(opened)

    async def _tell(self, incident: Incident, receiver: Receiver) -> None:
        """Tell the receiver, again and again until it takes it."""
        patience = Patience(1.0, 60.0)
        while (why := await refusal(incident, receiver, self.clock.now())) is not None:
            log.warning("the webhook is not told that the database is away", incident=incident.id, why=why)
            await asyncio.sleep(patience.wait())
        self._keep(replace(incident, opening=Telling.TOLD))
