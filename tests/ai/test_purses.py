"""What one user's tasks may spend together, in one process and in several."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from threading import Event

import pytest
from structlog.testing import capture_logs

from paperlane.ai import Usage
from paperlane.ai.budget import Budget, Spent
from paperlane.ai.memory import MemoryBooks
from paperlane.ai.purses import Account, Payer, Purses, Spendings
from paperlane.errors import Unavailable
from paperlane.model.tasks import TaskId, UserId
from paperlane.settings import ModelTerms
from paperlane.threads import Threads

USER, EXPECTED, USED = UserId(1), Usage(1, 10, 0), Usage(1, 6, 0)
TERMS = {"m": ModelTerms(model="m", price_in=100_000, in_flight=20)}
NewPurses = Callable[..., Purses]


@pytest.fixture
async def new_purses() -> AsyncIterator[NewPurses]:
    """Purses as each process has its own, over the same books."""
    threads = Threads("books")
    yield lambda books, **patience: Purses(books, TERMS, threads, **patience)
    threads.close()


class Blinking(MemoryBooks):
    """Books that write down what they are told, and cannot say so for the first `times`."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.told: list[Spendings] = []

    def settle(self, user: UserId, spendings: Spendings) -> Spent:
        self.told.append(spendings)
        seen = super().settle(user, spendings)
        if len(self.told) <= self.times:
            raise Unavailable("the answer was lost")
        return seen


class Changing(MemoryBooks):
    """Books whose user has another `budget` each time that it is set."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.budget = budget

    def terms(self, user: UserId) -> tuple[Budget, float]:
        return self.budget, super().terms(user)[1]

    def settle(self, user: UserId, spendings: Spendings) -> Spent:
        """What was spent is summed up only where that bounds anything."""
        seen = super().settle(user, spendings)
        return seen if self.budget.limits else Spent()


async def spend(account: Account) -> bool:
    """One request, from its hold to its answer."""
    if not await account.hold("m", EXPECTED):
        return False
    await asyncio.sleep(0)
    account.add("m", EXPECTED, USED)
    return True


async def soon(asked: "asyncio.Task[bool]") -> bool:
    """Has it an answer, where nothing is settled meanwhile?"""
    for _ in range(20):
        await asyncio.sleep(0.002)  # the books are on a thread
        if asked.done():
            return True
    return False


def test_budgets_allow_until_they_are_used_up():
    def spent(tokens: int, money: float) -> Spent:
        return Spent(Usage(1, tokens, 0), money)

    assert Budget().allows(spent(10**12, 1e9))
    assert Budget(tokens=100).allows(spent(99, 1e9))
    assert not Budget(tokens=100).allows(spent(100, 0.0))
    assert not Budget(tokens=100, money=2.0).allows(spent(0, 2.0))
    assert Budget(tokens=100, money=2.0).share(spent(5, 0.5), spent(0, 1.0)) == 0.5


@pytest.mark.parametrize("budget", [Budget(tokens=100), Budget(money=10.0)], ids=["tokens", "money"])
async def test_tasks_of_one_user_share_what_is_left(new_purses: NewPurses, budget: Budget):
    purses = new_purses(MemoryBooks(budget))

    async def task(name: str) -> int:
        async with purses.account(USER, Payer(TaskId(name), 1)) as (account, _):
            return sum(await asyncio.gather(*(spend(account) for _ in range(30))))

    sent = await asyncio.gather(*(task(name) for name in "abc"))
    assert sum(sent) == 17  # of 6 each: 96 are less than 100, so one more is sent


async def test_what_is_only_held_refuses_nobody(new_purses: NewPurses):
    async with new_purses(MemoryBooks(Budget(tokens=20))).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert await account.hold("m", EXPECTED)
        assert await account.hold("m", EXPECTED)
        third = asyncio.create_task(account.hold("m", EXPECTED))
        assert not await soon(third)
        account.add("m", EXPECTED, Usage())  # it failed, and cost nothing
        assert await third
        fourth = asyncio.create_task(account.hold("m", EXPECTED))
        assert not await soon(fourth)
        for _ in range(2):
            account.add("m", EXPECTED, EXPECTED)
        assert not await fourth


async def test_another_budget_holds_from_the_next_task_on(new_purses: NewPurses):
    books = Changing(Budget(tokens=20))
    purses = new_purses(books)
    async with purses.account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert [await spend(account) for _ in range(5)] == [True, True, True, True, False]
        books.budget = Budget(tokens=40)
        async with purses.account(USER, Payer(TaskId("s"), 1)) as (another, _):
            assert [await spend(one) for one in (account, another)] == [True, True]
            books.budget = Budget(tokens=1)
            async with purses.account(USER, Payer(TaskId("r"), 1)) as (third, _):
                assert not any([await spend(one) for one in (account, another, third)])


async def test_who_gets_a_budget_has_what_was_spent_before_looked_up(new_purses: NewPurses):
    books = Changing(Budget())
    purses = new_purses(books)
    async with purses.account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert all([await spend(account) for _ in range(40)])
        await account.purse.look()
        books.budget = Budget(tokens=200)  # of which one request is so little that it would not look for itself
        async with purses.account(USER, Payer(TaskId("s"), 1)) as (another, _):
            assert not await spend(another)


@pytest.mark.parametrize("budgets", [(Budget(), Budget(tokens=10**9)), (Budget(tokens=10**9), Budget())])
async def test_who_gets_or_loses_a_budget_meanwhile_holds_as_much_at_once_as_before(
    new_purses: NewPurses, budgets: tuple[Budget, Budget]
):
    books, most = Changing(budgets[0]), TERMS["m"].in_flight
    purses = new_purses(books)
    async with purses.account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert all([await account.hold("m", EXPECTED) for _ in range(most)])
        books.budget = budgets[1]
        async with purses.account(USER, Payer(TaskId("s"), 1)) as (another, _):
            for _ in range(most):
                account.add("m", EXPECTED, USED)
            books.budget = Budget(tokens=10**9)
            async with purses.account(USER, Payer(TaskId("r"), 1)) as (third, _):
                assert all([await another.hold("m", EXPECTED) for _ in range(most)])
                one_more = asyncio.create_task(third.hold("m", EXPECTED))
                assert not await soon(one_more)
                another.add("m", EXPECTED, USED)
                assert await one_more


async def test_with_a_budget_no_more_is_held_than_may_be_under_way(new_purses: NewPurses):
    async with new_purses(MemoryBooks(Budget(tokens=10**9))).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert all([await account.hold("m", EXPECTED) for _ in range(TERMS["m"].in_flight)])
        another = asyncio.create_task(account.hold("m", EXPECTED))
        assert not await soon(another)
        account.add("m", EXPECTED, USED)
        assert await another


async def test_of_many_that_wait_for_room_a_settled_request_wakes_one(new_purses: NewPurses):
    class Counted(Budget):
        __slots__ = ()
        asked = 0

        def share(self, part: Spent, spent: Spent) -> float:
            Counted.asked += 1
            return super().share(part, spent)

    async with new_purses(MemoryBooks(Counted(tokens=10**9))).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert all([await account.hold("m", EXPECTED) for _ in range(TERMS["m"].in_flight)])
        waiting = [asyncio.create_task(account.hold("m", EXPECTED)) for _ in range(300)]
        await asyncio.sleep(0)
        Counted.asked = 0
        account.add("m", EXPECTED, USED)
        while not any(one.done() for one in waiting):
            await asyncio.sleep(0)
        assert waiting[0].done()
        assert Counted.asked < 20
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)


async def test_who_gives_up_waiting_for_room_leaves_it_to_the_next(new_purses: NewPurses):
    async with new_purses(MemoryBooks(Budget(tokens=20))).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert all([await account.hold("m", EXPECTED) for _ in range(2)])
        waiting = [asyncio.create_task(account.hold("m", EXPECTED)) for _ in range(2 * TERMS["m"].in_flight)]
        await asyncio.sleep(0)
        for one in waiting[:-1]:
            one.cancel()
        await asyncio.wait(waiting[:-1])
        account.add("m", EXPECTED, Usage())
        assert await waiting[-1]


async def test_processes_go_past_a_budget_by_no_more_than_others_hold(new_purses: NewPurses):
    """Each holds at most two at once: the last request of all, and two of each of the three others, may be too many."""
    books, tokens, processes = MemoryBooks(Budget(tokens=2_000)), 0, 4

    async def process(number: int) -> None:
        nonlocal tokens
        async with new_purses(books).account(USER, Payer(TaskId(str(number)), 1)) as (account, _):

            async def some() -> None:
                while await spend(account):
                    pass

            await asyncio.gather(some(), some())
            tokens += account.used["m"].tokens

    await asyncio.gather(*(process(number) for number in range(processes)))
    assert 2_000 <= tokens <= 2_000 + USED.tokens * (1 + 2 * (processes - 1))


async def test_no_more_is_unknown_to_the_books_than_may_be_held_at_once(new_purses: NewPurses):
    books, many = MemoryBooks(Budget(tokens=10**9)), TERMS["m"].in_flight
    async with new_purses(books).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        for number in range(1, 5 * many):
            assert await spend(account)
            assert number * USED.tokens - books.settle(USER, {}).usage.tokens <= many * USED.tokens


async def test_what_is_told_again_counts_once(new_purses: NewPurses):
    books = Blinking(times=1)
    purses = new_purses(books)
    async with purses.account(USER, Payer(TaskId("t"), 7)) as (account, _):
        assert await spend(account)
        assert await spend(account)
    both = {Payer(TaskId("t"), 7): {"m": Spent(Usage(2, 12, 0), 1.2)}}
    assert books.told == [both, both]


async def test_books_that_are_away_change_no_outcome_and_are_told_later(new_purses: NewPurses):
    books = Blinking(times=2)
    purses = new_purses(books, patience=0.0)

    async def attempt(fence: int, ends: asyncio.Event) -> None:
        async with purses.account(USER, Payer(TaskId("t"), fence)) as (account, _):
            assert await spend(account)
            spent.set()
            await ends.wait()

    over, never, spent = asyncio.Event(), asyncio.Event(), asyncio.Event()
    over.set()
    await attempt(1, over)
    cancelled = asyncio.create_task(attempt(2, never))
    spent.clear()
    await spent.wait()
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert cancelled.cancelled()
    await purses.close()
    assert {payer.fence for payer in books.told[-1]} == {1, 2}
    assert len(books.told) == 3
    await purses.close()
    assert len(books.told) == 3


@pytest.mark.parametrize("first", ["goes on", "is over", "was elsewhere", "is not written down"])
async def test_what_is_spent_when_a_lease_is_given_again_is_counted_too(new_purses: NewPurses, first: str):
    books = Blinking(times=1 if first == "is not written down" else 0)
    purses, payer = new_purses(books, patience=0.0), Payer(TaskId("t"), 1)

    async def again(purses: Purses) -> None:
        async with purses.account(USER, payer) as (account, _):
            assert await spend(account)

    async with AsyncExitStack() as run:
        account, _ = await run.enter_async_context(purses.account(USER, payer))
        assert await spend(account)
        assert await spend(account)
        if first != "goes on":
            await run.aclose()
        others = new_purses(books) if first == "was elsewhere" else purses
        await asyncio.gather(again(others), again(others))
        assert books.settle(USER, {}) == books.stands(payer)["m"] == Spent(Usage(4, 24, 0), pytest.approx(2.4))
        if first == "goes on":
            assert await spend(account)
    assert books.settle(USER, {}).usage.requests == (5 if first == "goes on" else 4)


async def test_a_purse_that_stays_open_forgets_attempts_that_spent_nothing(new_purses: NewPurses):
    purses = new_purses(MemoryBooks())
    async with purses.account(USER, Payer(TaskId("long"), 1)) as (account, _):
        for number in range(3):
            async with purses.account(USER, Payer(TaskId(str(number)), 1)):
                pass
        assert account.purse._accounts == [account]


async def test_runs_of_one_attempt_that_begin_together_wait_for_what_stands(new_purses: NewPurses):
    goes_on, payer = Event(), Payer(TaskId("t"), 1)

    class Slow(MemoryBooks):
        def stands(self, payer: Payer) -> Mapping[str, Spent]:
            assert goes_on.wait(10)
            return super().stands(payer)

    books = Slow()
    books.settle(USER, {payer: {"m": Spent(Usage(7, 42, 0), 4.2)}})
    purses = new_purses(books)

    async def run(*, spends: bool) -> None:
        async with purses.account(USER, payer) as (account, _):
            if spends:
                assert await spend(account)
                await account.purse.look()

    both = asyncio.gather(run(spends=False), run(spends=True))
    for _ in range(20):
        await asyncio.sleep(0.001)
    goes_on.set()
    await both
    assert books.settle(USER, {}).usage.requests == 8


async def test_a_fault_with_one_purse_keeps_no_other_from_the_books(
    new_purses: NewPurses, monkeypatch: pytest.MonkeyPatch
):
    class Faulty(MemoryBooks):
        faulty = True

        def settle(self, user: UserId, spendings: Spendings) -> Spent:
            if user == USER and self.faulty:
                raise KeyError(user)
            return super().settle(user, spendings)

    monkeypatch.setattr("paperlane.ai.purses._EVERY", 0.0)
    books, other = Faulty(), UserId(2)
    purses = new_purses(books)

    async def written(account: Account, keeping: "asyncio.Task[None]") -> None:
        while account.purse.has_news:
            assert not keeping.done()
            await asyncio.sleep(0)

    with capture_logs() as logs:
        async with (
            purses.account(USER, Payer(TaskId("a"), 1)) as (account, _),
            purses.account(other, Payer(TaskId("b"), 1)) as (others, _),
        ):
            assert await spend(account)
            assert await spend(others)
            keeping = asyncio.create_task(purses.keep())
            await written(others, keeping)
            assert account.purse.has_news
            books.faulty = False
            await written(account, keeping)
    keeping.cancel()
    await asyncio.wait([keeping])
    assert {(line["log_level"], line["user"]) for line in logs} == {("error", USER)}


async def test_what_is_spent_while_the_books_are_written_is_told_the_next_time(new_purses: NewPurses):
    begun, goes_on, told = Event(), Event(), list[int]()

    class Slow(MemoryBooks):
        def settle(self, user: UserId, spendings: Spendings) -> Spent:
            begun.set()
            assert goes_on.wait(10)
            told.extend(one["m"].usage.requests for one in spendings.values())
            return super().settle(user, spendings)

    async with new_purses(Slow()).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert await spend(account)
        looking = asyncio.create_task(account.purse.look())
        while not begun.is_set():
            await asyncio.sleep(0)
        assert await spend(account)
        asyncio.get_running_loop().call_later(0.01, goes_on.set)
    await looking
    assert told == [1, 2]


async def test_a_purse_looks_anew_at_what_others_spent(new_purses: NewPurses):
    books = MemoryBooks(Budget(tokens=1_000))
    async with new_purses(books).account(USER, Payer(TaskId("t"), 1)) as (account, _):
        assert await spend(account)
        books.settle(USER, {Payer(TaskId("elsewhere"), 1): {"m": Spent(Usage(9, 990, 0))}})
        sent = 0
        while await spend(account):
            sent += 1
        assert sent <= 1_000 / 20 / USED.tokens  # a twentieth of what it believed to be left


async def test_a_look_that_comes_late_takes_no_newer_purse_of_its_user_away(monkeypatch: pytest.MonkeyPatch):
    begun, goes_on = Event(), Event()

    class Slow(MemoryBooks):
        def settle(self, user: UserId, spendings: Spendings) -> Spent:
            begun.set()
            assert goes_on.wait(10)
            return super().settle(user, spendings)

    monkeypatch.setattr("paperlane.ai.purses._EVERY", 0.0)
    threads, other = Threads("books", 2), UserId(2)
    purses = Purses(Slow(), TERMS, threads)
    async with purses.account(USER, Payer(TaskId("a"), 1)) as (account, _):
        assert await spend(account)
        async with purses.account(other, Payer(TaskId("b"), 1)):
            keeping = asyncio.create_task(purses.keep())
            while not begun.is_set():
                await asyncio.sleep(0)
        async with purses.account(other, Payer(TaskId("c"), 1)) as (newer, _):
            goes_on.set()
            while account.purse.has_news:
                await asyncio.sleep(0)
            async with purses.account(other, Payer(TaskId("d"), 1)) as (newest, _):
                assert newest.purse is newer.purse
    keeping.cancel()
    await asyncio.wait([keeping])
    threads.close()
