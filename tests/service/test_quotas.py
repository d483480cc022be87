"""Quotas where several ask at once, on every database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Barrier, Event

import pytest
from sqlalchemy import Connection, update
from tests.conftest import EVERY_KIND

from paperlane.assembly import open_desk, open_ledger
from paperlane.desk import Desk, Order, Plan
from paperlane.errors import TooMany
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import Upload
from paperlane.model.tasks import BatchId, UserId
from paperlane.records import documents, storage
from paperlane.records.accounts import Quotas, Role
from paperlane.records.schema import users
from paperlane.settings import settings_of

MB = 1 << 20


@dataclass
class Processes:
    """Several desks over one database, as of several web processes; `ann` may keep one megabyte."""

    ledgers: list[SqlLedger]
    desks: list[Desk]
    names: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def __post_init__(self) -> None:
        self.ann = self.desks[0].accounts.add_user(None, "ann", Role.USER, "", None, None, Quotas(storage_mb=1))

    def upload(self, desk: int, size: int) -> BatchId:
        name = f"{next(self.names):04}"
        order = Order([Upload(f"{name}.md", "text/markdown", size, "", name)])
        return self.desks[desk].tasks.submit(self.ann, order)[0].id

    def stored(self) -> int:
        return self.desks[0].accounts.user("ann").stored


@pytest.fixture
def processes(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Processes]:
    settings = settings_of(data=tmp_path / "data", database=new_database())
    ledgers = [open_ledger(settings) for _ in range(2)]
    yield Processes(ledgers, [open_desk(settings, ledger) for ledger in ledgers])
    for ledger in ledgers:
        ledger.close()


@EVERY_KIND
def test_of_uploads_that_come_at_once_only_those_that_fit_together_are_taken(processes: Processes):
    each, at_once = 3 * MB // 8, Barrier(4)  # two fit

    def upload(desk: int) -> bool:
        at_once.wait(60)
        try:
            processes.upload(desk % 2, each)
        except TooMany as error:
            return error.code != "user_storage_full"
        return True

    with ThreadPoolExecutor(4) as uploading:
        taken = list(uploading.map(upload, range(4)))
    assert (sum(taken), processes.stored()) == (2, 2 * each)
    assert len(processes.ledgers[0].tasks(user=processes.ann.id)) == 2


@EVERY_KIND
def test_who_lets_go_of_a_files_last_two_names_at_once_gives_its_room_back_once(processes: Processes):
    """A document that retention forgets while its schedule is removed: each sees the other's name, if they look."""
    batch = processes.upload(0, 7)
    plan = Plan("nightly", "0 3 * * *", batch)
    processes.desks[0].schedules.add(processes.ann, plan)
    (task,) = (task.id for task in processes.ledgers[0].tasks(batch=batch))
    forgotten = Event()

    def remove() -> None:
        forgotten.wait(60)
        processes.desks[1].schedules.remove(None, processes.ann.id, "nightly")

    with ThreadPoolExecutor(1) as removing:
        removed = removing.submit(remove)

        def forget(connection: Connection) -> None:
            documents.forget(connection, [task])
            forgotten.set()
            wait([removed], 0.2)  # it should come to wait for this one, which nothing tells

        processes.ledgers[0].write(forget)
        removed.result()
    assert processes.stored() == 0


@EVERY_KIND
def test_a_count_that_drifted_is_told_by_how_much(processes: Processes):
    batch = processes.upload(0, 7)
    processes.desks[0].schedules.add(processes.ann, Plan("nightly", "0 3 * * *", batch))
    processes.upload(0, 5)
    ledger, ann = processes.ledgers[0], processes.ann.id
    assert ledger.read(partial(storage.drift, user=ann)) == 0
    drifts(processes, -4)
    assert (processes.stored(), ledger.read(partial(storage.drift, user=ann))) == (8, 4)


def drifts(processes: Processes, by: int) -> None:
    """As if programs of before had kept something, or let go of it."""
    wrong = update(users).where(users.c.id == processes.ann.id).values(stored=users.c.stored + by)
    processes.ledgers[0].write(lambda connection: connection.execute(wrong) and None)


@EVERY_KIND
def test_what_two_put_right_at_once_is_put_right_once(processes: Processes):
    """An hour's run of retention may take longer than an hour, and the next one begins beside it."""
    processes.upload(0, 7)
    drifts(processes, -4)
    ann, mended = processes.ann.id, Event()

    def mend_too() -> int:
        mended.wait(60)
        return processes.ledgers[1].write(partial(storage.mend, user=ann))

    with ThreadPoolExecutor(1) as others:
        other = others.submit(mend_too)

        def mend(connection: Connection) -> int:
            by = storage.mend(connection, ann)
            mended.set()
            wait([other], 0.2)  # it should come to wait for this one, which nothing tells
            return by

        assert (processes.ledgers[0].write(mend), other.result()) == (4, 0)
    assert processes.stored() == 7


def test_every_user_is_in_one_part_and_on_one_page(processes: Processes):
    made = [processes.desks[0].accounts.add_user(None, f"user{n}", Role.USER, "", None, None).id for n in range(7)]

    def pages(connection: Connection) -> list[int]:
        found = list[int]()
        for part in range(3):
            last = UserId(-1)
            while page := storage.next_users(connection, last, part, 3, 2):
                found += page
                last = page[-1]
        return sorted(found)

    assert processes.ledgers[0].read(pages) == [processes.ann.id, *made]
