"""What many ask for at once is one call, and each gets its own answer."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from paperlane import gathering
from paperlane.errors import Busy, PaperlaneError, StaleLease, StorageFull, StoreAway
from paperlane.gathering import Gathering
from paperlane.model.tasks import WorkerId
from paperlane.threads import Threads

Numbers = Gathering[WorkerId, int, int]
ONE, OTHER = WorkerId("one"), WorkerId("other")


@dataclass
class Ledger:
    """Answers with the tenfold; calls wait at the door while it is shut."""

    made: list[tuple[WorkerId, Sequence[int]]] = field(default_factory=list)
    fails: Callable[[Sequence[int]], PaperlaneError | ValueError | None] = lambda _: None
    door: threading.Event = field(default_factory=threading.Event)

    def __call__(self, worker: WorkerId, asked: Sequence[int]) -> Sequence[int | PaperlaneError]:
        self.made.append((worker, asked))
        if not self.door.wait(60):
            raise TimeoutError
        if (error := self.fails(asked)) is not None:
            raise error
        return [StaleLease("Not yours.") if one < 0 else 10 * one for one in asked]


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(gathering, "_UNDER_WAY", 1)
    return Ledger()


@pytest.fixture
async def ask(ledger: Ledger) -> AsyncIterator[Numbers]:
    threads = Threads("test", 2)
    yield Gathering(ledger, threads)
    ledger.door.set()
    threads.close()


async def until_called(ledger: Ledger, calls: int = 1) -> None:
    async with asyncio.timeout(60):
        while len(ledger.made) < calls:
            await asyncio.sleep(0.001)


async def asked(ask: Numbers, ledger: Ledger, ones: Sequence[int]) -> Sequence[int | BaseException]:
    """The answers to what is asked for while a call for 0 is under way."""
    first = asyncio.create_task(ask(ONE, 0))
    await until_called(ledger)
    rest = [asyncio.create_task(ask(ONE, one)) for one in ones]
    await asyncio.sleep(0)
    ledger.door.set()
    async with asyncio.timeout(60):
        assert await first == 0
        return await asyncio.gather(*rest, return_exceptions=True)


async def test_what_is_asked_for_meanwhile_is_one_call(ask: Numbers, ledger: Ledger):
    assert await asked(ask, ledger, [1, 2, 3]) == [10, 20, 30]
    assert ledger.made == [(ONE, [0]), (ONE, [1, 2, 3])]


@pytest.mark.parametrize("few", [False, True])
async def test_others_may_come_for_a_moment_after_a_call_unless_there_are_few(
    ledger: Ledger, ask: Numbers, monkeypatch: pytest.MonkeyPatch, *, few: bool
):
    ask.few = lambda: few
    ledger.door.set()
    assert await ask(ONE, 1) == 10
    monkeypatch.setattr(gathering, "_APART", 3_600.0)
    next_one = asyncio.create_task(ask(ONE, 2))
    for _ in range(20 if not few else 0):
        await asyncio.sleep(0.001)
    if few:
        async with asyncio.timeout(60):
            assert await next_one == 20
    else:
        assert len(ledger.made) == 1
        assert len(ask._waiting) == 1
        next_one.cancel()


async def test_what_comes_in_that_moment_shares_the_next_call(ledger: Ledger, ask: Numbers):
    ledger.door.set()
    answers = [await ask(ONE, 1), *await asyncio.gather(*(ask(ONE, one) for one in (2, 3, 4)))]
    assert (answers, [list(ones) for _, ones in ledger.made]) == ([10, 20, 30, 40], [[1], [2, 3, 4]])


async def test_one_call_asks_for_so_many_at_most(ask: Numbers, ledger: Ledger):
    ask.most = 2
    assert await asked(ask, ledger, [1, 2, 3]) == [10, 20, 30]
    assert [ones for _, ones in ledger.made] == [[0], [1, 2], [3]]


async def test_what_is_large_counts_for_more_and_what_is_too_large_comes_alone(ask: Numbers, ledger: Ledger):
    ask.most, ask.size = 5, lambda one: one
    assert await asked(ask, ledger, [3, 2, 1, 9, 4]) == [30, 20, 10, 90, 40]
    assert [ones for _, ones in ledger.made] == [[0], [3, 2], [1], [9], [4]]


async def test_a_second_call_does_not_wait_for_a_slow_one(
    ask: Numbers, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gathering, "_UNDER_WAY", 2)
    waiting = [asyncio.create_task(ask(ONE, 1))]
    await until_called(ledger, 1)
    waiting.append(asyncio.create_task(ask(ONE, 2)))
    await until_called(ledger, 2)
    waiting.append(asyncio.create_task(ask(ONE, 3)))
    await asyncio.sleep(0)
    assert [ones for _, ones in ledger.made] == [[1], [2]]
    ledger.door.set()
    assert await asyncio.gather(*waiting) == [10, 20, 30]


async def test_who_asks_in_the_turn_in_which_the_last_call_ends_is_served(ask: Numbers, ledger: Ledger):
    """Nobody else may ever ask, and so wake those who wait."""
    first = asyncio.create_task(ask(ONE, 1))
    await until_called(ledger)
    (call,) = ask._calling
    ledger.door.set()
    async with asyncio.timeout(10):
        while not call.done():
            await asyncio.sleep(0)
        assert await ask(ONE, 2) == 20
        assert await first == 10


async def test_a_thread_that_cannot_be_had_is_told_to_those_who_wait(
    ask: Numbers, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    refused = RuntimeError("can't start new thread")

    async def none(*_: object) -> None:
        raise refused

    with monkeypatch.context() as short:
        short.setattr(ask, "threads", none)
        assert await asyncio.gather(ask(ONE, 1), ask(OTHER, 2), return_exceptions=True) == [refused, refused]
    ledger.door.set()
    assert await ask(ONE, 3) == 30


async def test_a_call_is_for_one_worker(ask: Numbers, ledger: Ledger):
    ledger.door.set()
    answers = await asyncio.gather(ask(ONE, 1), ask(ONE, 2), ask(OTHER, 3), ask(ONE, 4))
    assert answers == [10, 20, 30, 40]
    assert ledger.made == [(ONE, [1, 2]), (OTHER, [3]), (ONE, [4])]


async def test_a_refusal_is_for_the_one_that_is_refused(ask: Numbers, ledger: Ledger):
    one, refused, three = await asked(ask, ledger, [1, -2, 3])
    assert (one, three) == (10, 30)
    assert isinstance(refused, StaleLease)
    assert len(ledger.made) == 2


async def test_one_that_is_asked_for_by_itself_keeps_no_other_waiting(ask: Numbers, ledger: Ledger):
    """What hinders it, it may hinder for long."""
    stuck = threading.Event()

    def fails(ones: Sequence[int]) -> ValueError | None:
        if list(ones) == [2]:
            stuck.wait(60)
        return ValueError("spoilt") if 2 in ones else None

    ledger.fails = fails
    first = asyncio.create_task(ask(ONE, 0))
    await until_called(ledger)
    one, two, three = (asyncio.create_task(ask(ONE, one)) for one in (1, 2, 3))
    await asyncio.sleep(0)
    ledger.door.set()
    async with asyncio.timeout(60):
        assert [await first, await one, await three] == [0, 10, 30]
        assert await ask(ONE, 4) == 40
    assert not two.done()
    stuck.set()
    with pytest.raises(ValueError, match="spoilt"):
        await two


async def test_what_may_have_been_done_is_not_done_again(ask: Numbers, ledger: Ledger):
    ask.parts = lambda error: isinstance(error, StaleLease)
    error = ValueError("it broke afterwards")
    ledger.fails = lambda ones: error if 2 in ones else None
    assert await asked(ask, ledger, [1, 2, 3]) == [error] * 3
    assert [ones for _, ones in ledger.made] == [[0], [1, 2, 3]]


@pytest.mark.parametrize("error", [ValueError("spoilt"), StorageFull("There is no room."), StoreAway("It is away.")])
async def test_what_one_of_them_causes_is_not_for_the_others(
    ask: Numbers, ledger: Ledger, error: ValueError | StorageFull | StoreAway
):
    ledger.fails = lambda ones: error if 2 in ones else None
    assert await asked(ask, ledger, [1, 2, 3]) == [10, error, 30]


async def test_a_ledger_that_cannot_be_reached_is_told_to_all_and_not_asked_for_each(ask: Numbers, ledger: Ledger):
    error = Busy("Others are writing.")
    ledger.fails = lambda ones: None if ones == [0] else error
    assert await asked(ask, ledger, [1, 2, 3]) == [error] * 3
    assert len(ledger.made) == 2
    ledger.fails = lambda _: None
    assert await ask(ONE, 4) == 40


async def test_who_is_cancelled_before_the_call_asks_for_nothing(ask: Numbers, ledger: Ledger):
    first = asyncio.create_task(ask(ONE, 0))
    await until_called(ledger)
    second, third = asyncio.create_task(ask(ONE, 1)), asyncio.create_task(ask(ONE, 2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    ledger.door.set()
    assert await asyncio.gather(first, third) == [0, 20]
    assert second.cancelled()
    assert [ones for _, ones in ledger.made] == [[0], [2]]


@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_during_the_call_goes_on_when_it_has_ended(ask: Numbers, ledger: Ledger, *, fails: bool):
    ledger.fails = lambda _: ValueError("spoilt") if fails else None
    first = asyncio.create_task(ask(ONE, 0))
    await until_called(ledger)
    for _ in range(3):
        first.cancel()
        await asyncio.sleep(0)
    assert not first.done()
    ledger.door.set()
    await asyncio.wait([first], timeout=60)
    assert first.cancelled()


def test_a_loop_that_ends_leaves_nobody_waiting():
    """Its tasks are cancelled all at once, calls and those who wait for them."""
    ledger, threads = Ledger(), Threads("test", 1)

    async def until_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ledger.door.set()

    async def leave() -> None:
        ask = Gathering(ledger, threads)
        left.extend(asyncio.create_task(doing) for doing in (ask(ONE, 1), until_the_end()))
        await until_called(ledger)

    left: list[asyncio.Task[int | None]] = []
    asyncio.run(leave())
    assert all(task.cancelled() for task in left)
    threads.close()
