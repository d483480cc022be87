"""Asking models of a document: what was answered and paid for stands, whatever goes away meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import TypeAdapter
from structlog.testing import capture_logs
from tests.ai.conftest import question
from tests.ai.endpoint import Endpoint
from tests.model_server.script import Rule

from paperlane import assembly
from paperlane.ai import State, Why
from paperlane.ai import client as clients
from paperlane.ai.memory import MemoryAnswers, MemoryBooks, MemoryRates
from paperlane.ai.purses import Payer, Purses
from paperlane.errors import ModelAway, Unavailable
from paperlane.model.tasks import Attempt, Lease, Stage, TaskId, UserId, WorkerId
from paperlane.pipeline.model_review import Opinion
from paperlane.pipeline.questions import Questions
from paperlane.reviewing import Reviewing, open_reviewing
from paperlane.settings import ModelTerms, Settings

DAY = 86_400.0
ASKED = Questions(("judge",), tuple(question(f"The gate {number} opens.", number) for number in range(5)))


class Waiting(MemoryBooks):
    """Books in which a task has waited for each model for so long, and its other attempts have spent."""

    waited = 0.0

    def waits(self, *_of: str, answered: bool) -> float:
        return 0.0 if answered else self.waited

    def before(self, payer: Payer) -> dict:
        spent = [
            models for one, models in self._spendings[UserId(1)].items() if one.task == payer.task and one != payer
        ]
        return spent[0] if spent else {}


@pytest.fixture
def books() -> Waiting:
    return Waiting()


@pytest.fixture
async def asking(endpoint: Endpoint, books: Waiting) -> AsyncIterator[Reviewing]:
    terms = [
        ModelTerms(model="judge", base_url=endpoint.url, price_in=1),
        ModelTerms(model="jury", base_url=endpoint.url),
    ]
    async with open_reviewing(terms, MemoryRates(), MemoryAnswers(), books, DAY, "w") as opened:
        yield opened


async def review(
    asking: Reviewing, asked: Questions, task: str = "t", fence: int = 1, tell: Callable[[float, str], None] = print
) -> tuple[Opinion, ...]:
    """An attempt's review."""
    lease = Lease(TaskId(task), fence, Stage.MODEL)
    attempt = Attempt(lease, WorkerId("w"), UserId(1), 1, 4, b"", DAY)
    told = await asking(TypeAdapter(Questions).dump_json(asked), attempt, tell)
    return TypeAdapter(tuple[Opinion, ...]).validate_json(told)


async def test_who_waits_keeps_what_was_answered_before_the_model_went_away(asking: Reviewing, endpoint: Endpoint):
    endpoint.does(Rule(say="error", match="Refused", status=401), Rule())
    before = TypeAdapter(Questions).dump_json(ASKED)
    (whole,) = TypeAdapter(tuple[Opinion, ...]).validate_json(await asking.once(before, lambda _share, _said: None))
    assert {answer.state for answer in whole.answers} == {State.ANSWERED}
    more = Questions(("judge",), (*ASKED.items, question("Refused here.", 5)))
    told = await asking.once(TypeAdapter(Questions).dump_json(more), lambda _share, _said: None)
    (opinion,) = TypeAdapter(tuple[Opinion, ...]).validate_json(told)
    assert [answer.state for answer in opinion.answers] == [*[State.ANSWERED] * 5, State.FAILED]
    assert (opinion.answers[-1].why, opinion.kept) == (Why.REFUSED, 5)


async def test_a_task_waits_for_a_model_for_a_day_and_goes_on_without_it(
    asking: Reviewing, endpoint: Endpoint, books: Waiting
):
    endpoint.does(down=401)
    books.waited = DAY - 20
    with pytest.raises(ModelAway) as away:
        await review(asking, ASKED)
    assert away.value.retry_after == 20
    books.waited = DAY
    with capture_logs() as logs:
        (opinion,) = await review(asking, ASKED)
    (told,) = (line for line in logs if line["event"] == "a document goes on without a model")
    assert "hint" not in told  # which says that documents wait
    assert {(answer.state, answer.why) for answer in opinion.answers} == {(State.FAILED, Why.REFUSED)}
    assert (opinion.usage.requests, opinion.kept) == (0, 0)


async def test_a_task_whose_patience_ends_soon_hurries_no_other(
    asking: Reviewing, endpoint: Endpoint, books: Waiting, monkeypatch: pytest.MonkeyPatch
):
    def waits(task: str, _model: str, *, answered: bool) -> float:
        assert not answered
        return DAY - 1 if task == "old" else 0.0

    monkeypatch.setattr(books, "waits", waits)
    endpoint.does(down=401)
    with pytest.raises(ModelAway):
        await review(asking, ASKED)
    both = await asyncio.gather(*(review(asking, ASKED, task) for task in ("old", "new")), return_exceptions=True)
    old, new = (error.retry_after for error in both if isinstance(error, ModelAway))
    assert old == 1 < new


async def test_only_an_answer_that_is_kept_makes_a_wait_begin_anew(
    asking: Reviewing, endpoint: Endpoint, books: Waiting
):
    books.waited = DAY
    endpoint.does(Rule(say="prose", match="gate 0"), Rule(say="error", status=401))
    (opinion,) = await review(asking, ASKED)
    assert opinion.usage.requests > 0
    assert {answer.state for answer in opinion.answers} == {State.FAILED}
    await asking.close()
    asking.rates = MemoryRates()  # it is mended, and breaks again
    endpoint.does(Rule(match="gate 0"), Rule(say="error", status=401), median=0.1, sigma=0)
    with pytest.raises(ModelAway):
        await review(asking, ASKED)


async def test_while_one_model_is_away_the_others_are_asked(asking: Reviewing, endpoint: Endpoint):
    asked = Questions(("nobody", "judge"), ASKED.items)
    with pytest.raises(ModelAway) as away:
        await review(asking, asked)
    assert away.value.code == "unknown_model"
    assert len(endpoint.calls()) == len(ASKED.items)


async def test_a_model_that_no_worker_knows_is_waited_for_and_then_told(asking: Reviewing, books: Waiting):
    books.waited = DAY
    (opinion,) = await review(asking, Questions(("nobody",), ASKED.items))
    assert opinion.model == "nobody"
    assert {(answer.state, answer.why) for answer in opinion.answers} == {(State.FAILED, Why.UNKNOWN)}


@pytest.mark.parametrize("fence", [2, 1], ids=["another attempt", "a lease that is given again"])
async def test_what_a_task_paid_itself_is_not_kept_from_before(asking: Reviewing, endpoint: Endpoint, fence: int):
    endpoint.does(Rule(say="error", match="gate 4", status=401), Rule())
    with pytest.raises(ModelAway):
        await review(asking, ASKED, fence=1)
    endpoint.does()
    await asking.close()
    asking.rates = MemoryRates()  # it is mended
    (opinion,) = await review(asking, ASKED, fence=fence)
    assert (opinion.kept, opinion.usage.requests) == (0, 5)
    assert len(endpoint.calls()) == 1
    (other,) = await review(asking, ASKED, task="another")
    assert (other.kept, other.usage.requests, other.money) == (5, 0, 0.0)


async def test_each_passage_counts_as_progress_also_those_that_stand_twice(asking: Reviewing):
    told: list[float] = []
    asked = Questions(("judge", "jury"), (*ASKED.items, *ASKED.items))
    await review(asking, asked, tell=lambda share, _said: told.append(share))
    assert told == [number / 20 for number in range(1, 21)]


async def test_the_client_is_loaded_beside_the_loop(asking: Reviewing, monkeypatch: pytest.MonkeyPatch):
    made: list[threading.Thread] = []

    class Chat(clients.OpenAIChat):
        def __init__(self, *terms: object) -> None:
            made.append(threading.current_thread())
            super().__init__(*terms)

    monkeypatch.setattr(clients, "OpenAIChat", Chat)
    await asyncio.gather(*(review(asking, ASKED, task) for task in "ab"))
    (thread,) = made
    assert thread is not threading.current_thread()


async def test_an_answer_that_is_paid_for_waits_for_a_store_that_blinks(asking: Reviewing, endpoint: Endpoint):
    class Blinking(MemoryAnswers):
        away = 1

        def put(self, new: object) -> None:
            self.away -= 1
            if self.away >= 0:
                raise Unavailable("away")
            super().put(new)

    asking.answers = Blinking()
    (opinion,) = await review(asking, Questions(("judge",), ASKED.items[:1]))
    assert [answer.state for answer in opinion.answers] == [State.ANSWERED]
    await review(asking, Questions(("judge",), ASKED.items[:1]))
    assert len(endpoint.calls()) == 1


async def test_what_breaks_beside_it_leaves_no_connection_open(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch):
    async def broken(_purses: Purses) -> None:
        raise KeyError

    monkeypatch.setattr(Purses, "keep", broken)
    terms = [ModelTerms(model="judge", base_url=endpoint.url)]
    used: list[Reviewing] = []

    async def reviewed() -> None:
        async with open_reviewing(terms, MemoryRates(), MemoryAnswers(), MemoryBooks(), DAY, "w") as opened:
            used.append(opened)
            await review(opened, ASKED)
            assert opened._askers

    with pytest.raises(KeyError):
        await reviewed()
    (opened,) = used
    assert not opened._askers


async def test_the_service_waits_for_as_long_as_its_settings_say():
    async with assembly._reviewing(Settings(model="judge", model_patience_hours=2), object()) as reviewing:
        assert reviewing.patience == 7_200
    assert Settings().model_patience_hours == 24


async def test_how_often_models_refused_to_be_asked_so_often_is_counted(asking: Reviewing, endpoint: Endpoint):
    assert asking.refusals == 0
    endpoint.does(Rule("push", times=2, retry_after="0.05"), Rule())
    await review(asking, Questions(("judge", "jury"), ASKED.items[:1]))
    assert asking.refusals == 2
