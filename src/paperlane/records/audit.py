"""The audit trail: who changed what, and when."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, insert

from paperlane.ledger.sense import clean
from paperlane.model.tasks import UserId
from paperlane.records.schema import audit

NOBODY = UserId(0)
"""Who acts on the command line of the machine itself."""


def note(
    connection: Connection, entry: str, user: UserId, now: float, what: str, details: Mapping[str, object]
) -> None:
    """Write an entry down, in the transaction of the change that it tells of."""
    content = clean(json.dumps(dict(details), ensure_ascii=False, default=str))
    connection.execute(insert(audit), {"id": entry, "at": now, "user_id": user, "what": what, "details": content})
