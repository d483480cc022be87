"""Who is given up in a deadlock has changed nothing, and is done again; one that never passes is told as busy."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, event, select, text, update
from tests.databases import SERVERS
from tests.ledger.conftest import Bench

from paperlane.errors import Busy
from paperlane.ledger import transactions
from paperlane.ledger.schema import lanes
from paperlane.ledger.troubles import is_deadlock
from paperlane.model.tasks import UserId

PATIENCE = 60.0
FAILS = {
    "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'as it would say' USING ERRCODE = '{}'; END $$",
    "mysql": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {}, MESSAGE_TEXT = 'as it would say'",
}


@pytest.mark.parametrize("make_bench", sorted(SERVERS), indirect=True)
def test_of_two_in_a_deadlock_each_writes_once(bench: Bench):
    for user in (1, 2):
        bench.ledger.lane(UserId(user), max_running=1)
    both_hold_one, refused, tries = Barrier(2), list[bool](), list[int]()
    event.listen(
        bench.ledger.dialect.writer,
        "handle_error",
        lambda context: refused.append(is_deadlock(context.sqlalchemy_exception)),
    )

    def add(connection: Connection, user: int) -> None:
        connection.execute(update(lanes).where(lanes.c.user_id == user).values(weight=lanes.c.weight + 1))

    def write(first: int, then: int) -> None:
        def work(connection: Connection) -> None:
            tries.append(first)
            add(connection, first)
            if tries.count(first) == 1:
                both_hold_one.wait(PATIENCE)
            add(connection, then)

        bench.ledger.write(work)

    with ThreadPoolExecutor(2) as threads:
        for writing in [threads.submit(write, 1, 2), threads.submit(write, 2, 1)]:
            writing.result(PATIENCE)
    assert (refused, len(tries)) == ([True], 3)
    assert bench.ledger.read(lambda connection: connection.scalars(select(lanes.c.weight)).all()) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("make_bench", "code", "tries"),
    [
        ("postgresql", "40P01", transactions._TRIES),
        ("postgresql", "40001", transactions._TRIES),
        ("postgresql", "55P03", 1),  # who waited in vain for a lock has waited for as long as anybody would
        ("mariadb", "1213", transactions._TRIES),
        ("mariadb", "1205", 1),
    ],
    indirect=["make_bench"],
)
def test_what_never_passes_is_told_as_busy_after_some_tries(bench: Bench, code: str, tries: int):
    made: list[int] = []
    fails = text(FAILS[bench.ledger.dialect.writer.dialect.name].format(code))

    def work(connection: Connection) -> None:
        made.append(1)
        connection.execute(fails)

    with pytest.raises(Busy, match="The database is busy: as it would say"):
        bench.ledger.write(work)
    assert len(made) == tries
