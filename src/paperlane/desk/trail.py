"""What is written down of who did what."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from paperlane.clock import Clock, NewId
from paperlane.ledger import Also
from paperlane.model.tasks import UserId
from paperlane.records import audit
from paperlane.records.accounts import Account


@dataclass(frozen=True, slots=True)
class Trail:
    """Lines of the audit trail, each in the transaction of what it tells of."""

    clock: Clock
    new_id: NewId

    def note(
        self, connection: Connection, by: Account | None, now: float, what: str, details: Mapping[str, object]
    ) -> None:
        """Leave a line in the audit trail; without an account it was somebody at the machine's own command line."""
        audit.note(connection, self.new_id(), id_of(by), now, what, details)

    def noting(self, by: Account | None, what: str, details: Mapping[str, object]) -> Also | None:
        """Writes down in a transaction what somebody did there to a task or a schedule, if it is of interest."""
        if not operates(by):
            return None
        now = self.clock.now()
        return lambda connection: self.note(connection, by, now, what, details)


def id_of(by: Account | None) -> UserId:
    """Who that is in what is written down."""
    return audit.NOBODY if by is None else by.id


def operates(by: Account | None) -> bool:
    """Does it go into the audit trail what they do to tasks and schedules? Of others it is their own business."""
    return by is None or by.operates
