"""Connections that fall silent, behind a firewall that forgot them or after a server moved: noticed, and made anew."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, select, text
from tests.conftest import needs, until
from tests.databases import Databases
from tests.faults.forwarding import Way, way_to
from tests.ledger.conftest import new_batch
from tests.ledger.invariants import check_invariants

from paperlane.errors import Unavailable
from paperlane.ledger.dialects import mysql, server
from paperlane.ledger.dialects.postgresql import Postgresql
from paperlane.ledger.schema import lanes
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.tasks import BatchId, UserId

Open = Callable[..., SqlLedger]

WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "mariadb": (
        "SELECT CAST(variable_value AS INT) FROM information_schema.global_status"
        " WHERE variable_name = 'innodb_row_lock_current_waits'"
    ),
}
PATIENCE = 60.0


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(kind: str, databases: Databases, tmp_path: Path) -> str:
    return next(databases.urls(kind, tmp_path))


@pytest.fixture
def direct(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlLedger]:
    """Somebody whose connections stay good."""
    needs("Linux, where a socket can be made deaf", there=sys.platform == "linux")
    monkeypatch.setattr(server, "SILENT", 1)
    monkeypatch.setattr(server, "IDLE", 1)
    made = SqlLedger(connect(url))
    made.submit(new_batch("first", 1, 1))
    yield made
    check_invariants(made)
    made.close()


@pytest.fixture
def way(url: str) -> Iterator[Way]:
    port = make_url(url).port
    assert port is not None
    with way_to(port) as made:
        yield made


@pytest.fixture
def aside(way: Way) -> Iterator[ThreadPoolExecutor]:
    """A thread for who would wait for ever; where it does, the test's end closes the way."""
    threads = ThreadPoolExecutor(1)
    yield threads
    threads.shutdown(wait=False)


@pytest.fixture
def through(url: str, way: Way, direct: SqlLedger) -> Iterator[Open]:
    """Opens the ledger by way of connections that can fall silent, with options of its URL."""
    made: list[SqlLedger] = []

    def make(**options: str) -> SqlLedger:
        at = make_url(url).set(port=way.port, query=options)
        made.append(SqlLedger(connect(at.render_as_string(hide_password=False))))
        assert len(made[-1].tasks()) == len(direct.tasks())
        made[-1].write(lambda _: None)
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


def test_who_asks_is_answered_by_another_connection(through: Open, way: Way, aside: ThreadPoolExecutor):
    ledger = through()
    way.fall_silent()
    assert len(aside.submit(ledger.tasks).result(PATIENCE)) == 1


def test_who_writes_does_so_by_another_connection(through: Open, way: Way, aside: ThreadPoolExecutor):
    ledger = through()
    way.fall_silent()
    aside.submit(ledger.submit, new_batch("second", 1, 1)).result(PATIENCE)
    assert ledger.queue(UserId(1)).queued == 2


def test_what_is_committed_into_the_silence_is_there_once(through: Open, way: Way, aside: ThreadPoolExecutor):
    """The server has a transaction then that nobody ends, and that holds the lane."""
    ledger, times = through(), list[int]()

    def also(_: Connection) -> None:
        times.append(1)
        if len(times) == 1:
            way.fall_silent()

    aside.submit(ledger.submit, new_batch("second", 1, 1), also).result(PATIENCE)
    assert times == [1, 1]
    assert ledger.queue(UserId(1)).queued == 2
    assert ledger.batch(BatchId("second")).counts == {"queued": 1}


def test_silence_is_noticed_while_a_lock_is_waited_for(
    through: Open, way: Way, aside: ThreadPoolExecutor, direct: SqlLedger, kind: str
):
    ledger = through()
    with direct.dialect.unlimited.connect() as holding:
        holding.execute(select(lanes).with_for_update())
        uploading = aside.submit(ledger.submit, new_batch("second", 1, 1))
        until(lambda: direct.read(lambda connection: connection.scalar(text(WAITING[kind]))))
        way.fall_silent()
        until(lambda: not way.pairs[-1].silent.is_set(), PATIENCE)  # it came again, on a new connection
    uploading.result(PATIENCE)
    assert ledger.queue(UserId(1)).queued == 2


@pytest.mark.parametrize("kind", ["postgresql"])
def test_who_listens_hears_again(through: Open, way: Way, direct: SqlLedger):
    heard: list[str] = []
    stop = through().listen(heard.append)
    assert stop is not None
    numbers = iter(range(1_000))

    def hears() -> bool:
        direct.submit(new_batch(f"b{next(numbers)}", UserId(next(numbers) + 10), 1))
        return bool(heard)

    until(hears)
    way.fall_silent()
    heard.clear()
    until(hears)
    stop()


@pytest.mark.parametrize("kind", ["mariadb"])
class TestStandingStill:
    """A server that does not answer, on a machine that runs: only PyMySQL gives up waiting for it."""

    def test_it_is_noticed_as_the_url_says(self, through: Open, way: Way, aside: ThreadPoolExecutor):
        ledger = through(read_timeout="1", write_timeout="1")
        way.fall_silent(acknowledging=True)
        aside.submit(ledger.submit, new_batch("second", 1, 1)).result(PATIENCE)
        assert ledger.queue(UserId(1)).queued == 2

    def test_what_is_never_answered_is_told_as_an_outage_but_of_migrations(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(mysql, "_ANSWER", 1)
        monkeypatch.setattr("paperlane.ledger.transactions._TRIES", 1)
        ledger = SqlLedger(connect(url))
        asked = text("SELECT sleep(2)")
        with pytest.raises(Unavailable, match="The database cannot be reached: Lost connection"):
            ledger.write(lambda connection: connection.execute(asked))
        with ledger.dialect.unlimited.connect() as connection:
            assert connection.scalar(asked) == 0
        ledger.close()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_options_of_the_url_stand_before_those_of_ours(url: str, kind: str):
    dialect = connect(f"{url}?keepalives_idle=77&connect_timeout=5")
    assert isinstance(dialect, Postgresql)
    with dialect._own_connection() as connection:
        told = connection.info.get_parameters()
    assert (told["keepalives_idle"], told["connect_timeout"]) == ("77", "5"), kind
    assert told["tcp_user_timeout"] == str(server.SILENT * 1_000)
    dialect.close()
