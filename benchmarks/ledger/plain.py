"""Against a plain queue table that keeps the same promises by its query: count who runs, filter, sort."""

import time
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import Connection, text

from benchmarks.figures import OURS, Figure, compared
from benchmarks.ledger.backlog import analyse, series
from benchmarks.ledger.databases import Databases, on_each
from benchmarks.ledger.growth import Cell, Filled
from benchmarks.ledger.worker import rules
from benchmarks.machine import watched
from benchmarks.rounds import Rounds, Sample, Taken, say
from paperlane.hosting import open_ledger
from paperlane.ledger import Ledger

PLAIN = "plain queue table"
_LIMIT = 10
_RUNNING = 100  # tasks that run meanwhile
_USER_SHARE = 10  # tasks a user
_PARTS = 10

_COLUMNS = (
    "id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, state VARCHAR(12) NOT NULL, sort_key BIGINT NOT NULL,"
    " payload VARCHAR(100) NOT NULL"
)
_TABLE = (
    f"CREATE TABLE plain_queue ({_COLUMNS})",
    "CREATE INDEX plain_turn ON plain_queue (state, sort_key, id)",
    "CREATE INDEX plain_user ON plain_queue (user_id, state)",
)
_COUNTED = "SELECT user_id, COUNT(*) AS n FROM plain_queue WHERE state = 'running' GROUP BY user_id"
_ONE = (  # who runs fewest is next, as long as the limit allows it
    f"SELECT q.id FROM plain_queue q LEFT JOIN ({_COUNTED}) r ON r.user_id = q.user_id"
    f" WHERE q.state = 'ready' AND COALESCE(r.n, 0) < {_LIMIT} ORDER BY COALESCE(r.n, 0), q.sort_key, q.id LIMIT 1"
)
_MANY = (  # many at once, the limit kept within the claim too
    "SELECT id FROM (SELECT q.id, q.sort_key, COALESCE(r.n, 0) + ROW_NUMBER() OVER"
    " (PARTITION BY q.user_id ORDER BY q.sort_key, q.id) AS place"
    f" FROM plain_queue q LEFT JOIN ({_COUNTED}) r ON r.user_id = q.user_id WHERE q.state = 'ready') t"
    f" WHERE place <= {_LIMIT} ORDER BY place, sort_key, id LIMIT 100"
)
_ASKS = {1: _ONE, 100: _MANY}


def _fill(ledger: Ledger, depth: int) -> None:
    def write(connection: Connection) -> None:
        for statement in _TABLE:
            connection.execute(text(statement))
        for part in range(_PARTS):
            first, last = part * depth // _PARTS, (part + 1) * depth // _PARTS - 1
            state = f"CASE WHEN n < {_RUNNING} THEN 'running' ELSE 'ready' END"
            connection.execute(
                text(
                    f"INSERT INTO plain_queue SELECT n, n % {depth // _USER_SHARE}, {state}, n, '{{}}'"
                    f" FROM {series(connection, first, last)}"
                )
            )

    ledger.write(write)


def _claims(ledger: Ledger, size: int, seconds: float) -> Callable[[], Sample]:
    """Claim by the plain query, mark them running, and end the ones before, in one transaction each."""
    before: list[int] = []
    claimed: list[int] = []

    def once(connection: Connection) -> None:
        ids = list(connection.execute(text(_ASKS[size])).scalars())
        for state, which in (("done", before), ("running", ids)):
            if which:
                moved = text(f"UPDATE plain_queue SET state = '{state}' WHERE id = :id")
                connection.execute(moved, [{"id": one} for one in which])
        before[:] = ids
        claimed.append(len(ids))

    def take() -> Sample:
        with watched() as load_:
            claimed.clear()
            began = time.perf_counter()
            while not claimed or (claimed[-1] and time.perf_counter() - began < seconds):
                ledger.write(once)
            took = time.perf_counter() - began
        return Sample(sum(claimed) / took, foreign=load_.foreign)

    return take


def _steps(filled: Filled, size: int, seconds: float) -> Callable[[], Sample]:
    def take() -> Sample:
        with watched() as load_:
            found = filled.times(seconds, size)
        return Sample(size * len(found) / sum(found), foreign=load_.foreign)

    return take


def _compared(name: str, taken: Taken) -> list[Figure]:
    """Like for like: both take one task a claim, or both a hundred."""
    figures: list[Figure] = []
    for size in _ASKS:
        others = {PLAIN: taken.values(f"plain {size}")}
        settings = {OURS: f"{size} a claim", PLAIN: f"{size} a claim"}
        figures += compared(f"{name}.{size}", "tasks/s", taken.values(f"ours {size}"), others, settings)
    return figures


def measured(databases: Databases, rounds: Rounds) -> list[Figure]:
    """At 100,000 and a million deep, ten tasks a user; one task a claim, and a hundred."""
    return on_each(
        "plain", lambda kind: [*_at(databases, rounds, kind, 100_000), *_at(databases, rounds, kind, 1_000_000)]
    )


def _at(databases: Databases, rounds: Rounds, kind: str, depth: int) -> list[Figure]:
    seconds = min(rounds.seconds / 4, 5.0)
    scaled = depth // (20 if rounds.quick else 1)
    say(f"  {scaled:,} deep")
    url = databases.fresh(kind)
    with closing(open_ledger(url, rules(_LIMIT))) as ledger:
        filled = Filled(ledger, Cell(scaled, scaled // _USER_SHARE))
        filled.fill()
        _fill(ledger, scaled)
        analyse(ledger, "plain_queue")
        databases.settle()
        cases = {f"plain {size}": _claims(ledger, size, seconds) for size in _ASKS}
        cases |= {f"ours {size}": _steps(filled, size, seconds) for size in _ASKS}
        taken = rounds.interleaved(cases)
    databases.drop(url)
    return _compared(f"plain.{kind}.{depth}", taken)
