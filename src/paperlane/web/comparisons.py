"""`/comparisons`: how two engines did beside each other, for admins and viewers."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from paperlane.errors import TooMany
from paperlane.records.accounts import Account
from paperlane.rollout.comparison import Comparison
from paperlane.rollout.telling import FORMS
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import House, Looker, Parts
from paperlane.web.language import Language

router = APIRouter(prefix="/comparisons", tags=["operating"], responses=problems.may(401, 403, 408, 413, 422, 429))

_MOST_TASKS = 20_000  # a request is not to wait long; the command line compares more
_MOST_SECONDS = 10.0
_RESAMPLES = 500
_EACH = 60.0  # seconds for which the same question has the same answer
_REMEMBERED = 16
_MOST_WAITING = 4

_Engine = Annotated[str, Query(max_length=40)]
_Time = Annotated[str, Query(max_length=40, description="ISO 8601, or how long ago: 30s, 90m, 12h, 7d, 2w.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which engines, when, and of whom; times and group as `desk.comparing` reads them."""

    a: str
    b: str
    since: str = "7d"
    until: str = ""
    group: str = ""


@dataclass(slots=True)
class Answered:
    """The last comparisons, made one after the other: each takes seconds of the one processor that answers people."""

    _found: dict[Asked, tuple[float, Comparison]] = field(default_factory=dict)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def __call__(self, house: House, account: Account, asked: Asked) -> Comparison:
        """The comparison, as of a minute ago at most.

        Refusals are those of `desk.comparing.compare`, and TooMany where others wait already.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooMany("Other comparisons are waited for.", hint="Ask again in a minute.", code="system_busy")
        self._waiting += 1
        try:
            await self._busy.acquire()  # who goes away until then asks for nothing
        finally:
            self._waiting -= 1
        working = asyncio.create_task(self._work(house, account, asked))
        working.add_done_callback(_heard)
        return await asyncio.shield(working)  # its thread would go on without who goes away, and beside the next one

    async def _work(self, house: House, account: Account, asked: Asked) -> Comparison:
        try:
            last = self._found.get(asked)
            if last is not None and time.monotonic() - last[0] < _EACH:
                return last[1]
            found = await house.threads(_compared, house, account, asked)
            self._found[asked] = time.monotonic(), found
            while len(self._found) > _REMEMBERED:
                del self._found[min(self._found, key=lambda one: self._found[one][0])]
            return found
        finally:
            self._busy.release()


def _heard(working: asyncio.Task[Comparison]) -> None:
    if not working.cancelled():
        working.exception()  # else it is told on stderr, where nobody waits for it any more


def _compared(house: House, account: Account, of: Asked) -> Comparison:
    return house.desk.comparing.compare(
        account,
        of.a,
        of.b,
        of.since,
        of.until,
        of.group,
        most=_MOST_TASKS,
        seconds=_MOST_SECONDS,
        resamples=_RESAMPLES,
    )


_MEDIA = {"md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8"}
_FILES: dict[str, Any] = {media: {} for media in _MEDIA.values()}


@router.get(
    "",
    response_model=answers.Comparison,
    responses={200: {"description": "The comparison; Markdown and HTML as downloads.", "content": _FILES}},
)
async def one(
    request: Request,
    account: Looker,
    house: Parts,
    language: Language,
    a: _Engine,
    b: _Engine,
    since: _Time = "7d",
    until: _Time = "",
    group: Annotated[str, Query(max_length=200)] = "",
    form: Annotated[Literal["json", "md", "html"], Query(alias="format")] = "json",
) -> answers.Comparison | Response:
    """Engine `b` beside `a`, by at most 20,000 of the tasks submitted in the period; as of a minute ago at most."""
    found = await request.app.state.comparisons(house, account, Asked(a, b, since, until, group))
    if form == "json":
        return shapes.comparison(found, language)
    # no page of this service may have styles of its own, as that one has
    disposition = f'attachment; filename="{a}-{b}.{form}"'
    return Response(FORMS[form](found, language), media_type=_MEDIA[form], headers={"Content-Disposition": disposition})
