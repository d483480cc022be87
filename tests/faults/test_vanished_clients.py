"""A client that vanishes within a transaction, or stands still in it: the server ends it, and others go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text, update
from tests.conftest import until
from tests.databases import Databases
from tests.ledger.conftest import new_batch
from tests.ledger.invariants import check_invariants

from paperlane import migrations
from paperlane.errors import Unavailable
from paperlane.hosting import open_ledger
from paperlane.ledger import Rules
from paperlane.ledger.dialects import server
from paperlane.ledger.schema import lanes
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.ledger.sweeper import Sweeper
from paperlane.migrations import upgrading
from paperlane.model.tasks import Recovery, State, UserId, WorkerId

Open = Callable[..., SqlLedger]

_LOCKED = select(lanes.c.weight).where(lanes.c.user_id == 1).with_for_update()


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> str:
    return next(databases.urls(request.param, tmp_path))


@pytest.fixture
def one_more(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the ledger as another process would, with short limits."""
    monkeypatch.setattr(server, "IDLE", 1)
    made: list[SqlLedger] = []

    def make(**rules: object) -> SqlLedger:
        made.append(SqlLedger(connect(url), Rules(**rules)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    check_invariants(made[0])
    for ledger in made:
        ledger.close()


@contextmanager
def a_locked_lane(by: Engine) -> Iterator[None]:
    """Somebody has locked the first user's lane, and does nothing more."""
    with by.connect() as connection:
        connection.execute(_LOCKED)
        yield
        connection.invalidate()


def is_free(ledger: SqlLedger) -> bool:
    """May the first user's lane be locked?"""
    asked = select(lanes.c.user_id).where(lanes.c.user_id == 1).with_for_update(skip_locked=True)
    with ledger.dialect.writer.connect() as connection:
        return connection.execute(asked).first() is not None


def lose_two_tasks_each(ledger: SqlLedger) -> None:
    """Of two users; their worker is not heard of again."""
    ledger.register(WorkerId("gone"), "database", "host", 1, 10)
    for user in (1, 2):
        ledger.submit(new_batch(f"b{user}", user, 2))
    assert len(ledger.step("database", WorkerId("gone"), [], 10)) == 4


def swept(ledger: SqlLedger) -> Recovery:
    """What the first sweep finds that finds something."""
    return until(lambda: found if (found := ledger.recover()).expired else None)


def test_one_lane_that_is_locked_for_long_keeps_no_other_one_from_recovery(
    one_more: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server, "QUEUE", 1)
    ledger = one_more(lease=0.05)
    lose_two_tasks_each(ledger)
    with a_locked_lane(ledger.dialect.unlimited):  # an operator's forgotten session, say
        found = swept(ledger)
        assert (found.expired, found.locked) == (2, 1)
        assert [task.user for task in ledger.tasks(states=[State.RUNNING])] == [1, 1]
    assert until(ledger.recover).expired == 2


def test_a_lane_that_is_busy_whenever_a_sweep_comes_is_waited_for(one_more: Open, monkeypatch: pytest.MonkeyPatch):
    """Others hold it just when the sweep looks, and give it free a moment later."""
    ledger = one_more(lease=0.05)
    lose_two_tasks_each(ledger)
    once, waiting = Sweeper._pages, list[int | None]()

    def free_afterwards(*given: Any) -> Recovery:
        waiting.append(given[3] if len(given) > 3 else None)
        if waiting[-1] is not None:
            return once(*given)
        with a_locked_lane(ledger.dialect.unlimited):
            return once(*given)

    monkeypatch.setattr(Sweeper, "_pages", free_afterwards)
    found = swept(ledger)
    assert (found.expired, found.locked, waiting[-2:]) == (4, 0, [None, 1])


def test_what_a_vanished_client_had_locked_is_recovered_once_the_server_ended_it(one_more: Open):
    ledger = one_more(lease=0.05)
    lose_two_tasks_each(ledger)
    with a_locked_lane(one_more().dialect.writer):
        assert swept(ledger).expired == 4


def test_who_uploads_goes_on_once_the_server_ended_a_vanished_client(one_more: Open):
    ledger = one_more()
    ledger.submit(new_batch("first", 1, 1))
    with a_locked_lane(one_more().dialect.writer):
        ledger.submit(new_batch("second", 1, 1))
    assert ledger.queue(UserId(1)).queued == 2


class Standstill:
    """Work of a process that stands still, the first time, until the server has ended its transaction."""

    def __init__(self, another: SqlLedger) -> None:
        self.another = another
        self.times = 0

    def __call__(self, connection: Connection) -> None:
        self.times += 1
        connection.execute(_LOCKED)
        connection.execute(update(lanes).where(lanes.c.user_id == 1).values(weight=lanes.c.weight + 1))
        if self.times == 1:
            until(lambda: is_free(self.another))


class TestWhoStoodStill:
    @pytest.fixture
    def ledger(self, one_more: Open) -> SqlLedger:
        made = one_more()
        made.submit(new_batch("first", 1, 1))
        return made

    def test_does_again_what_was_not_committed(self, ledger: SqlLedger, one_more: Open):
        stand_still = Standstill(one_more())

        def work(connection: Connection) -> None:
            stand_still(connection)
            connection.execute(_LOCKED)

        ledger.write(work)
        assert stand_still.times == 2
        assert ledger.queue(UserId(1)).lanes[0].weight == 2.0

    def test_does_again_what_it_was_about_to_commit(self, ledger: SqlLedger, one_more: Open):
        stand_still = Standstill(one_more())
        ledger.submit(new_batch("second", 1, 1), stand_still)
        assert stand_still.times == 2
        assert ledger.queue(UserId(1)).queued == 2

    def test_is_told_so_where_it_cannot_be_done_twice(self, ledger: SqlLedger, one_more: Open):
        stand_still = Standstill(one_more())
        with pytest.raises(Unavailable, match="The database cannot be reached: ") as raised:
            ledger.write(stand_still)
        assert type(raised.value) is Unavailable
        assert stand_still.times == 1
        assert ledger.queue(UserId(1)).lanes[0].weight == 1.0


def test_a_migration_may_stand_still(url: str, one_more: Open, monkeypatch: pytest.MonkeyPatch):
    ledger = one_more()
    ledger.submit(new_batch("first", 1, 1))
    paused: list[int] = []

    def pause(config: Any, _to: str) -> None:
        connection: Connection = config.attributes["connection"]
        connection.execute(select(lanes))
        with a_locked_lane(one_more().dialect.writer):  # it idles since after the migration does
            until(lambda: is_free(ledger))
        paused.append(len(connection.execute(select(lanes)).all()))
        connection.execute(to_revision, {"at": migrations.newest()})

    monkeypatch.setattr(upgrading.command, "upgrade", pause)
    to_revision = text("UPDATE alembic_version SET version_num = :at")
    with ledger.dialect.writer.begin() as connection:
        connection.execute(to_revision, {"at": migrations.revisions()[-2]})
    open_ledger(url).close()
    assert paused == [1]
