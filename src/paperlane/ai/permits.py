"""Waiting for a model's rate: one worker's questions, which share it with those of all others."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from math import ceil

import structlog

from paperlane.ai import Lane, Rates
from paperlane.ai.rate import IN_TIME, Ask, Grant, Limits, Standing, Told, Verdict, Want, allot
from paperlane.errors import ModelAway
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

_PAUSE = 0.2  # seconds between two looks while somebody waits
_SOON = 0.05  # seconds, for who comes while nobody was waiting
_TOO_LATE = 3  # permits that one question lets go; a store that is always slow must not stop it
_PATIENT = 20.0  # seconds that a provider may have us wait while a task keeps its place


@dataclass(frozen=True, slots=True)
class Permit:
    """One request may be sent, until this time of the event loop. `tokens` were counted for it, in `slot`."""

    user: int
    tokens: int
    slot: int
    weight: float
    until: float


@dataclass(slots=True)
class _Waiting:
    """The questions of one lane, the first come first."""

    lane: Lane
    line: deque[tuple[int, "asyncio.Future[Permit]"]] = field(default_factory=deque)

    def live(self) -> int:
        """How many are there still; those who left are forgotten."""
        self.line = deque(one for one in self.line if not one[1].done())
        return len(self.line)

    def want(self) -> Want:
        tokens = sum(tokens for tokens, _ in self.line)
        return Want(self.lane.user, len(self.line), -(-tokens // len(self.line)), self.lane.weight)


class Permits:
    """One worker's part in a model's rate. Belongs to one event loop.

    `worker` is a name that no other worker has; `threads` runs what the store does. At most `in_flight` permits are out
    at once. Each that was taken ends with one call that tells what became of it.
    """

    def __init__(
        self, model: str, limits: Limits, rates: Rates, threads: Threads, worker: str, in_flight: int = 200
    ) -> None:
        self._model = model
        self._limits = limits
        self._rates = rates
        self._threads = threads
        self._worker = worker
        self._room = in_flight
        self._changed = asyncio.Event()
        self._waiting: dict[int, _Waiting] = {}
        self._told = Told()
        self._looking: asyncio.Task[None] | None = None

    async def take(self, lane: Lane, tokens: int) -> Permit:
        """Wait for this lane's turn to send one request of about so many tokens.

        ModelAway while nobody may ask: the provider is down, refuses our key, or wants a pause that is too long to wait
        for. Unavailable where the store of the rate is away.
        """
        loop = asyncio.get_running_loop()
        for _ in range(_TOO_LATE):
            permit = await self._next(lane, tokens, loop.create_future())
            if loop.time() <= permit.until:
                return permit
            self.unused(permit)  # this process had no time for it, and too many may come at once now
        return await self._next(lane, tokens, loop.create_future())

    async def _next(self, lane: Lane, tokens: int, future: "asyncio.Future[Permit]") -> Permit:
        waiting = self._waiting.setdefault(lane.user, _Waiting(lane))
        waiting.lane = lane
        waiting.line.append((tokens, future))
        if len(self._waiting) == 1 and len(waiting.line) == 1:
            self._changed.set()
        self._look()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.unused(future.result())
            raise

    # what became of a request

    def answered(self, permit: Permit, tokens: int) -> None:
        """The provider answered, and counted so many tokens; 0 where it does not say."""
        self._back()
        more = {permit.slot: tokens - permit.tokens} if tokens else {}
        self._tell(succeeded=1, corrections=more)

    def failed(self, why: str) -> None:
        """The provider broke down, or could not be reached."""
        self._back()
        self._tell(failed=1, why=why)

    def pushed(self, wait: float, why: str) -> None:
        """The provider refuses for the rate, for so many seconds; 0 where it does not say."""
        self._back()
        self._tell(pushed=1, wait=wait, why=why)

    def refused(self, why: str) -> None:
        """The provider accepts no question: our key is wrong, or there is no such model."""
        self._back()
        self._tell(refused=why)

    def unused(self, permit: Permit) -> None:
        """Nothing was sent after all."""
        self._back()
        self._tell(unused=(Grant(permit.user, 1, permit.tokens, permit.slot, permit.weight),))

    def gone(self) -> None:
        """Who asked left before the answer came; what the provider counts is not known."""
        self._back()
        self._tell(unused=(Grant(0, 0, 0, 0),))  # it stays counted; but another one may be the probe

    def _back(self) -> None:
        """One more may be sent; who waited for just that is not kept waiting for the next look."""
        self._room += 1
        if self._room == 1:
            self._changed.set()

    def _tell(
        self,
        *,
        succeeded: int = 0,
        failed: int = 0,
        pushed: int = 0,
        wait: float = 0.0,
        refused: str = "",
        why: str = "",
        unused: Sequence[Grant] = (),
        corrections: Mapping[int, int] | None = None,
    ) -> None:
        one = Told(succeeded, failed, pushed, wait, refused, why, unused, corrections or {})
        self._told = _both(self._told, one)
        self._look()

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(
                self._keep_looking(),
                name=f"rate of {self._model}",
                context=Context(),  # of nobody's: it is for all
            )

    async def _keep_looking(self) -> None:
        """Ask while somebody waits, or there is something to tell."""
        await asyncio.sleep(_SOON)  # those who come together ask together
        while self._told != Told() or any(waiting.live() for waiting in self._waiting.values()):
            self._changed.clear()
            await self._look_once()
            await asyncio.sleep(_SOON)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _PAUSE - _SOON)

    async def _look_once(self) -> None:
        self._waiting = {user: waiting for user, waiting in self._waiting.items() if waiting.live()}
        told, self._told = self._told, Told()
        asked = asyncio.get_running_loop().time()
        ask = Ask(self._worker, [waiting.want() for waiting in self._waiting.values()], told, self._room)
        try:
            verdict = await self._threads(self._rates.change, self._model, partial(_decided, ask, self._limits))
        except Exception as error:  # noqa: BLE001  whatever it is, it is for who waits
            self._told = _both(told, self._told) if self._waiting else Told()
            log.warning("the rate of a model cannot be looked at", model=self._model, why=str(error))
            self._end(error)
            return
        self._hand_out(verdict, asked)
        if verdict.broken or verdict.closed > _PATIENT:
            self._end(_away(self._model, verdict))

    def _hand_out(self, verdict: Verdict, asked: float) -> None:
        """To whoever waited longest; `asked` is when the verdict was asked for."""
        for grant in verdict.grants:
            line = self._waiting[grant.user].line if grant.user in self._waiting else deque()
            permit = Permit(grant.user, grant.tokens, grant.slot, grant.weight, asked - grant.ago + IN_TIME)
            for _ in range(grant.count):
                self._room -= 1
                future = next((one for one in _popped(line) if not one.done()), None)
                if future is None:
                    self.unused(permit)
                else:
                    future.set_result(permit)

    def _end(self, error: Exception) -> None:
        """Whoever waits need not wait any more."""
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            for _, future in one.line:
                if not future.done():
                    future.set_exception(error)

    async def close(self) -> None:
        """Nobody waits any more; what is to be told is told at last."""
        self._end(ModelAway("The worker ends.", retry_after=1))
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        if self._told != Told():
            await self._look_once()


def _popped(line: "deque[tuple[int, asyncio.Future[Permit]]]") -> "Iterator[asyncio.Future[Permit]]":
    while line:
        yield line.popleft()[1]


def _decided(ask: Ask, limits: Limits, kept: str, now: float) -> tuple[str, Verdict]:
    standing, verdict = allot(Standing.read(kept), ask, limits, now)
    return standing.written(), verdict


def _both(one: Told, other: Told) -> Told:
    return Told(
        one.succeeded + other.succeeded,
        one.failed + other.failed,
        one.pushed + other.pushed,
        max(one.wait, other.wait),
        other.refused or one.refused,
        other.why or one.why,
        (*one.unused, *other.unused),
        {
            slot: one.corrections.get(slot, 0) + other.corrections.get(slot, 0)
            for slot in (*one.corrections, *other.corrections)
        },
    )


def _away(model: str, verdict: Verdict) -> ModelAway:
    said = refusing if verdict.refused else away
    return said(model, verdict.why or "it asks for a pause", verdict.closed)


def refusing(model: str, why: str, after: float) -> ModelAway:
    """What is told where no question is accepted before somebody mends the settings."""
    return ModelAway(
        f"The model {model} accepts no questions: {why}.",
        hint="Mend its key, name or address in the settings; documents wait for it.",
        code="model_refused",
        retry_after=ceil(after),
    )


def away(model: str, why: str, after: float) -> ModelAway:
    """What is told where it may pass."""
    hint = "Documents wait for it. If it stays, ask its provider."
    return ModelAway(f"The model {model} cannot be asked now: {why}.", hint=hint, retry_after=ceil(after))
