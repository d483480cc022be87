"""The audit trail: who changed what, and when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sqlalchemy import Connection, insert, or_, select

from paperlane.errors import BadRequest
from paperlane.ledger.sense import clean
from paperlane.model.tasks import UserId
from paperlane.records.schema import audit

NOBODY = UserId(0)
"""Who acts on the command line of the machine itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `user` made it at `at`, NOBODY from the command line of the machine itself."""

    id: str
    at: float
    user: UserId
    what: str
    details: Mapping[str, Any]

    @property
    def cursor(self) -> str:
        """Leads to the entries before it."""
        return f"{self.at!r}/{self.id}"


def note(
    connection: Connection, entry: str, user: UserId, now: float, what: str, details: Mapping[str, object]
) -> None:
    """Write an entry down, in the transaction of the change that it tells of."""
    content = clean(json.dumps(dict(details), ensure_ascii=False, default=str))
    connection.execute(insert(audit), {"id": entry, "at": now, "user_id": user, "what": what, "details": content})


def entries(connection: Connection, user: UserId | None, what: str, cursor: str, limit: int) -> Sequence[Entry]:
    """The latest first, of one who did it or of one kind; `cursor` leads past a page, BadRequest for what is none."""
    asked = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    if user is not None:
        asked = asked.where(audit.c.user_id == user)
    if what:
        asked = asked.where(audit.c.what == clean(what))
    if cursor:
        at, name = _place(cursor)
        asked = asked.where(audit.c.at <= at, or_(audit.c.at < at, audit.c.id < name))
    return [
        Entry(row.id, row.at, UserId(row.user_id), row.what, json.loads(row.details))
        for row in connection.execute(asked)
    ]


def _place(cursor: str) -> tuple[float, str]:
    at, _, name = cursor.partition("/")
    try:
        place = float(at), name
    except ValueError:
        place = float("nan"), ""
    if not isfinite(place[0]) or clean(name) != name:
        raise BadRequest("This cursor leads nowhere.", hint="Use the `next` of the page before, as it is.")
    return place
