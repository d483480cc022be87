"""What only PostgreSQL has: statements that travel together, prepared on each connection, arrays as text."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import takewhile
from pathlib import Path
from threading import Event, Semaphore

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError
from tests.databases import Databases, migrated
from tests.ledger.conftest import Bench, new_batch
from typing_extensions import override

from paperlane.errors import Busy
from paperlane.ledger.dialects.notices import CHANNEL
from paperlane.ledger.dialects.postgresql import Postgresql
from paperlane.ledger.dialects.prepared import Parameters, Prepared
from paperlane.model.tasks import Completed, Ended, State, UserId

AWKWARD = [
    "",
    "NULL",
    "null",
    "{}",
    "{a,b}",
    ",",
    '"',
    "\\",
    '\\"',
    "a\nb",
    " spaced ",
    "测试",
    "\x7f",
    "it's",
    "\\x41",
    "%s",
    "$1",
]
_ONE = Prepared(text("SELECT 1"))
_BROKEN = Prepared(text("SELECT 1 / CAST(:by AS integer)"))
_ECHO = Prepared(text("SELECT CAST(:value AS text), length(:value)"))


@pytest.fixture
def dialect(databases: Databases, tmp_path: Path) -> Iterator[Postgresql]:
    made = migrated(next(databases.urls("postgresql", tmp_path)))
    assert isinstance(made, Postgresql)
    yield made
    made.close()


def together(dialect: Postgresql, connection: Connection, *asked: tuple[Prepared, Parameters]) -> list[object]:
    assert dialect.together is not None
    return [answer.value() for answer in dialect.together(connection, asked)]


@pytest.mark.parametrize("kind", ["key", "text"])
def test_texts_come_through_arrays_as_they_are(dialect: Postgresql, kind: str):
    given = dialect.given("rows", value=kind)  # type: ignore[arg-type]
    question = Prepared(given.table.select())
    with dialect.writer.connect() as connection:
        bound = given.bind([*AWKWARD, None])
        assert [value for (value,) in question.on(connection, bound).tuples()] == [*AWKWARD, None]


def test_numbers_come_through_arrays_to_the_last_digit(dialect: Postgresql):
    numbers = [0.1, 1 / 3, 1e300, -5e-324, 1_800_000_000.123457, 3.0]
    given = dialect.given("rows", value="float")
    with dialect.writer.connect() as connection:
        bound = given.bind(numbers)
        assert [value for (value,) in Prepared(given.table.select()).on(connection, bound).tuples()] == numbers


def test_answers_come_in_the_order_of_the_statements(dialect: Postgresql):
    with dialect.writer.connect() as connection:
        asked = [(_ECHO, {"value": value}) for value in AWKWARD]
        assert together(dialect, connection, *asked) == AWKWARD


def test_much_goes_both_ways_at_once(dialect: Postgresql):
    """More than sockets hold: who only wrote would wait for a server that waits to be read."""
    large = "x" * 5_000_000
    with dialect.writer.connect() as connection:
        assert together(dialect, connection, *[(_ECHO, {"value": large})] * 6) == [large] * 6


def test_one_that_fails_is_told_and_its_connection_is_good_for_the_next(dialect: Postgresql):
    with dialect.writer.connect() as connection:
        with pytest.raises(DataError, match="division by zero"):
            together(dialect, connection, (_ONE, {}), (_BROKEN, {"by": 0}), (_ONE, {}))
        connection.rollback()
        assert together(dialect, connection, (_BROKEN, {"by": 1}), (_ONE, {})) == [1, 1]


def test_a_parameter_may_change_its_type(dialect: Postgresql):
    half = Prepared(text("SELECT CAST(:value AS double precision) / 2"))
    with dialect.writer.connect() as connection:
        assert together(dialect, connection, (half, {"value": 3}), (half, {"value": 2.5})) == [1.5, 1.25]
        assert together(dialect, connection, (half, {"value": None}), (half, {"value": 1})) == [None, 0.5]


def test_a_text_with_nul_is_refused_not_cut_off(dialect: Postgresql):
    given = dialect.given("rows", value="text")
    with dialect.writer.connect() as connection:
        for parameters in ({"value": "a\0b"}, {"value": None}):
            statement = (
                (_ECHO, parameters) if parameters["value"] else (Prepared(given.table.select()), given.bind(["a\0b"]))
            )
            with pytest.raises(DataError, match="NUL"):
                together(dialect, connection, statement)


@pytest.mark.parametrize("encoding", ["latin1", "utf8"])
def test_texts_are_right_whatever_encoding_clients_have_by_default(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
):
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    dialect = migrated(next(databases.urls("postgresql", tmp_path)))
    assert isinstance(dialect, Postgresql)
    with dialect.writer.connect() as connection:
        assert together(dialect, connection, (_ECHO, {"value": "Ärger 测试"})) == ["Ärger 测试"]
        assert connection.scalar(text("SELECT length('Ä')")) == 1
    dialect.close()


def test_they_begin_a_transaction_that_a_rollback_undoes(dialect: Postgresql):
    write = Prepared(text("INSERT INTO clocks (engine, band, vtime) VALUES ('e', 0, 1)"))
    with dialect.writer.connect() as connection:
        transaction = connection.begin()
        assert dialect.together is not None
        dialect.together(connection, [(write, {})])
        transaction.rollback()
        assert connection.scalar(text("SELECT count(*) FROM clocks WHERE engine = 'e'")) == 0


class Gathering(Event):
    """Stands for the announcer's moment in which notices gather: it is over when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.over = Semaphore(0), Semaphore(0)

    @override
    def wait(self, timeout: float | None = None) -> bool:
        self.begun.release()
        assert self.over.acquire(timeout=60)
        return self.is_set()


def test_what_is_announced_in_one_moment_is_one_notice_for_each_engine(dialect: Postgresql):
    """Each makes commits wait for each other: https://www.postgresql.org/docs/current/sql-notify.html."""
    dialect._announcer._ended = moment = Gathering()
    with dialect._own_connection() as hearer, closing(hearer.notifies(timeout=60)) as notices:
        hearer.execute(f"LISTEN {CHANNEL}".encode())
        dialect.announce(["first"])
        for meanwhile in (["one", "other"] * 50, ["last"], []):
            assert moment.begun.acquire(timeout=60)
            for engine in meanwhile:
                dialect.announce([engine])
            moment.over.release()
        heard = takewhile(lambda engine: engine != "last", (notice.payload for notice in notices))
        assert sorted(heard) == ["first", "one", "other"]


@pytest.mark.parametrize("make_bench", ["postgresql"], indirect=True)
class TestForgotten:
    """A pooler or an operator may throw away what was prepared."""

    def forget(self, bench: Bench) -> None:
        with bench.ledger.dialect.writer.connect() as connection:
            connection.exec_driver_sql("DEALLOCATE ALL")
            connection.commit()

    def test_it_is_prepared_anew(self, bench: Bench):
        worker = bench.worker()
        for _ in range(3):
            (name,) = bench.submit(1)
            self.forget(bench)
            leases = bench.ledger.step("database", worker, [], 1)
            self.forget(bench)
            bench.ledger.step("database", worker, [Ended(lease, Completed(1.0)) for lease in leases], 0)
            assert bench.ledger.task(name).state is State.COMPLETED
            assert len(bench.ledger.attempts(name)) == 1
        assert bench.ledger.queue(UserId(1)).queued == 0

    def test_what_fails_in_between_throws_nothing_away(self, bench: Bench):
        for _ in range(3):
            bench.submit(1)
            with pytest.raises(ZeroDivisionError):
                bench.ledger.write(lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
        assert bench.ledger.queue(UserId(1)).queued == 3


def test_short_texts_compare_by_bytes_so_that_no_update_of_the_system_breaks_an_index(dialect: Postgresql):
    asked = (
        "SELECT c.relname || '.' || a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
        " JOIN pg_collation AS o ON o.oid = a.attcollation WHERE c.relkind = 'r' AND o.collname <> 'C'"
        " AND c.relnamespace = 'public'::regnamespace AND a.atttypid = 'varchar'::regtype"
    )
    with dialect.reader.connect() as connection:
        assert set(connection.exec_driver_sql(asked).scalars()) == {"alembic_version.version_num"}


def test_an_ordinary_role_sees_the_connections_of_others_too(dialect: Postgresql):
    with ExitStack() as opened:
        for _ in range(5):
            opened.enter_context(dialect.reader.connect()).execute(text("SELECT 1"))
        with dialect.writer.connect() as connection:
            connection.execute(text("CREATE ROLE ordinary"))
            connection.execute(text("SET LOCAL ROLE ordinary"))
            assert connection.scalar(text("SELECT current_user")) == "ordinary"
            full = dialect.fullness(connection)
            connection.rollback()
    assert 6 <= full.connections <= full.most_connections


@pytest.mark.parametrize("make_bench", ["postgresql"], indirect=True)
def test_batches_that_come_together_do_not_wait_for_long_for_a_lane_that_somebody_holds(bench: Bench):
    bench.submit(1)
    with bench.ledger.dialect.writer.connect() as holder:
        holder.execute(text("SELECT 1 FROM lanes WHERE user_id = 1 FOR UPDATE"))
        with pytest.raises(Busy):
            bench.ledger.submit_many([new_batch("one", 1, 1), new_batch("two", 2, 1)])
        bench.ledger.submit(new_batch("two", 2, 1))
        holder.rollback()
    bench.ledger.submit(new_batch("one", 1, 1))
    assert bench.ledger.queue().queued == 3
