"""Draining while somebody holds an old snapshot of the database open, so that no dead row can be cleared away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pymysql
from pysqlite3 import dbapi2

from benchmarks.figures import Figure, median
from benchmarks.ledger.backlog import Backlog, analyse, load
from benchmarks.ledger.databases import Databases, on_each
from benchmarks.ledger.worker import ENGINE, ended, joined, rules
from benchmarks.machine import watched
from benchmarks.rounds import Rounds, Sample
from paperlane.hosting import open_ledger
from paperlane.model.tasks import Lease

ROOM = 100
_BLOCKS = 5
_USERS = 1_000
_FASTEST = 40_000  # tasks a second, so that the backlog lasts
_LONGEST = 800_000
_BEGIN = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "mariadb": "START TRANSACTION WITH CONSISTENT SNAPSHOT",
}


@contextmanager
def _held(kind: str, url: str) -> Iterator[None]:
    """A reader that began now and does not end, by the plain driver."""
    address = urlsplit(url)
    match kind:
        case "sqlite":
            connection = dbapi2.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        case "postgresql":
            connection = psycopg.connect(url, autocommit=True)
        case _:
            connection = pymysql.connect(
                host=address.hostname, port=address.port or 0, user="root", database=address.path.strip("/")
            )
    cursor = connection.cursor()
    for statement in _BEGIN[kind], "SELECT count(*) FROM lanes":
        cursor.execute(statement)
        if cursor.description:
            cursor.fetchall()
    yield
    connection.close()


def _case(databases: Databases, kind: str, seconds: float) -> Callable[[], Sample]:
    def take() -> Sample:
        ledger = open_ledger(url := databases.fresh(kind), rules())
        load(ledger, Backlog(min(int(_FASTEST * seconds), _LONGEST), _USERS))
        analyse(ledger)
        databases.settle()
        worker = joined(ledger)
        blocks: list[float] = []
        leases: list[Lease] = []
        with _held(kind, url), watched() as load_:
            for _ in range(_BLOCKS):
                began, done = time.perf_counter(), 0
                while (took := time.perf_counter() - began) < seconds / _BLOCKS:
                    leases = list(ledger.step(ENGINE, worker, ended(leases), ROOM))
                    done += len(leases)
                blocks.append(done / took)
        ledger.close()
        databases.drop(url)
        return Sample(blocks[-1] / blocks[0], foreign=load_.foreign, more={"first": blocks[0], "last": blocks[-1]})

    return take


def measured(databases: Databases, rounds: Rounds) -> list[Figure]:
    """The last fifth of the time against the first."""
    return on_each("snapshot", lambda kind: _on(databases, rounds, kind))


def _on(databases: Databases, rounds: Rounds, kind: str) -> list[Figure]:
    name = f"snapshot.{kind}"
    taken = rounds.interleaved({kind: _case(databases, kind, rounds.seconds)})
    if kind in taken.failed:
        return [Figure(name, None, "last / first", note=taken.failed[kind])]
    figures = [median(name, "last / first", taken.values(kind))]
    figures += [median(f"{name}.{which}", "tasks/s", taken.more(kind, which)) for which in ("first", "last")]
    return figures
