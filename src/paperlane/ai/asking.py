"""Asks a model: each question once, with one repair, and every answer on disk as soon as it is there."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import structlog

from paperlane import tracing
from paperlane.ai import Answer, Answers, Lane, Question, Said, Spend, State, Usage, Why
from paperlane.ai.chat import Broke, Chat, Message, NotAccepted, NotPaid, Pushed, Refuses, Reply, TooSlow, Trouble
from paperlane.ai.permits import Permit, Permits, away, refusing
from paperlane.ai.prompts import prompt
from paperlane.ai.reading import SCHEMA, Unusable, read
from paperlane.errors import ModelAway, Unavailable
from paperlane.patience import Patience, patiently
from paperlane.settings import ModelTerms
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

_BYTES_A_TOKEN = 3  # of UTF-8: a Chinese character is one token; an English word is counted a little too high
_ROOM = 2_000  # tokens that an answer may have
_MORE_ROOM = 6_000  # where it was cut off
_USUAL = 300  # tokens that it has
_TRIES = 3  # in all, where the provider breaks on this question and not on others
_MOST_TRIES = 9  # in all; where it breaks on all of them the breaker opens before
_PUSHES = 8  # times that one question is sent again for the rate
_PAID = 60.0  # seconds for which an answer that is paid for waits for its store
_WHY: Mapping[type[Trouble], Why] = {NotAccepted: Why.NOT_ACCEPTED, TooSlow: Why.TOO_SLOW}


Troubled = Callable[[ModelTerms, str], None]
"""Told of a model that gave no answer to a request, and why, which may pass with the next one."""


def unheard(_terms: ModelTerms, _why: str) -> None:
    """Nobody is told."""


class Asker:
    """One model, asked by one worker. Belongs to one event loop; `threads` runs what the store of answers does."""

    def __init__(
        self,
        terms: ModelTerms,
        chat: Chat,
        permits: Permits,
        answers: Answers,
        threads: Threads,
        chance: Callable[[], float] = random.random,  # noqa: S311  spreads load, keeps no secret
        first_wait: float = 0.5,
        store_wait: float = _PAID,
        troubled: Troubled = unheard,
    ) -> None:
        self.terms = terms
        self._chat = chat
        self._permits = permits
        self._answers = answers
        self._threads = threads
        self._chance = chance
        self._first_wait = first_wait
        self._store_wait = store_wait
        self._troubled = troubled
        self._worked = 0
        names = {"gen_ai.operation.name": "chat", "gen_ai.request.model": terms.model}
        self._asked = {**names, "model": terms.called, "server.address": urlsplit(terms.base_url).hostname or ""}
        self.pushed = 0  # how often the model refused because it was asked too often
        self._storing = asyncio.Event()  # not while answers cannot be stored
        self._storing.set()

    async def ask_all(
        self, questions: Sequence[Question], lane: Lane, spend: Spend, done: Callable[[Answer], None] = lambda _: None
    ) -> Sequence[Answer]:
        """An answer for each question, in their order; `done` is told of each question's as it is there.

        Answers that are stored cost nothing, and have no usage here; two questions of one key are asked once. What is
        answered is stored before it is told of; while that fails nothing is asked. Past the budget questions are
        skipped. ModelAway where the model cannot
        be asked now: those that are under way are waited for and stored first, so that the next try goes on from there.
        Who is cancelled loses those that are under way.
        """
        keys = [key_of(self.terms, question) for question in questions]
        times = Counter(keys)
        found = {key: _free(answer) for key, answer in (await self._threads(self._answers.get, sorted(times))).items()}

        def tell(key: str) -> None:
            for _ in range(times[key]):
                done(found[key])

        for key in found:
            tell(key)
        missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in found}
        away: list[Exception] = []
        paying = _Until(away, spend)

        async def one(key: str, question: Question) -> None:
            try:
                found[key] = await self._answered(key, question, lane, paying)
            except Exception as error:  # noqa: BLE001  whatever it is, it ends the others in order
                away.append(error)
                return
            tell(key)

        async with asyncio.TaskGroup() as together:
            for key, question in missing.items():
                together.create_task(one(key, question))
        if away:
            raise next((error for error in away if not isinstance(error, ModelAway)), away[0])
        return [found[key] for key in keys]

    async def _answered(self, key: str, question: Question, lane: Lane, paying: "_Until") -> Answer:
        """The model's answer, stored; or why there is none, which is not."""
        answer = await _Exchange(self, key, question, lane, paying).run()
        if answer.state is State.ANSWERED:
            await self._store(answer)
        else:
            log.info("a passage could not be asked", model=self.terms.called, passage=question.passage, why=answer.why)
        return answer

    async def _store(self, answer: Answer) -> None:
        async def put() -> None:
            try:
                await self._threads(self._answers.put, [answer])
            except Unavailable:
                self._storing.clear()
                raise

        try:
            await patiently(put, "an answer", lambda _: self._store_wait)
        finally:
            self._storing.set()  # where it failed for good, who asks next finds out anew

    async def send(self, messages: Sequence[Message], lane: Lane, room: int, paying: "_Until") -> tuple[Reply, Usage]:
        """One request that comes through, when the lane may send it; else Trouble with this one, or ModelAway."""
        expected = Usage(1, estimate(messages), min(room, _USUAL))
        most = Usage(1, expected.tokens_in, room)  # many are under way at once: all of them may take that
        patience = Patience(first=self._first_wait, chance=self._chance)
        broke = pushed = 0
        worked_before = self._worked
        while True:
            await self._storing.wait()
            if not await paying.hold(self.terms.called, most):
                raise NotPaid("the budget is used up")
            used = Usage()
            try:
                permit = await self._permits.take(lane, expected.tokens)
                if paying.is_over or not self._storing.is_set():  # since it was held
                    self._permits.unused(permit)
                    continue
                try:
                    reply = await self._sent(permit, messages, room)
                except (asyncio.CancelledError, TooSlow):  # what the provider counts then is not known, but it was sent
                    used = expected
                    raise
                used = _counted(reply, expected)
            except Pushed as error:
                pushed += 1
                if pushed > _PUSHES:
                    raise _away(self.terms, error, error.wait or _LONG) from error
            except Refuses as error:
                raise _away(self.terms, error, _LONG, refused=True) from error
            except Broke:
                broke += 1
                if broke >= (_TRIES if self._worked > worked_before else _MOST_TRIES):
                    raise
            else:
                return reply, used
            finally:
                paying.add(self.terms.called, most, used)
            if broke:
                await asyncio.sleep(patience.wait())

    async def _sent(self, permit: Permit, messages: Sequence[Message], room: int) -> Reply:
        """One request, and what it tells of the provider."""
        try:
            reply = await self._reply(messages, room)
        except Pushed as error:
            self.pushed += 1
            self._permits.pushed(error.wait, str(error))
            raise
        except Refuses as error:
            self._permits.refused(str(error))
            raise
        except NotAccepted:
            self._permits.answered(permit, 0)
            raise
        except Broke as error:
            self._permits.failed(str(error))
            raise
        except asyncio.CancelledError:
            self._permits.gone()
            raise
        self._worked += 1
        self._permits.answered(permit, reply.tokens_in + reply.tokens_out)
        return reply

    async def _reply(self, messages: Sequence[Message], room: int) -> Reply:
        """What it says in time; else Trouble, of which whoever listens is told."""
        try:
            with tracing.span(f"chat {self.terms.model}", tracing.Kind.CLIENT, **self._asked):
                try:
                    async with asyncio.timeout(self.terms.seconds):
                        reply = await self._chat.say(messages, room, SCHEMA)
                except TimeoutError as error:
                    raise TooSlow("it did not answer in time") from error
                tracing.note(**_told_of(reply))
                return reply
        except Trouble as error:
            self._troubled(self.terms, str(error))
            raise

    async def close(self) -> None:
        """Tell the rate's store what is left to tell, and close the connections."""
        with suppress(Exception):
            await self._permits.close()
        await self._chat.close()


@dataclass(frozen=True, slots=True)
class _Until:
    """Pays until something went wrong: what is asked after that would be asked in vain."""

    wrong: Sequence[Exception]
    spend: Spend

    @property
    def is_over(self) -> bool:
        return bool(self.wrong)

    async def hold(self, model: str, expected: Usage) -> bool:
        return not self.is_over and await self.spend.hold(model, expected)

    def add(self, model: str, expected: Usage, used: Usage) -> None:
        self.spend.add(model, expected, used)


class _Exchange:
    """One question on its way to an answer: at most one repair, and once more room for what was cut off."""

    def __init__(self, asker: Asker, key: str, question: Question, lane: Lane, paying: "_Until") -> None:
        self._asker = asker
        self._key = key
        self._prompt = prompt(question.language)
        self._messages = self._prompt.messages(question)
        self._lane = lane
        self._paying = paying
        self._usage = Usage()

    async def run(self) -> Answer:
        room, repaired = _ROOM, False
        messages = self._messages
        while True:
            if estimate(messages) + room > self._asker.terms.context:
                return self._ended(State.FAILED, Why.TOO_LONG if messages is self._messages else Why.CUT_OFF)
            try:
                reply, used = await self._asker.send(messages, self._lane, room, self._paying)
            except NotPaid:
                return self._ended(State.SKIPPED, Why.BUDGET)
            except Trouble as trouble:
                return self._ended(State.FAILED, _WHY.get(type(trouble), Why.UNREACHABLE))
            self._usage += used
            if reply.declined:
                return self._ended(State.FAILED, Why.DECLINED)
            try:
                return self._answered(*read(reply.text))
            except Unusable as unusable:
                if reply.cut_off and room == _ROOM:
                    room = _MORE_ROOM
                elif reply.cut_off or repaired:
                    return self._ended(State.FAILED, Why.CUT_OFF if reply.cut_off else unusable.why)
                else:
                    repaired = True
                    messages = self._prompt.again(self._messages, reply.text, unusable.fault)

    def _answered(self, findings: tuple[Said, ...], dropped: int) -> Answer:
        model, version = self._asker.terms.model, self._prompt.version
        paid_by = self._paying.spend.task
        return Answer(
            self._key, model, version, State.ANSWERED, findings, self._usage, dropped=dropped, paid_by=paid_by
        )

    def _ended(self, state: State, why: Why) -> Answer:
        """There is no answer."""
        return Answer(self._key, self._asker.terms.model, self._prompt.version, state, usage=self._usage, why=why)


def estimate(messages: Sequence[Message]) -> int:
    """About how many tokens these are; rather too many."""
    return sum(len(message.content.encode()) for message in messages) // _BYTES_A_TOKEN + 10


_LONG = 60.0  # seconds


def _away(terms: ModelTerms, trouble: Trouble, after: float, *, refused: bool = False) -> ModelAway:
    if refused:
        return refusing(terms.called, str(trouble), after)
    return away(terms.called, str(trouble), after)


def _counted(reply: Reply, expected: Usage) -> Usage:
    """What the provider counted; where it does not count, what we expected."""
    tokens_out = reply.tokens_out or len(reply.text.encode("utf-8", "replace")) // _BYTES_A_TOKEN
    return Usage(1, reply.tokens_in or expected.tokens_in, tokens_out)


def _told_of(reply: Reply) -> Mapping[str, tracing.Value]:
    """What a span tells of a reply, by OpenTelemetry's names for models; nothing of what was said.

    https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
    """
    tokens = {"gen_ai.usage.input_tokens": reply.tokens_in, "gen_ai.usage.output_tokens": reply.tokens_out}
    return {**tokens, "outcome": "declined" if reply.declined else "cut_off" if reply.cut_off else "answered"}


def _free(answer: Answer) -> Answer:
    """An answer that was paid for before."""
    return replace(answer, usage=Usage(), why=None)


def key_of(terms: ModelTerms, question: Question) -> str:
    """What this model's answer to it is stored under."""
    return question.key(terms.model, prompt(question.language).version)


def unasked(terms: ModelTerms, questions: Sequence[Question], answers: Answers, why: Why) -> Sequence[Answer]:
    """Those of a model's answers that are stored, and for each of the others that there is none, and why."""
    keys = [key_of(terms, question) for question in questions]
    known = answers.get(sorted({*keys}))
    return [
        _free(known[key])
        if key in known
        else Answer(key, terms.model, prompt(question.language).version, State.FAILED, why=why)
        for key, question in zip(keys, questions, strict=True)
    ]
