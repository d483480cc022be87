"""Calls of many made as one, so that they share a commit."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, Generic, TypeVar

from paperlane.errors import OF_FILES, PaperlaneError, Unavailable
from paperlane.threads import Threads, outlasted

Whose = TypeVar("Whose")
One = TypeVar("One")
Answer = TypeVar("Answer")

_UNDER_WAY = 2  # calls at most: of more, each would be shared by fewer
_APART = 0.01  # seconds between the beginnings of two calls, where others may come meanwhile
_SLOW = 0.05  # seconds after which a call is slow, and shall not hold all others up


def is_of_one(error: Exception) -> bool:
    """May one of several have caused it? A ledger that cannot be used is so for all; a file may be one's alone."""
    return not isinstance(error, Unavailable) or isinstance(error, OF_FILES)


@dataclass(eq=False, slots=True)
class _Asked(Generic[Whose, One, Answer]):
    whose: Whose
    one: One
    answer: asyncio.Future[Answer]


@dataclass(slots=True)
class Gathering(Generic[Whose, One, Answer]):
    """What is asked for while a call is under way, or was made a moment ago, is asked for together, by the next.

    Beside a slow one another is made. Where `few` ask at all, none waits for others.
    `call` answers for each of what is asked for in one name, a worker's for instance, in its order; an error among the
    answers is that one's alone. It holds locks for all of them, so it is asked for no more than `most` at once, by
    their `size`. What one of them may have caused is not for the others: where it raises what `parts` accepts, each is
    asked for by itself, and waits for no other; so `parts` must refuse what may come after all was done, unless it does
    no harm to do it again. Any other error is told to all.
    """

    call: Callable[[Whose, Sequence[One]], Sequence[Answer | PaperlaneError]]
    threads: Threads
    few: Callable[[], bool] = lambda: False
    most: int = 100
    size: Callable[[One], int] = lambda _: 1
    parts: Callable[[Exception], bool] = is_of_one
    _waiting: deque[_Asked[Whose, One, Answer]] = field(default_factory=deque)
    _calling: set[asyncio.Task[None]] = field(default_factory=set)
    _apart: set[asyncio.Task[None]] = field(default_factory=set)
    _made: int = 0
    _made_at: float = -inf
    _looking: bool = False

    async def __call__(self, whose: Whose, one: One) -> Answer:
        """Its answer, or its error.

        Who is cancelled before a call was made asks for nothing. Later it goes on only when the call has ended, as
        with `Threads`.
        """
        asked = _Asked(whose, one, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if not self._calling:
            self._start()
        elif not self._looking:
            self._look_later()
        try:
            await asyncio.wait([asked.answer])
        except asyncio.CancelledError:
            if asked in self._waiting:
                self._waiting.remove(asked)
            else:
                await outlasted(asked.answer)
            raise
        return asked.answer.result()

    def _start(self) -> None:
        # of nobody's context: what it logs is of all who ask
        self._calling.add(asyncio.create_task(self._make_calls(), context=Context()))

    def _look_later(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(_SLOW, self._look, self._made)

    def _look(self, made: int) -> None:
        """Somebody waits since so many calls were made: is the same one still under way?"""
        self._looking = False
        if self._waiting and len(self._calling) < _UNDER_WAY:
            if self._made == made:
                self._start()
            else:
                self._look_later()

    async def _make_calls(self) -> None:
        try:
            while self._waiting:
                await self._let_others_come()
                if self._waiting:
                    await self._make_one(self._next())
        finally:  # at once: who asks from here on must not take it for one that will see them
            self._calling.discard(_this_task())

    async def _let_others_come(self) -> None:
        now = asyncio.get_running_loop().time
        if not self.few() and (left := self._made_at + _APART - now()) > 0:
            await asyncio.sleep(left)
        self._made_at = now()

    async def _make_one(self, some: Sequence[_Asked[Whose, One, Answer]]) -> None:
        self._made += 1
        answers: Sequence[Answer | Exception]
        try:
            answers = await self.threads(self.call, some[0].whose, [asked.one for asked in some])
        except Exception as error:  # noqa: BLE001  whatever it is, it is for those who wait
            if len(some) > 1 and self.parts(error):
                self._part(some)
                return
            answers = [error] * len(some)
        except BaseException:  # the loop ends meanwhile
            for asked in some:
                asked.answer.cancel()
            raise
        for asked, answer in zip(some, answers, strict=True):
            _give(asked.answer, answer)

    def _part(self, some: Sequence[_Asked[Whose, One, Answer]]) -> None:
        """Each is asked for by itself, at the same time as far as there are threads."""
        for asked in some:
            task = asyncio.create_task(self._make_one([asked]), context=Context())
            self._apart.add(task)
            task.add_done_callback(partial(self._has_parted, asked))

    def _has_parted(self, asked: _Asked[Whose, One, Answer], task: asyncio.Task[None]) -> None:
        self._apart.discard(task)
        asked.answer.cancel()  # where the loop ended before it began; else it is answered

    def _next(self) -> Sequence[_Asked[Whose, One, Answer]]:
        """The first of what waits, and what was asked for after it in the same name."""
        first = self._waiting.popleft()
        some, left = [first], self.most - self.size(first.one)
        while self._waiting and self._waiting[0].whose == first.whose:
            left -= self.size(self._waiting[0].one)
            if left < 0:
                break
            some.append(self._waiting.popleft())
        return some


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _give(to: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if isinstance(answer, Exception):
        to.set_exception(answer)
    else:
        to.set_result(answer)
