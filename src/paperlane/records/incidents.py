"""Incidents: what alerts found, from when it began until it was over; and what nobody is to be told of for a while."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal

from sqlalchemy import Connection, Row, case, delete, insert, select, update

from paperlane.errors import NotFound
from paperlane.ledger.sense import clean
from paperlane.model.tasks import UserId
from paperlane.records.portable import insert_new
from paperlane.records.schema import incidents, silences

Which = Literal["open", "closed", "all"]

_KEPT = 365 * 86_400.0
_OPEN = incidents.c.closed_at == 0.0
_LONGEST_SUBJECT = 200


class Telling(IntEnum):
    """How far the webhook was told of an opening, or of a closing."""

    NOTHING = 0
    DUE = 1
    TOLD = 2
    GIVEN_UP = 3


@dataclass(frozen=True, slots=True)
class Incident:
    """A trouble of a subject, "" for the whole: what was measured when it opened, and the limit then.

    `params` fill its sentence. `closed_at` is 0 while it lasts; times in seconds since 1970.
    """

    id: str
    alert: str
    subject: str
    severity: str
    value: float
    limit: float
    opened_at: float
    params: Mapping[str, str] = field(default_factory=dict)
    closed_at: float = 0.0
    acknowledged_by: UserId | None = None
    acknowledged_at: float = 0.0
    opening: Telling = Telling.NOTHING
    closing: Telling = Telling.NOTHING


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of an alert until a time: of one subject's, or of all where that is ""."""

    id: str
    alert: str
    subject: str
    created_at: float
    until: float
    by: UserId

    def covers(self, alert: str, subject: str) -> bool:
        """Is this not to be told?"""
        return self.alert == alert and self.subject in {"", subject}


def begin(connection: Connection, one: Incident) -> bool:
    """It opens; False where it is open, for another process was first."""
    row = {
        "id": one.id, "alert": one.alert, "subject": one.subject, "severity": one.severity, "value": one.value,
        "threshold": one.limit, "params": clean(json.dumps(dict(one.params), ensure_ascii=False)),
        "opened_at": one.opened_at, "opening": int(one.opening), "closing": int(Telling.NOTHING),
    }  # fmt: skip
    if connection.execute(insert_new(connection, incidents), row).rowcount == 1:
        return True
    mine = select(incidents.c.id).where(incidents.c.id == one.id)  # by a commit whose answer was lost
    return connection.execute(mine).first() is not None


def end(connection: Connection, incident: str, now: float) -> bool:
    """It is over; False where it was before. Of its end is told who is told of its beginning."""
    told = incidents.c.opening.in_((int(Telling.DUE), int(Telling.TOLD)))
    over = {"closed_at": now, "closing": case((told, int(Telling.DUE)), else_=int(Telling.NOTHING))}
    changed = update(incidents).where(incidents.c.id == incident, _OPEN).values(over)
    if connection.execute(changed).rowcount == 1:
        return True
    mine = select(incidents.c.id).where(incidents.c.id == incident, incidents.c.closed_at == now)  # likewise
    return connection.execute(mine).first() is not None


def note(connection: Connection, one: Incident, now: float) -> None:
    """One that began while nothing could be written down, and is over now."""
    if begin(connection, one):
        end(connection, one.id, now)


def hush(connection: Connection, incident: str) -> None:
    """It is silenced, and its beginning was not told yet: of both its ends nothing is told, as if it began silenced."""
    changed = update(incidents).where(incidents.c.id == incident, incidents.c.opening == int(Telling.DUE))
    connection.execute(changed.values(opening=int(Telling.NOTHING), closing=int(Telling.NOTHING)))


def make_due(connection: Connection, which: Sequence[str]) -> None:
    """The silence over these, which last, is over: their beginning is told now."""
    quiet = incidents.c.opening == int(Telling.NOTHING)
    if which:
        due = update(incidents).where(incidents.c.id.in_(which), quiet, _OPEN)
        connection.execute(due.values(opening=int(Telling.DUE)))


def lasting(connection: Connection) -> Sequence[Incident]:
    """All that are open, the oldest first."""
    return [_incident(row) for row in connection.execute(select(incidents).where(_OPEN).order_by(incidents.c.id))]


def untold(connection: Connection, most: int) -> Sequence[Incident]:
    """Those whose beginning or end the webhook is still to be told, the oldest first."""
    found: dict[str, Incident] = {}
    for ending in (incidents.c.opening, incidents.c.closing):  # each by its index; of both at once all would be read
        asked = select(incidents).where(ending == int(Telling.DUE)).order_by(incidents.c.id).limit(most)
        found |= {row.id: _incident(row) for row in connection.execute(asked)}
    return [found[name] for name in sorted(found)[:most]]


def tell(connection: Connection, incident: str, of: Literal["opening", "closing"], how: Telling) -> None:
    """The webhook was told, or is not told any more."""
    changed = update(incidents).where(incidents.c.id == incident, incidents.c[of] == int(Telling.DUE))
    connection.execute(changed.values({of: int(how)}))


def page(connection: Connection, which: Which, after: str, most: int) -> Sequence[Incident]:
    """The newest first; `after` is the last id of the page before."""
    asked = select(incidents).order_by(incidents.c.id.desc()).limit(most)
    if which != "all":
        asked = asked.where(_OPEN if which == "open" else ~_OPEN)
    if after:
        asked = asked.where(incidents.c.id < after)
    return [_incident(row) for row in connection.execute(asked)]


def of_id(connection: Connection, incident: str) -> Incident:
    """The incident, or NotFound."""
    row = connection.execute(select(incidents).where(incidents.c.id == incident)).first()
    if row is None:
        raise NotFound("There is no such incident.", hint="See: paperlane alerts.")
    return _incident(row)


def acknowledge(connection: Connection, incident: str, by: UserId, now: float) -> Incident:
    """Somebody looks after it. Who was first stays named. NotFound for one that there is not."""
    found = of_id(connection, incident)
    first = update(incidents).where(incidents.c.id == incident, incidents.c.acknowledged_at == 0.0)
    if connection.execute(first.values(acknowledged_by=by, acknowledged_at=now)).rowcount == 0:
        return of_id(connection, incident)
    return replace(found, acknowledged_by=by, acknowledged_at=now)


def silence(connection: Connection, one: Silence) -> None:
    """Tell nobody until then."""
    row = {
        "id": one.id, "alert": one.alert, "subject": one.subject, "created_at": one.created_at, "until": one.until,
        "made_by": one.by,
    }  # fmt: skip
    connection.execute(insert(silences), row)


def silent(connection: Connection, now: float) -> Sequence[Silence]:
    """The silences that are in force, the first to end first."""
    asked = select(silences).where(silences.c.until > now).order_by(silences.c.until, silences.c.id)
    return [_silence(row) for row in connection.execute(asked)]


def end_silence(connection: Connection, which: str) -> Silence:
    """Tell again: which one that was. NotFound where there is none."""
    row = connection.execute(select(silences).where(silences.c.id == which)).first()
    if row is None:
        raise NotFound("There is no such silence.", hint="See: paperlane alerts silences.")
    connection.execute(delete(silences).where(silences.c.id == which))
    return _silence(row)


def forget(connection: Connection, now: float) -> None:
    """Let go of what was over a year ago, and of silences that are over."""
    old = incidents.c.closed_at.between(1.0, now - _KEPT)
    connection.execute(delete(incidents).where(old))
    connection.execute(delete(silences).where(silences.c.until <= now))


def subject_of(named: str) -> str:
    """A subject as it is kept."""
    return clean(named)[:_LONGEST_SUBJECT]


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        id=row.id,
        alert=row.alert,
        subject=row.subject,
        severity=row.severity,
        value=row.value,
        limit=row.threshold,
        opened_at=row.opened_at,
        params=json.loads(row.params),
        closed_at=row.closed_at,
        acknowledged_by=None if row.acknowledged_by is None else UserId(row.acknowledged_by),
        acknowledged_at=row.acknowledged_at,
        opening=Telling(row.opening),
        closing=Telling(row.closing),
    )


def _silence(row: Row[Any]) -> Silence:
    return Silence(row.id, row.alert, row.subject, row.created_at, row.until, UserId(row.made_by))
