"""One write transaction, as the parts of the ledger see it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from paperlane.ledger.dialects import Dialect


@dataclass(slots=True)
class Writing:
    """The connection, what kind of database it leads to, and the instant that this transaction counts as.

    `again` holds the instants of earlier tries of the same work of which nobody knows whether they were committed.
    `woken` gathers the engines for which a lane became runnable: who waits for that is told after the commit.
    """

    connection: Connection
    dialect: Dialect
    now: float
    again: Sequence[float] = ()
    woken: set[str] = field(default_factory=set)
