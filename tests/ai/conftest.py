"""A model's endpoint for the tests of this folder, and a worker that asks it."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import certifi
import pytest
from tests.ai.endpoint import Endpoint

from paperlane.ai import Answer, Answers, Lane, Question, Rates
from paperlane.ai.asking import Asker, Troubled, unheard
from paperlane.ai.budget import Budget
from paperlane.ai.client import OpenAIChat
from paperlane.ai.memory import MemoryAnswers, MemoryBooks, MemoryRates
from paperlane.ai.permits import Permits
from paperlane.ai.purses import Account, Books, Payer, Purse
from paperlane.ai.rate import Limits
from paperlane.model.documents import Language
from paperlane.model.tasks import TaskId, UserId
from paperlane.settings import ModelTerms
from paperlane.threads import Threads

LANE = Lane(1)


def question(text: str, number: int = 0, language: Language = Language.EN) -> Question:
    return Question(number, text, language)


@pytest.fixture(scope="module", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each client reads all authorities that are trusted, which takes 50 ms; here nothing speaks TLS."""
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----\n")
    file = tmp_path_factory.mktemp("authorities") / "one.pem"
    file.write_text(first + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="session")
def one_endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint.start()
    yield endpoint
    endpoint.close()


@pytest.fixture
def endpoint(one_endpoint: Endpoint) -> Endpoint:
    """A server that finds no issues, until it is told otherwise."""
    one_endpoint.does()
    return one_endpoint


@dataclass
class Worker:
    """One worker's way to the model."""

    asker: Asker
    answers: Answers
    rates: Rates
    account: Account
    open_account: Callable[..., Account]

    async def ask(self, *texts: str, lane: Lane = LANE) -> list[Answer]:
        asked = [question(text, number) for number, text in enumerate(texts)]
        return list(await self.asker.ask_all(asked, lane, self.account))


@pytest.fixture
async def new_worker(endpoint: Endpoint) -> AsyncIterator[Callable[..., Worker]]:
    """Makes workers; what makes them wait after a failure is shortened, and nothing else."""
    made: list[Asker] = []
    threads = Threads("stores")

    def make(
        answers: Answers | None = None,
        rates: Rates | None = None,
        key: str = "secret",
        name: str = "one",
        store_wait: float = 0.0,
        troubled: Troubled = unheard,
        **terms: object,
    ) -> Worker:
        of = ModelTerms.model_validate({"model": "some-model", "base_url": endpoint.url, "seconds": 20} | terms)
        answers = MemoryAnswers() if answers is None else answers
        rates = MemoryRates() if rates is None else rates
        limits = Limits(of.requests_a_minute, of.tokens_a_minute)
        permits = Permits(of.called, limits, rates, threads, name, of.in_flight)
        waits = {"chance": lambda: 0.0, "first_wait": 0.01, "store_wait": store_wait}
        made.append(Asker(of, OpenAIChat(of, key), permits, answers, threads, **waits, troubled=troubled))

        def open_account(budget: Budget = Budget(), books: Books | None = None, task: str = "t") -> Account:  # noqa: B008  frozen
            purse = Purse(UserId(1), budget, {of.called: of}, (books or MemoryBooks()).settle, threads)
            return purse.account(Payer(TaskId(task), 1))

        return Worker(made[-1], answers, rates, open_account(), open_account)

    yield make
    for asker in made:
        await asker.close()
    threads.close()
