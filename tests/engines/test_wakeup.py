"""Waking up: by a bell in the process, by notices and looks between processes, and when nothing can be read."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.databases import Databases

from paperlane.hosting import open_ledger
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId
from paperlane.scheduling import wakeup
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads


@dataclass
class Watched:
    """A ledger that can tell nobody, and whose looks are counted, by the thread that took them."""

    ledger: SqlLedger
    fails: bool = False
    looks: list[str] = field(default_factory=list)

    def listen(self, _: Callable[[str], None]) -> Callable[[], None] | None:
        return None

    def runnable(self, engine: str) -> bool:
        self.looks.append(threading.current_thread().name)
        if self.fails:
            raise OSError("disk I/O error")
        return self.ledger.runnable(engine)

    async def until_looked(self, times: int) -> None:
        async with asyncio.timeout(60):
            while len(self.looks) < times:
                await asyncio.sleep(0.005)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def watched(url: str) -> Iterator[Watched]:
    ledger = open_ledger(url)
    yield Watched(ledger)
    ledger.close()


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads("look")
    yield made
    made.close()


@pytest.fixture
def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second after which everybody looks anyway is an hour."""
    monkeypatch.setattr(wakeup, "LONGEST_WAIT", 3_600.0)


@pytest.mark.usefixtures("only_when_told")
async def test_a_commit_that_makes_nothing_runnable_wakes_nobody(watched: Watched, threads: Threads, url: str):
    waiting = asyncio.create_task(Wakeup(watched, "database", threads).wait())  # type: ignore[arg-type]
    await watched.until_looked(2)
    other = open_ledger(url)
    other.lane(UserId(1))
    await watched.until_looked(len(watched.looks) + 5)
    assert not waiting.done()
    waiting.cancel()
    other.close()


@pytest.mark.usefixtures("only_when_told")
async def test_a_bell_that_another_thread_rings_is_heard(watched: Watched, threads: Threads):
    bell = Wakeup(watched, "database", threads)  # type: ignore[arg-type]
    waiting = asyncio.create_task(bell.wait())
    await watched.until_looked(2)
    await asyncio.to_thread(bell.ring)
    async with asyncio.timeout(60):
        await waiting


async def test_looks_that_may_have_to_wait_are_not_taken_on_the_loop(watched: Watched, threads: Threads):
    await Wakeup(watched, "database", threads, chance=lambda: 0.0).wait()  # type: ignore[arg-type]
    assert {name.partition("_")[0] for name in watched.looks} == {"look"}


@pytest.mark.parametrize("kind", ["sqlite file", "postgresql", "mariadb"])
@pytest.mark.usefixtures("only_when_told")
async def test_a_look_finds_what_nobody_told(kind: str, databases: Databases, threads: Threads, tmp_path: Path):
    """Notices may be lost."""
    url = next(databases.urls(kind, tmp_path))
    ledger, other = open_ledger(url), open_ledger(url)
    watched = Watched(ledger)
    waiting = asyncio.create_task(Wakeup(watched, "database", threads).wait())  # type: ignore[arg-type]
    await watched.until_looked(2)
    assert not waiting.done()
    other.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(TaskId("task"), b"{}")]))
    async with asyncio.timeout(60):
        await waiting
    for one in (ledger, other):
        one.close()


async def test_a_ledger_that_cannot_be_read_is_left_alone_until_the_wait_is_over(watched: Watched, threads: Threads):
    watched.fails = True
    await Wakeup(watched, "database", threads, chance=lambda: 0.0).wait()  # type: ignore[arg-type]
    assert len(watched.looks) == 1


@pytest.mark.parametrize(("chance", "longest"), [(0.0, 0.75), (1.0, 1.0)])
async def test_whoever_waits_looks_again_at_a_time_of_its_own(
    watched: Watched, threads: Threads, monkeypatch: pytest.MonkeyPatch, chance: float, longest: float
):
    """Workers that fell asleep together do not look together; the guarantee is a second."""
    watched.fails = True  # so the last wait is for all that is left
    waits: list[float] = []

    async def no_bell(seconds: float) -> bool:
        waits.append(seconds)
        return False

    bell = Wakeup(watched, "database", threads, chance=lambda: chance)  # type: ignore[arg-type]
    monkeypatch.setattr(bell, "_loop", SimpleNamespace(time=lambda: 1_000.0))  # no time passes
    monkeypatch.setattr(bell, "_rung", no_bell)
    await bell.wait()
    assert waits[-1] == longest


@pytest.mark.parametrize("kind", ["sqlite file", "postgresql"])
@pytest.mark.usefixtures("only_when_told")
async def test_a_notice_wakes_who_does_not_look(
    kind: str, databases: Databases, threads: Threads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wakeup, "_TOLD", wakeup._Looks(first=3_600.0, slower=1.0, longest=3_600.0))
    url = next(databases.urls(kind, tmp_path))
    ledger, other = open_ledger(url), open_ledger(url)
    bell = Wakeup(ledger, "database", threads)
    waiting = asyncio.create_task(bell.wait())
    async with asyncio.timeout(60):
        for n in range(10_000):  # until it listens, nobody hears
            other.submit(NewBatch(BatchId(f"b{n}"), UserId(n + 1), [NewTask(TaskId(f"t{n}"), b"{}")]))
            if (await asyncio.wait([waiting], timeout=0.05))[0]:
                break
    assert waiting.done()
    bell.close()
    for one in (ledger, other):
        one.close()


@pytest.mark.parametrize("kind", ["sqlite file", "postgresql"])
@pytest.mark.usefixtures("only_when_told")
async def test_who_listens_looks_too_after_it_took_something(
    kind: str, databases: Databases, threads: Threads, tmp_path: Path
):
    """Another one may have held the lane a moment ago, and nobody tells when it lets go."""
    ledger = open_ledger(next(databases.urls(kind, tmp_path)))
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")]))
    bell = Wakeup(ledger, "database", threads)
    async with asyncio.timeout(60):
        await bell.wait()
    bell.close()
    ledger.close()
