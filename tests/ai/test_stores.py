"""Where answers, usage and rates are kept: one contract, over every database, a Redis, and one process's memory."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.conftest import started
from tests.databases import KINDS, SERVERS, Databases, kept, opened
from tests.ledger.conftest import VirtualClock
from tools import servers

from paperlane.ai import Answer, Answers, Rates, Said, State, Usage
from paperlane.ai.budget import Budget, Spent
from paperlane.ai.memory import MemoryAnswers, MemoryRates
from paperlane.ai.purses import Payer
from paperlane.ai.rate import Ask, Limits, Standing, Want, allot
from paperlane.ai.redis_rates import RedisRates
from paperlane.blobs.folder import Folder
from paperlane.errors import ModelAway
from paperlane.ledger import Kept
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import Severity
from paperlane.model.tasks import TaskId, UserId
from paperlane.records import accounts, answers, usage
from paperlane.records.accounts import Quotas, Role
from paperlane.records.answers import LedgerAnswers
from paperlane.records.books import LedgerBooks
from paperlane.records.portable import now
from paperlane.records.rates import LedgerRates
from paperlane.retention import Places, Removed, clean
from paperlane.threads import Threads

MEMORY, REDIS = "memory", "redis"
SAID = Said("be “fast”", "ambiguous", Severity.WARNING, 0.8, "怎么算快？ \u2028", "Say how fast.")


def answer(key: str, *said: Said) -> Answer:
    return Answer(key * 64, "some-model", "en-1", State.ANSWERED, said, Usage(1, 20, 3), None, 2)


@pytest.fixture
def ledgers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], SqlLedger]]:
    """Ledgers of one kind, which share a database."""
    databases: Databases = request.getfixturevalue("databases")
    urls: dict[str, str] = {}
    with ExitStack() as opening:

        def make(kind: str) -> SqlLedger:
            if kind not in urls:
                urls[kind] = next(databases.urls(kind, tmp_path))
            if kind in SERVERS:
                return SqlLedger(kept(urls[kind]))
            ledger = SqlLedger(opened(urls[kind]))
            opening.callback(ledger.close)
            return ledger

        yield make


@pytest.fixture(scope="module")
def some_redis() -> Iterator[Callable[[], str]]:
    with ExitStack() as opening:
        urls: list[str] = []

        def url() -> str:
            if not urls:
                urls.append(opening.enter_context(started(partial(servers.redis, fsync=False))).url)
            return urls[0]

        yield url


@pytest.fixture(params=[MEMORY, REDIS, *KINDS])
def stores(
    request: pytest.FixtureRequest, ledgers: Callable[[str], SqlLedger], some_redis: Callable[[], str]
) -> Iterator[tuple[Rates, Rates]]:
    """The rates as two workers see them."""
    match request.param:
        case "memory":
            one = MemoryRates()
            yield one, one
        case "redis":
            both = RedisRates(some_redis()), RedisRates(some_redis())
            yield both
            for one in both:
                one.close()
        case kind:
            yield LedgerRates(ledgers(kind)), LedgerRates(ledgers(kind))


@pytest.fixture(params=[MEMORY, *KINDS])
def kept_answers(request: pytest.FixtureRequest, ledgers: Callable[[str], SqlLedger]) -> Answers:
    if request.param == MEMORY:
        return MemoryAnswers()
    return LedgerAnswers(ledgers(request.param), VirtualClock())


def test_each_change_sees_the_one_before(stores: tuple[Rates, Rates]):
    one, other = stores
    assert one.change("m", lambda text, _: (text + "a", text)) == ""
    assert other.change("m", lambda text, _: (text + "é", text)) == "a"
    assert one.change("m", lambda text, _: ("", text)) == "aé"
    assert other.change("m", lambda text, _: ("b", text)) == ""
    assert one.change("n", lambda text, _: ("", text)) == ""


def test_workers_that_change_it_at_once_lose_nothing(stores: tuple[Rates, Rates]):
    def add(number: int) -> None:
        stores[number % 2].change("counted", lambda text, _: (str(int(text or "0") + 1), None))

    with ThreadPoolExecutor(6) as together:
        list(together.map(add, range(60)))
    assert stores[0].change("counted", lambda text, _: (text, text)) == "60"


def test_the_time_is_one_clocks_and_goes_on(stores: tuple[Rates, Rates]):
    times = [store.change("m", lambda text, now: (text, now)) for store in (*stores, *stores)]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000


def test_a_change_that_fails_leaves_what_was_there(stores: tuple[Rates, Rates]):
    def fails(_text: str, _now: float) -> tuple[str, None]:
        raise ZeroDivisionError

    stores[0].change("f", lambda _text, _now: ("before", None))
    with pytest.raises(ZeroDivisionError):
        stores[0].change("f", fails)
    assert stores[1].change("f", lambda text, _: (text, text)) == "before"


def test_a_rate_is_one_for_all(stores: tuple[Rates, Rates]):
    def look(worker: int) -> int:
        ask = Ask(f"worker {worker}", [Want(worker, 100, 10)])

        def work(text: str, now: float) -> tuple[str, int]:
            standing, verdict = allot(Standing.read(text), ask, Limits(30), now)
            return standing.written(), sum(grant.count for grant in verdict.grants)

        return stores[worker % 2].change("shared", work)

    with ThreadPoolExecutor(4) as together:
        assert sum(together.map(look, range(20))) <= 4


def test_a_redis_that_is_away_is_told(tmp_path: Path):
    with pytest.raises(ModelAway, match=r"The Redis of the models' rates does not answer"):
        RedisRates(f"unix://{tmp_path}/none").change("m", lambda text, _: (text, None))


def test_an_answer_comes_back_as_it_was(kept_answers: Answers):
    one, other = answer("a", SAID, SAID), answer("b")
    kept_answers.put([one, other])
    assert kept_answers.get([one.key, "c" * 64, other.key]) == {one.key: one, other.key: other}
    assert kept_answers.get([]) == {}


def test_the_first_answer_stays(kept_answers: Answers):
    kept_answers.put([answer("a", SAID)])
    kept_answers.put([answer("b"), answer("a")])
    assert len(kept_answers.get(["a" * 64])["a" * 64].findings) == 1
    assert kept_answers.get(["b" * 64])


def test_many_answers_are_found_at_once(kept_answers: Answers):
    keys = [f"{number:064}" for number in range(1_203)]
    kept_answers.put([answer("x")])
    kept_answers.put([Answer(key, "m", "en-1", State.ANSWERED) for key in keys])
    assert kept_answers.get(keys).keys() == {*keys}


@pytest.mark.parametrize("kind", KINDS)
def test_old_answers_are_forgotten_page_by_page(kind: str, ledgers: Callable[[str], SqlLedger]):
    ledger, clock = ledgers(kind), VirtualClock(100.0)
    store = LedgerAnswers(ledger, clock)
    store.put([answer(key) for key in "abc"])
    clock.pass_time(50)
    store.put([answer("d")])
    assert ledger.write(lambda connection: answers.forget(connection, 120.0, most=2)) == 2
    assert ledger.write(lambda connection: answers.forget(connection, 120.0, most=2)) == 1
    assert ledger.write(lambda connection: answers.forget(connection, 120.0, most=2)) == 0
    assert store.get([key * 64 for key in "abcd"]).keys() == {"d" * 64}


def settle(ledger: SqlLedger, user: int, at: float, payer: Payer, **spent: Spent) -> None:
    ledger.write(lambda connection: usage.settle(connection, UserId(user), at, {payer: spent}))


def since(ledger: SqlLedger, user: int, begin: float) -> Mapping[str, Spent]:
    return ledger.read(lambda connection: usage.since(connection, UserId(user), begin))


@pytest.mark.parametrize("kind", KINDS)
def test_usage_adds_up_by_user_day_and_model(kind: str, ledgers: Callable[[str], SqlLedger]):
    ledger, day = ledgers(kind), 86_400.0
    settle(ledger, 1, 10 * day, Payer(TaskId("a"), 1), m=Spent(Usage(1, 100, 10), 0.5))
    other = Payer(TaskId("b"), 1)
    settle(ledger, 1, 10 * day + 5, other, m=Spent(Usage(2, 200, 20), 0.25), n=Spent(Usage(1, 1, 1), 0.0))
    settle(ledger, 1, 12 * day, Payer(TaskId("c"), 1), m=Spent(Usage(1, 7, 7), 1.0))
    settle(ledger, 2, 12 * day, Payer(TaskId("d"), 1), m=Spent(Usage(9, 9, 9), 9.0))
    assert since(ledger, 1, 10 * day) == {"m": Spent(Usage(4, 307, 37), 1.75), "n": Spent(Usage(1, 1, 1), 0.0)}
    assert since(ledger, 1, 11 * day) == {"m": Spent(Usage(1, 7, 7), 1.0)}
    assert since(ledger, 3, 0.0) == {}
    assert ledger.read(lambda connection: usage.by_user(connection, 11 * day)).keys() == {1, 2}


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_attempt_tells_twice_counts_once_and_what_it_tells_later_is_added(
    kind: str, ledgers: Callable[[str], SqlLedger]
):
    ledger, day = ledgers(kind), 86_400.0
    first, second = Payer(TaskId("t"), 1), Payer(TaskId("t"), 2)
    for _ in range(2):
        settle(ledger, 1, 0.0, first, m=Spent(Usage(1, 10, 1), 0.5))
    settle(ledger, 1, day, first, m=Spent(Usage(3, 30, 3), 1.5))
    settle(ledger, 1, day, second, m=Spent(Usage(1, 10, 1), 0.5), n=Spent(Usage(1, 1, 1), 0.0))
    settle(ledger, 1, day, first, m=Spent(Usage(3, 30, 3), 1.5))  # a late one
    assert since(ledger, 1, 0.0) == {"m": Spent(Usage(4, 40, 4), 2.0), "n": Spent(Usage(1, 1, 1), 0.0)}
    assert since(ledger, 1, day)["m"] == Spent(Usage(3, 30, 3), 1.5)
    before = ledger.read(lambda connection: usage.before(connection, second))
    assert before == {"m": Spent(Usage(3, 30, 3), 1.5)}
    ledger.write(lambda connection: usage.forget(connection, [TaskId("t")]))
    assert ledger.read(lambda connection: usage.before(connection, second)) == {}
    assert since(ledger, 1, 0.0)["m"] == Spent(Usage(4, 40, 4), 2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_less_than_is_known_of_an_attempt_takes_nothing_away(kind: str, ledgers: Callable[[str], SqlLedger]):
    ledger, payer = ledgers(kind), Payer(TaskId("t"), 1)
    settle(ledger, 1, 0.0, payer, m=Spent(Usage(3, 30, 3), 1.5))
    settle(ledger, 1, 0.0, Payer(TaskId("t"), 2), m=Spent(Usage(1, 1, 1), 0.5))
    settle(ledger, 1, 0.0, payer, m=Spent(Usage(1, 40, 1), 0.5))
    assert since(ledger, 1, 0.0)["m"] == Spent(Usage(4, 41, 4), 2.0)
    assert ledger.read(lambda connection: usage.stands(connection, payer)) == {"m": Spent(Usage(3, 40, 3), 1.5)}


@pytest.mark.parametrize("kind", KINDS)
def test_usage_that_comes_at_once_is_all_counted(kind: str, ledgers: Callable[[str], SqlLedger]):
    ledger = ledgers(kind)

    def add(number: int) -> None:
        spent = {model: Spent(Usage(1, 2, 3), 0.5) for model in ("m", "n")}
        settle(ledger, 1, 0.0, Payer(TaskId(f"t{number % 10}"), number), **spent)

    with ThreadPoolExecutor(4) as together:
        list(together.map(add, range(20)))
        list(together.map(add, range(20)))
    assert since(ledger, 1, 0.0) == dict.fromkeys(("m", "n"), Spent(Usage(20, 40, 60), 10.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_for_a_model_begins_once_and_anew_where_it_was_answered(kind: str, ledgers: Callable[[str], SqlLedger]):
    ledger = ledgers(kind)
    assert wait(ledger, 1) == 0.0
    assert (wait(ledger, 2), wait(ledger, 2, "n")) == (1.0, 0.0)
    assert wait(ledger, 7) == 6.0
    assert (wait(ledger, 8, answered=True), wait(ledger, 8, "n")) == (0.0, 6.0)
    assert wait(ledger, 9) == 1.0


def test_a_wait_ends_however_seldom_its_task_has_a_turn(ledgers: Callable[[str], SqlLedger]):
    ledger = ledgers(KINDS[0])
    assert [wait(ledger, day * 24) for day in range(5)] == [0.0, 6.0, 12.0, 18.0, 24.0]


def wait(ledger: SqlLedger, hour: float, model: str = "m", *, answered: bool = False) -> float:
    """For how many hours a task has found the model away in this one."""
    at = hour * 3_600.0
    seconds = ledger.write(lambda connection: usage.wait(connection, TaskId("t"), model, at, answered=answered))
    return seconds / 3_600.0


@pytest.mark.parametrize("kind", KINDS)
def test_in_books_the_databases_clock_counts(
    kind: str, ledgers: Callable[[str], SqlLedger], monkeypatch: pytest.MonkeyPatch
):
    ledger, day = ledgers(kind), 86_400.0
    ago = ledger.read(now) - day
    ledger.write(lambda connection: usage.wait(connection, TaskId("t"), "m", ago + day * 7 / 8, answered=False))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    books = LedgerBooks(ledger, Budget(tokens=100))
    assert day / 8 <= books.waits(TaskId("t"), "m", answered=False) < day / 4
    assert books.settle(UserId(1), {Payer(TaskId("t"), 1): {"m": Spent(Usage(1, 5, 0), 0.0)}}).usage.tokens == 5
    assert since(ledger, 1, ago) == {"m": Spent(Usage(1, 5, 0), 0.0)}


def test_books_tell_what_is_left_of_a_month_and_whose_lane_it_is(ledgers: Callable[[str], SqlLedger]):
    ledger, payer = ledgers(KINDS[0]), Payer(TaskId("t"), 1)
    books = LedgerBooks(ledger, Budget(tokens=100))
    assert books.terms(UserId(1)) == (Budget(tokens=100), 1.0)
    settle(ledger, 1, usage.month_of(ledger.read(now)) - 1.0, payer, m=Spent(Usage(1, 5, 0), 0.0))
    assert books.settle(UserId(1), {}).usage.tokens == 0
    assert books.settle(UserId(1), {payer: {"m": Spent(Usage(2, 9, 0), 0.0)}}).usage.tokens == 4


@pytest.mark.parametrize("own", [None, 0, 7])
def test_books_know_who_has_tokens_of_their_own(ledgers: Callable[[str], SqlLedger], own: int | None):
    ledger, payer = ledgers(KINDS[0]), Payer(TaskId("t"), 1)
    quotas = Quotas(model_tokens=own)
    user = ledger.write(lambda connection: accounts.add(connection, "ann", Role.USER, "", 1.0, quotas)).id
    books = LedgerBooks(ledger, Budget(tokens=100, money=2.0))
    assert books.terms(user)[0] == Budget(tokens=100 if own is None else own, money=2.0)
    usual = LedgerBooks(ledger, Budget())
    assert usual.terms(user)[0] == Budget(tokens=own or 0)
    told = usual.settle(user, {payer: {"m": Spent(Usage(1, 5, 0), 0.0)}})  # asked for only where it bounds anything
    assert told.usage.tokens == (5 if own else 0)


def test_a_budget_is_of_a_calendar_month():
    assert usage.month_of(1_772_409_599.0) == 1_772_323_200.0  # 2026-03-01 23:59:59
    assert usage.month_of(1_772_323_200.0) == 1_772_323_200.0
    assert usage.month_of(1_772_323_199.0) == 1_769_904_000.0


async def test_retention_forgets_answers_that_are_too_old(ledgers: Callable[[str], SqlLedger], tmp_path: Path):
    ledger = ledgers(KINDS[0])
    for key, age in (("a", 200.0), ("b", 50.0)):
        LedgerAnswers(ledger, VirtualClock(time.time() - age)).put([answer(key)])
    threads, folder = Threads("keeping"), Folder(tmp_path / "blobs")
    house = partial(clean, ledger, Places(folder, folder), Kept(), threads, asyncio.Event(), lambda: False)
    removed = await house(answers_kept=100.0)
    threads.close()
    assert isinstance(removed, Removed)
    assert removed.answers == 1
    assert ledger.read(lambda connection: answers.get(connection, ["a" * 64, "b" * 64])).keys() == {"b" * 64}
