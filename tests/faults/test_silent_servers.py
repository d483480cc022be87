"""Connections that fall silent (a firewall forgot them, a server moved or stands still): noticed, and made anew."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, make_url, select, text
from sqlalchemy.exc import DBAPIError
from tests.conftest import needs, until
from tests.databases import Databases
from tests.faults import forwarding
from tests.faults.forwarding import Way, way_to
from tests.ledger.conftest import new_batch
from tests.ledger.invariants import check_invariants

from paperlane.errors import Unavailable
from paperlane.ledger.dialects import server
from paperlane.ledger.dialects.postgresql import Postgresql
from paperlane.ledger.dialects.silence import Session
from paperlane.ledger.schema import lanes
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.tasks import BatchId, UserId

Open = Callable[..., SqlLedger]
Held = Callable[[], AbstractContextManager[Callable[[], bool]]]

WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "mariadb": (
        "SELECT CAST(variable_value AS INT) FROM information_schema.global_status"
        " WHERE variable_name = 'innodb_row_lock_current_waits'"
    ),
}
PATIENCE = 60.0
ONE = text("SELECT 1")
LOCKED = select(lanes).with_for_update()
HELD = text("SELECT pg_advisory_xact_lock(5)")
AT_WORK = text("DO $$ BEGIN WHILE NOT pg_try_advisory_xact_lock(5) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")


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
    """Threads for who would wait for ever; where they do, the test's end closes the way."""
    threads = ThreadPoolExecutor(2)
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
        holding.execute(LOCKED)
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


class TestStandingStill:
    """A server that does not answer, on a machine that runs, and acknowledges what it is sent."""

    @pytest.fixture
    def ledger(self, through: Open, monkeypatch: pytest.MonkeyPatch) -> SqlLedger:
        """Waits a second for an answer, and a few for a connection."""
        monkeypatch.setattr(server, "ANSWER", 1)
        monkeypatch.setattr(server, "REACH", 3)
        return through()

    def test_who_asks_is_answered_by_another_connection(self, ledger: SqlLedger, way: Way, aside: ThreadPoolExecutor):
        way.fall_silent(acknowledging=True)
        assert len(aside.submit(ledger.tasks).result(PATIENCE)) == 1

    def test_who_writes_does_so_by_another_connection(self, ledger: SqlLedger, way: Way, aside: ThreadPoolExecutor):
        way.fall_silent(acknowledging=True)
        aside.submit(ledger.submit, new_batch("second", 1, 1)).result(PATIENCE)
        assert ledger.queue(UserId(1)).queued == 2

    def test_what_is_committed_into_the_silence_is_there_once(
        self, ledger: SqlLedger, way: Way, aside: ThreadPoolExecutor
    ):
        times: list[int] = []

        def also(_: Connection) -> None:
            times.append(1)
            if len(times) == 1:
                way.fall_silent(acknowledging=True)

        aside.submit(ledger.submit, new_batch("second", 1, 1), also).result(PATIENCE)
        assert times == [1, 1]
        assert ledger.batch(BatchId("second")).counts == {"queued": 1}

    def test_it_is_told_as_an_outage_but_migrations_wait(
        self, ledger: SqlLedger, way: Way, aside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
    ):
        """Who connects is not answered either."""
        monkeypatch.setattr("paperlane.ledger.transactions._TRIES", 1)
        with ledger.dialect.unlimited.connect() as connection:
            assert connection.scalar(ONE) == 1
            monkeypatch.setattr(forwarding._Pair, "start", lambda _: None)
            way.fall_silent(acknowledging=True)
            migrating = aside.submit(connection.scalar, ONE)
            for asked in (ledger.tasks, partial(ledger.write, lambda connection: connection.scalar(ONE))):
                with pytest.raises(Unavailable, match="The database cannot be reached: ") as raised:
                    aside.submit(asked).result(PATIENCE)
                assert type(raised.value) is Unavailable
            assert not migrating.done()
            for pair in way.pairs:
                pair.close()
            with pytest.raises(DBAPIError):
                migrating.result(PATIENCE)

    @pytest.mark.parametrize("kind", ["mariadb"])
    def test_it_is_noticed_as_the_url_says(self, through: Open, way: Way, aside: ThreadPoolExecutor):
        ledger = through(read_timeout="1", write_timeout="1")
        way.fall_silent(acknowledging=True)
        aside.submit(ledger.submit, new_batch("second", 1, 1)).result(PATIENCE)
        assert ledger.queue(UserId(1)).queued == 2

    @pytest.mark.parametrize("kind", ["postgresql"])
    def test_a_session_that_was_stopped_is_given_up(self, ledger: SqlLedger, aside: ThreadPoolExecutor):
        session = ledger.read(lambda connection: connection.scalar(text("SELECT pg_backend_pid()")))
        assert session is not None
        os.kill(session, signal.SIGSTOP)
        try:
            assert len(aside.submit(ledger.tasks).result(PATIENCE)) == 1
        finally:
            os.kill(session, signal.SIGCONT)

    @pytest.mark.parametrize("kind", ["postgresql"])
    @pytest.mark.parametrize(
        "waiting",
        [
            lambda ledger: ledger.submit(new_batch("second", 1, 1)),
            lambda ledger: ledger.write(lambda connection: connection.execute(LOCKED).all()),
            lambda ledger: ledger.read(lambda connection: connection.execute(LOCKED).all()),
            lambda ledger: ledger.read(lambda connection: connection.execute(AT_WORK)),
        ],
        ids=["submitting", "writing", "reading", "at work"],
    )
    def test_what_it_works_on_or_waits_for_a_lock_with_takes_as_long_as_it_says(
        self, ledger: SqlLedger, held: Held, aside: ThreadPoolExecutor, waiting: Callable[[SqlLedger], object]
    ):
        with held() as was_asked:
            asked = aside.submit(waiting, ledger)
            until(was_asked)
            assert not asked.done()
        asked.result(PATIENCE)

    @pytest.mark.parametrize("kind", ["postgresql"])
    def test_one_that_has_no_connection_left_answers(
        self, ledger: SqlLedger, held: Held, aside: ThreadPoolExecutor, direct: SqlLedger
    ):
        allow = text("UPDATE pg_database SET datallowconn = :allow WHERE datname = current_database()")
        with held() as was_asked:
            uploading = aside.submit(ledger.submit, new_batch("second", 1, 1))
            direct.write(lambda connection: connection.execute(allow, {"allow": False}) and None)
            try:
                until(was_asked)
            finally:
                direct.write(lambda connection: connection.execute(allow, {"allow": True}) and None)
            assert not uploading.done()
        uploading.result(PATIENCE)

    @pytest.fixture
    def held(self, ledger: SqlLedger, direct: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> Held:
        """Holds what is waited for in these tests; gives whether the server was asked twice since what it does."""
        looks, really, refused = list[int](), Session.doubt, list[object]()
        monkeypatch.setattr(Session, "doubt", lambda session: really(session) or looks.append(1))
        for engine in (ledger.dialect.writer, ledger.dialect.reader):
            event.listen(engine, "handle_error", refused.append)

        @contextmanager
        def hold() -> Iterator[Callable[[], bool]]:
            with direct.dialect.unlimited.connect() as holding:
                holding.execute(LOCKED)
                holding.execute(HELD)
                yield lambda: len(looks) > 1 or bool(refused)
            assert refused == []

        return hold


@pytest.mark.parametrize("kind", ["postgresql"])
def test_options_of_the_url_stand_before_those_of_ours(url: str, kind: str):
    dialect = connect(f"{url}?keepalives_idle=77&connect_timeout=5")
    assert isinstance(dialect, Postgresql)
    with dialect._own_connection() as connection:
        told = connection.info.get_parameters()
    assert (told["keepalives_idle"], told["connect_timeout"]) == ("77", "5"), kind
    assert told["tcp_user_timeout"] == str(server.SILENT * 1_000)
    dialect.close()
