"""Incidents are told to an address as they open and close, signed, and again until they arrive."""

import asyncio
import base64
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import structlog

from paperlane.catalog import ALARMS, alarm_in
from paperlane.clock import Clock
from paperlane.errors import Misconfigured, Unavailable
from paperlane.ledger import Ledger
from paperlane.patience import Patience
from paperlane.records import incidents, portable
from paperlane.records.incidents import Incident, Telling
from paperlane.scheduling.pace import pause
from paperlane.settings import Settings
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

Ending = Literal["opening", "closing"]
Post = Callable[[bytes, Mapping[str, str]], Awaitable[None]]

_WORD = {"opening": "opened", "closing": "closed"}
_AT_ONCE = 100
_TOO_OLD = 3_600.0  # seconds for which it was over: nobody wants to be told any more, and the page has it
_LOOK = 5.0
_SECRET = "whsec_"  # noqa: S105  before a key in base64, as its makers' tools write it


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where incidents are told, and the key that signs what is told: "" for none."""

    url: str
    key: bytes = field(repr=False)
    seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "Receiver | None":
        """The one that the settings name. Misconfigured for a key that cannot be read, or is only a prefix."""
        if not settings.alert_webhook:
            return None
        name = settings.alert_webhook_key_env
        said = os.environ.get(name, "").strip()
        key = _decoded(said.removeprefix(_SECRET)) if said.startswith(_SECRET) else said.encode()
        if said and not key:
            raise Misconfigured(
                f"The key in {name} cannot be read: behind {_SECRET} comes base64.",
                hint="Leave the prefix out, or mend it.",
            )
        return cls(settings.alert_webhook, key, settings.alert_webhook_seconds)

    def headers(self, name: str, at: int, body: bytes) -> dict[str, str]:
        """As Standard Webhooks says: https://www.standardwebhooks.com; so that its libraries can check them."""
        headers = {"content-type": "application/json", "webhook-id": name, "webhook-timestamp": f"{at}"}
        if self.key:
            signed = hmac.digest(self.key, f"{name}.{at}.".encode() + body, "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers

    def letter(self, incident: Incident, of: Ending, at: float) -> tuple[bytes, dict[str, str]]:
        """What is posted of an incident, and its headers, which name this time."""
        body = json.dumps(message_of(incident, of), ensure_ascii=False).encode()
        return body, self.headers(f"{incident.id}.{_WORD[of]}", int(at), body)


def _decoded(written: str) -> bytes:
    """The bytes behind base64; none for anything else."""
    try:
        return base64.b64decode(written, validate=True)
    except ValueError:  # also for letters beyond ASCII
        return b""


def message_of(incident: Incident, of: Ending) -> dict[str, Any]:
    """What is told of an incident: `text` is for receivers that show one sentence, `data` for programs."""
    message, hint = alarm_in("en", incident.alert, incident.params)
    alarm = ALARMS.get(incident.alert)
    title = alarm.title[0] if alarm else incident.alert
    about = f" ({incident.subject})" if incident.subject else ""
    text = f"[{incident.severity}] {title}{about}: {message} {hint}" if of == "opening" else f"[over] {title}{about}"
    return {
        "type": f"incident.{_WORD[of]}",
        "timestamp": _moment(incident.opened_at if of == "opening" else incident.closed_at),
        "text": text,
        "data": {
            "id": incident.id,
            "alert": incident.alert,
            "title": title,
            "subject": incident.subject,
            "severity": incident.severity,
            "message": message,
            "hint": hint,
            "value": incident.value,
            "limit": incident.limit,
            "opened_at": _moment(incident.opened_at),
            "closed_at": _moment(incident.closed_at) if incident.closed_at else None,
        },
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Teller:
    """Tells the receiver what is due, one after the other; whoever opens or closes incidents rings its `bell`.

    What is due stands in the table, so it outlives this process, and nobody waits for the receiver. After a failure all
    that is due is tried again later and later, a minute apart at most, as long as the incident lasts and for an hour
    after. While another process watches, `leads` is False, and that one tells.
    """

    ledger: Ledger
    receiver: Receiver
    threads: Threads
    clock: Clock
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    leads: bool = False
    patience: Patience = field(default_factory=partial(Patience, 1.0, 60.0))

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop."""
        from paperlane.monitor.posting import open_posting  # noqa: PLC0415  0.4 s of a start, for those who have one

        while not stop.is_set():
            try:
                async with open_posting(self.receiver.url, self.receiver.seconds) as receiver:
                    await self._tell_on(receiver.post, stop)
            except Exception:  # a file of certificates that SSL_CERT_FILE names may not be there yet
                log.exception("connections to the webhook cannot be made")
                await pause(self.patience.wait(), stop)

    async def _tell_on(self, post: Post, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.bell.clear()
            try:
                worked = not self.leads or await self._tell_due(post, stop)
            except Unavailable as error:
                log.warning("the webhook waits", why=error.message)
                worked = False
            except Exception:
                log.exception("the webhook failed")
                worked = False
            if worked:
                self.patience.worked()
                await _first_of(_LOOK, stop, self.bell)
            else:
                await pause(self.patience.wait(), stop)

    async def _tell_due(self, post: Post, stop: asyncio.Event) -> bool:
        """Tell all that is due; False where some is left for later.

        A receiver that cannot be reached is not tried with the next one; one that refuses this may take that.
        """
        from paperlane.monitor.posting import Refused, Unreached  # noqa: PLC0415  as above

        taken = True
        for incident in await self.threads(self.ledger.read, partial(incidents.untold, most=_AT_ONCE)):
            for of in _due(incident):
                if stop.is_set():
                    return True
                if of == "opening" and await self.threads(self._is_silenced, incident):
                    break
                try:
                    await self._tell(post, incident, of)
                except Unreached as error:
                    log.warning("the webhook cannot be reached", incident=incident.id, of=of, why=str(error))
                    return False
                except Refused as refused:
                    log.warning("the webhook refuses", incident=incident.id, of=of, why=str(refused))
                    taken = False
                    break  # its end is told after its beginning
        return taken

    def _is_silenced(self, incident: Incident) -> bool:
        """A silence counts from when it is made, also where the incident has been due since before."""
        silences = self.ledger.read(lambda connection: incidents.silent(connection, portable.now(connection)))
        if not any(silence.covers(incident.alert, incident.subject) for silence in silences):
            return False
        self.ledger.write(partial(incidents.hush, incident=incident.id))
        return True

    async def _tell(self, post: Post, incident: Incident, of: Ending) -> None:
        how = Telling.GIVEN_UP
        if incident.closed_at and self.clock.now() - incident.closed_at > _TOO_OLD:
            log.error("the webhook was not told in an hour, and is not any more", incident=incident.id, of=of)
        else:
            await post(*self.receiver.letter(incident, of, self.clock.now()))
            how = Telling.TOLD
        await self.threads(self.ledger.write, partial(incidents.tell, incident=incident.id, of=of, how=how))


async def refusal(incident: Incident, receiver: Receiver, at: float) -> str | None:
    """Tell of its opening once, over a connection of its own: why it was not taken, None where it was."""
    from paperlane.monitor.posting import Refused, Unreached, open_posting  # noqa: PLC0415  as above

    try:
        async with open_posting(receiver.url, receiver.seconds) as posting:
            await posting.post(*receiver.letter(incident, "opening", at))
    except (Refused, Unreached) as error:
        return str(error)
    except Exception as error:  # of certificates that are not there
        log.exception("connections to the webhook cannot be made")
        return type(error).__name__
    return None


def _due(incident: Incident) -> Iterator[Ending]:
    if incident.opening is Telling.DUE:
        yield "opening"
    if incident.closing is Telling.DUE:
        yield "closing"


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Return after `seconds`, or as soon as one of these happens."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
