"""Asking models of documents, in the worker itself: what was answered is kept, and what it took is counted."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from uuid import uuid4

import structlog
from pydantic import TypeAdapter

from paperlane.ai import Answer, Answers, Lane, Question, Rates, State, Usage, Why
from paperlane.ai.asking import Asker, Troubled, unasked, unheard
from paperlane.ai.budget import Spent
from paperlane.ai.opening import open_asker
from paperlane.ai.purses import Account, Books, Payer, Purses
from paperlane.errors import ModelAway
from paperlane.model.tasks import Attempt, TaskId, UserId
from paperlane.pipeline.model_review import MODEL_REVIEW, Opinion
from paperlane.pipeline.questions import Questions
from paperlane.settings import ModelTerms, currency_of
from paperlane.threads import Threads
from paperlane.work.own_time import waiting

log = structlog.get_logger(__name__)

_QUESTIONS = TypeAdapter(Questions)
_OPINIONS = TypeAdapter(tuple[Opinion, ...])
_NAMED = 5  # models, in a log line
_WHY: Mapping[str, Why] = {"model_refused": Why.REFUSED, "unknown_model": Why.UNKNOWN}


@dataclass(frozen=True, slots=True)
class _Heard:
    """What one model answered, or why it is to be asked later."""

    terms: ModelTerms
    answers: Sequence[Answer] = ()
    away: ModelAway | None = None


class _Progress:
    """Counts passages, each as often as there are models."""

    def __init__(self, models: int, passages: int, tell: Callable[[float, str], None]) -> None:
        self._all = models * passages
        self._passages = passages
        self._tell = tell
        self._done = 0

    def one(self, _answer: Answer) -> None:
        """One more is done."""
        self._done += 1
        self._tell(self._done / self._all, f"passage {self._done} of {self._all}")

    def up_to(self, model: int) -> None:
        """All passages of so many models are done, however they are."""
        self._done = model * self._passages


@dataclass(slots=True)
class Reviewing:
    """Runs the step MODEL_REVIEW: `RunHere` for document chains. Belongs to one event loop.

    `patience` is for how many seconds a task waits for a model that is away. `worker` is a name that no other one has.
    `threads` run what keeps answers and books, `looking` what keeps rates. Askers are opened when first needed.
    """

    terms: Sequence[ModelTerms]
    rates: Rates
    answers: Answers
    books: Books
    patience: float
    threads: Threads
    looking: Threads
    worker: str
    troubled: Troubled = unheard
    purses: Purses = field(init=False)
    _askers: dict[str, Asker] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """All attempts of a user share one purse."""
        self.purses = Purses(self.books, {terms.called: terms for terms in self.terms}, self.threads)

    @property
    def refusals(self) -> int:
        """How often models refused so far because they were asked too often (HTTP 429); may be asked on any thread."""
        return sum(asker.pushed for asker in list(self._askers.values()))

    async def __call__(self, value: bytes, attempt: Attempt, progress: Callable[[float, str], None]) -> bytes:
        """The models' opinions. ModelAway while one cannot be asked, until the task's patience is at its end.

        What all of it takes is spent waiting for others, so it is none of the attempt's own time.
        """
        asked = await self.threads(_QUESTIONS.validate_json, value)
        payer = Payer(attempt.lease.task, attempt.lease.fence)
        with waiting():
            opinions = await self.of_attempt(payer, attempt.user, asked, self.patience, progress)
        return await self.threads(_OPINIONS.dump_json, opinions)

    async def once(self, value: bytes, progress: Callable[[float, str], None]) -> bytes:
        """The same for somebody who waits: what a model that cannot be asked now did not answer, it did not test."""
        asked = await self.threads(_QUESTIONS.validate_json, value)
        payer = Payer(TaskId(uuid4().hex), 1)  # its own: the same file may be tested beside it, and costs what it costs
        opinions = await self.of_attempt(payer, UserId(0), asked, 0.0, progress)
        return await self.threads(_OPINIONS.dump_json, opinions)

    async def of_attempt(
        self, payer: Payer, user: UserId, asked: Questions, patience: float, progress: Callable[[float, str], None]
    ) -> tuple[Opinion, ...]:
        """What each model says, one model after the other; where one is away the others are asked before it is told."""
        heard: list[_Heard] = []
        counted = _Progress(len(asked.models), len(asked.items), progress)
        async with self.purses.account(user, payer) as (account, weight):
            for number, name in enumerate(asked.models, start=1):
                lane = Lane(user, weight)
                heard.append(await self._hear(name, asked.items, lane, account, patience, counted.one))
                counted.up_to(number)
        if away := [one.away for one in heard if one.away is not None]:
            raise min(away, key=lambda error: error.retry_after)
        before = await self.threads(self.books.before, payer)
        return tuple(self._opinion(one, account, before) for one in heard)

    async def _hear(
        self,
        name: str,
        items: Sequence[Question],
        lane: Lane,
        account: Account,
        patience: float,
        done: Callable[[Answer], None],
    ) -> _Heard:
        """One model's answers. Where it is away for longer than the task's patience, those that are stored."""
        terms = next((terms for terms in self.terms if terms.called == name), None)
        answered = False

        def hear(answer: Answer) -> None:
            nonlocal answered
            answered |= answer.state is State.ANSWERED and answer.usage != Usage()
            done(answer)

        try:
            asker = await self._asker(name, terms)
            return _Heard(asker.terms, await asker.ask_all(items, lane, account, hear))
        except ModelAway as error:
            terms = terms or ModelTerms.model_construct(model=name, currency=currency_of(self.terms))
            task = account.payer.task
            waited = await self.threads(partial(self.books.waits, task, name, answered=answered))
            if (left := patience - waited) > 0:  # of this task: others have the same error
                again = min(error.retry_after, ceil(left))
                mine = ModelAway(error.message, hint=error.hint, code=error.code, retry_after=again)
                return _Heard(terms, away=mine)
            said = {"task": task, "model": name, "waited": round(waited), "why": error.message}
            log.warning("a document goes on without a model", **said)
            why = _WHY.get(error.code, Why.AWAY)
            return _Heard(terms, await self.threads(unasked, terms, items, self.answers, why))

    def _opinion(self, heard: _Heard, account: Account, before: Mapping[str, Spent]) -> Opinion:
        """What all attempts at the task paid for it, this one too."""
        terms, used = heard.terms, account.used.get(heard.terms.called, Usage())
        earlier = before.get(terms.called, Spent()) + account.stood.get(terms.called, Spent())
        spent = earlier + Spent(used, terms.cost(used.tokens_in, used.tokens_out))
        kept = sum(answer.state is State.ANSWERED and answer.paid_by != account.payer.task for answer in heard.answers)
        return Opinion(terms.called, tuple(heard.answers), spent.usage, spent.money, terms.currency, kept)

    async def _asker(self, name: str, terms: ModelTerms | None) -> Asker:
        """Who asks it. ModelAway where this worker does not know it: another may, or this one once it is started anew.

        While a new setting is rolled out some know a model that others do not.
        """
        if terms is None:
            known = [terms.called for terms in self.terms[:_NAMED]]
            log.warning(
                "this worker's settings do not name a model that a document asks for",
                model=name,
                known=known,
                worker=self.worker,
            )
            raise ModelAway(
                f"The settings of this worker do not name the model {name}.",
                hint="Give all workers the same settings; documents wait for it.",
                code="unknown_model",
            )
        async with self._opening:
            if name not in self._askers:
                self._askers[name] = await open_asker(
                    terms, self.rates, self.answers, self.threads, self.looking, self.worker, self.troubled
                )
            return self._askers[name]

    async def close(self) -> None:
        """Write down what is not, and close all connections."""
        await self.purses.close()
        await asyncio.gather(*(asker.close() for asker in self._askers.values()))
        self._askers.clear()


@asynccontextmanager
async def open_reviewing(
    terms: Sequence[ModelTerms],
    rates: Rates,
    answers: Answers,
    books: Books,
    patience: float,
    worker: str,
    troubled: Troubled = unheard,
) -> AsyncGenerator[Reviewing]:
    """What asks models in this process, on the running event loop."""
    threads, looking = Threads("models", 4), Threads("rates")
    reviewing = Reviewing(terms, rates, answers, books, patience, threads, looking, worker, troubled)
    keeping = asyncio.create_task(reviewing.purses.keep(), name="what models cost")
    try:
        yield reviewing
    finally:
        try:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        finally:
            try:
                await reviewing.close()
            finally:
                threads.close()
                looking.close()


STEP = MODEL_REVIEW.name
"""The step that it runs."""
