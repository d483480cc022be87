"""Asking models of a document: what was answered and paid for stands, whatever goes away meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import TypeAdapter
from tests.ai.conftest import question
from tests.ai.endpoint import Endpoint
from tests.model_server.script import Rule

from paperlane import reviewing
from paperlane.ai import State, Usage
from paperlane.ai.budget import Budget, Purse
from paperlane.ai.memory import MemoryAnswers, MemoryRates
from paperlane.errors import Unavailable
from paperlane.model.tasks import TaskId, UserId
from paperlane.pipeline.model_review import Opinion
from paperlane.pipeline.questions import Questions
from paperlane.reviewing import MemoryBooks, Reviewing, open_reviewing
from paperlane.settings import ModelTerms

TASK = TaskId("t")


class Away(MemoryBooks):
    """Books that cannot be reached."""

    def spent(self, *_told: object) -> None:
        raise Unavailable("away")


@pytest.fixture
async def asking(endpoint: Endpoint) -> AsyncIterator[Reviewing]:
    terms = [ModelTerms(model="judge", base_url=endpoint.url, price_in=1)]
    async with open_reviewing(terms, MemoryRates(), MemoryAnswers(), MemoryBooks(), "w") as opened:
        yield opened


async def test_who_waits_keeps_what_was_answered_before_the_model_went_away(asking: Reviewing, endpoint: Endpoint):
    endpoint.does(Rule(say="error", match="Refused", status=401), Rule())
    asked = Questions(("judge",), tuple(question(f"The gate {number} opens.", number) for number in range(5)))
    before = TypeAdapter(Questions).dump_json(asked)
    (whole,) = TypeAdapter(tuple[Opinion, ...]).validate_json(await asking.once(before, lambda _share, _said: None))
    assert {answer.state for answer in whole.answers} == {State.ANSWERED}
    more = Questions(("judge",), (*asked.items, question("Refused here.", 5)))
    told = await asking.once(TypeAdapter(Questions).dump_json(more), lambda _share, _said: None)
    (opinion,) = TypeAdapter(tuple[Opinion, ...]).validate_json(told)
    assert [answer.state for answer in opinion.answers] == [*[State.ANSWERED] * 5, State.FAILED]


@pytest.fixture
def purse(asking: Reviewing, monkeypatch: pytest.MonkeyPatch) -> Purse:
    """Something was spent, and the books are away."""
    monkeypatch.setattr(reviewing, "_PATIENCE", 0.0)
    asking.books = Away()
    return Purse(Budget(), asking._price, used={"judge": Usage(1, 2, 3)})


async def test_books_that_are_away_change_no_outcome(asking: Reviewing, purse: Purse):
    async with asking._written_down(TASK, UserId(1), purse):
        pass

    async def cancelled() -> None:
        async with asking._written_down(TASK, UserId(1), purse):
            await asyncio.Event().wait()

    task = asyncio.create_task(cancelled())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
