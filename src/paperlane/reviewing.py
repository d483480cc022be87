"""Asking models of documents, in the worker itself: what was answered is kept, and what it took is counted."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

import structlog
from pydantic import TypeAdapter

from paperlane.ai import Answer, Answers, Lane, Rates, State, Usage, Why
from paperlane.ai.asking import Asker
from paperlane.ai.budget import Budget, Purse, Spent
from paperlane.ai.opening import open_asker
from paperlane.errors import DocumentError, ModelAway, Unavailable
from paperlane.model.tasks import Attempt, TaskId, UserId
from paperlane.patience import patiently
from paperlane.pipeline.model_review import MODEL_REVIEW, Opinion
from paperlane.pipeline.questions import Questions
from paperlane.settings import ModelTerms
from paperlane.threads import Threads
from paperlane.work.own_time import waiting

log = structlog.get_logger(__name__)

_QUESTIONS = TypeAdapter(Questions)
_OPINIONS = TypeAdapter(tuple[Opinion, ...])
_EVERY = 5.0  # seconds after which what was spent meanwhile is written down
_PATIENCE = 10.0  # seconds for which that is tried at the end where the ledger is away
_NAMED = 5  # models, in a hint


class Books(Protocol):
    """Where it is written down what models cost; synchronous, called on threads, may raise Unavailable."""

    def standing(self, user: UserId) -> tuple[Budget, Spent, float]:
        """A user's budget, what of it is spent this month, and their lane's weight."""
        ...

    def spent(self, task: TaskId, user: UserId, spending: Mapping[str, Spent]) -> None:
        """This was spent now, by model."""
        ...

    def of_task(self, task: TaskId) -> Mapping[str, Spent]:
        """What was spent on a task so far, by model."""
        ...


@dataclass(slots=True)
class MemoryBooks:
    """`Books` of one process, with no budget: where files are tested without a ledger."""

    _by_task: defaultdict[TaskId, dict[str, Spent]] = field(default_factory=lambda: defaultdict(dict))

    def standing(self, user: UserId) -> tuple[Budget, Spent, float]:  # noqa: ARG002  there is one alone
        return Budget(), Spent(), 1.0

    def spent(self, task: TaskId, user: UserId, spending: Mapping[str, Spent]) -> None:  # noqa: ARG002  as above
        kept = self._by_task[task]
        for model, one in spending.items():
            kept[model] = kept.get(model, Spent()) + one

    def of_task(self, task: TaskId) -> Mapping[str, Spent]:
        return self._by_task[task]


@dataclass(slots=True)
class Reviewing:
    """Runs the step MODEL_REVIEW: `RunHere` for document chains. Belongs to one event loop.

    `worker` is a name that no other one has. `threads` run what keeps answers and books, `looking` what keeps rates.
    Askers are opened when they are first needed.
    """

    terms: Sequence[ModelTerms]
    rates: Rates
    answers: Answers
    books: Books
    threads: Threads
    looking: Threads
    worker: str
    _askers: dict[str, Asker] = field(default_factory=dict)

    async def __call__(self, value: bytes, attempt: Attempt, progress: Callable[[float, str], None]) -> bytes:
        """The models' opinions. ModelAway while one cannot be asked; DocumentError for one that is not there any more.

        What all of it takes is spent waiting for others, so it is none of the attempt's own time.
        """
        asked = await self.threads(_QUESTIONS.validate_json, value)
        with waiting():
            opinions = await self.of_task(attempt.lease.task, attempt.user, asked, progress)
        return await self.threads(_OPINIONS.dump_json, opinions)

    async def once(self, value: bytes, progress: Callable[[float, str], None]) -> bytes:
        """The same for somebody who waits: what a model that cannot be asked now did not answer, it did not test."""
        asked = await self.threads(_QUESTIONS.validate_json, value)
        task = TaskId(uuid4().hex)  # its own: the same file may be tested beside it, and costs what it costs
        try:
            opinions = await self.of_task(task, UserId(0), asked, progress)
        except ModelAway as error:
            log.warning("the model cannot be asked", why=error.message, hint=error.hint)
            opinions = tuple([await self._so_far(task, name, asked) for name in asked.models])
        return await self.threads(_OPINIONS.dump_json, opinions)

    async def _so_far(self, task: TaskId, name: str, asked: Questions) -> Opinion:
        asker = self._asker(name)
        known = await asker.known(asked.items)
        answers = [
            known.get(asker.key(question)) or asker.unasked(question, State.FAILED, Why.UNREACHABLE)
            for question in asked.items
        ]
        return self._opinion(asker.terms, answers, 0, await self.threads(self.books.of_task, task))

    async def of_task(
        self, task: TaskId, user: UserId, asked: Questions, progress: Callable[[float, str], None]
    ) -> tuple[Opinion, ...]:
        """What each model says, one model after the other."""
        askers = [self._asker(name) for name in asked.models]
        budget, spent, weight = await self.threads(self.books.standing, user)
        purse = Purse(budget, self._price, spent.usage.tokens, spent.money)
        total, done, found = len(askers) * len(asked.items), 0, dict[str, tuple[Sequence[Answer], int]]()

        def tell(_answer: Answer) -> None:
            nonlocal done
            done += 1
            progress(done / total, f"passage {done} of {total}")

        async with self._written_down(task, user, purse):
            for asker in askers:
                known = await asker.known(asked.items)
                answers = await asker.ask_all(asked.items, Lane(user, weight), purse, tell)
                found[asker.terms.called] = answers, sum(answer.key in known for answer in answers)
        spendings = await self.threads(self.books.of_task, task)
        return tuple(self._opinion(asker.terms, *found[asker.terms.called], spendings) for asker in askers)

    def _opinion(
        self, terms: ModelTerms, answers: Sequence[Answer], known: int, spendings: Mapping[str, Spent]
    ) -> Opinion:
        spending = spendings.get(terms.called, Spent())
        return Opinion(terms.called, tuple(answers), spending.usage, spending.money, terms.currency, known)

    def _asker(self, name: str) -> Asker:
        if name not in self._askers:
            terms = next((terms for terms in self.terms if terms.called == name), None)
            if terms is None:
                there = ", ".join(terms.called for terms in self.terms[:_NAMED]) or "none"
                raise DocumentError(
                    f"There is no model {name!r} in the settings.",
                    code="unknown_model",
                    hint=f"There are: {there}. Upload the document again with one of these.",
                )
            self._askers[name] = open_asker(terms, self.rates, self.answers, self.threads, self.looking, self.worker)
        return self._askers[name]

    def _price(self, model: str, usage: Usage) -> float:
        terms = next(terms for terms in self.terms if terms.called == model)
        return terms.cost(usage.tokens_in, usage.tokens_out)

    @asynccontextmanager
    async def _written_down(self, task: TaskId, user: UserId, purse: Purse) -> AsyncGenerator[None]:
        """What is spent inside is written down every few seconds, and at the end, however that comes."""
        told: dict[str, Usage] = {}
        over = asyncio.Event()

        async def write() -> None:
            used = dict(purse.used)
            news = {model: usage - told.get(model, Usage()) for model, usage in used.items()}
            spending = {model: Spent(one, self._price(model, one)) for model, one in news.items() if one != Usage()}
            if spending:
                await self.threads(self.books.spent, task, user, spending)
                told.update(used)

        async def keep_writing() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _EVERY)
                try:
                    await (patiently(write, "what a model cost", lambda _: _PATIENCE) if over.is_set() else write())
                except Unavailable as error:  # it is for the next time; what the models said must not be lost for it
                    log.warning("what models cost is not written down", task=task, why=error.message)

        writing = asyncio.create_task(keep_writing())
        try:
            yield
        finally:
            over.set()
            await asyncio.shield(writing)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(asker.close() for asker in self._askers.values()))
        self._askers.clear()


@asynccontextmanager
async def open_reviewing(
    terms: Sequence[ModelTerms], rates: Rates, answers: Answers, books: Books, worker: str
) -> AsyncGenerator[Reviewing]:
    """What asks models in this process, on the running event loop."""
    threads, looking = Threads("models", 4), Threads("rates")
    reviewing = Reviewing(terms, rates, answers, books, threads, looking, worker)
    try:
        yield reviewing
    finally:
        await reviewing.close()
        threads.close()
        looking.close()


STEP = MODEL_REVIEW.name
"""The step that it runs."""
