"""`/comparisons`: how two engines did beside each other, for admins and viewers."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from paperlane.records.accounts import Account
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import House, Looker, Parts

router = APIRouter(prefix="/comparisons", tags=["operating"], responses=problems.may(401, 403, 408, 413, 422))

_MOST_TASKS = 20_000  # a request is not to wait long; the command line compares more
_MOST_SECONDS = 10.0
_Engine = Annotated[str, Query(max_length=40)]
_Time = Annotated[str, Query(max_length=40, description="ISO 8601, or how long ago: 90m, 12h, 7d, 2w.")]


@router.get("")
async def one(
    request: Request,
    account: Looker,
    house: Parts,
    a: _Engine,
    b: _Engine,
    since: _Time = "7d",
    until: _Time = "",
    group: Annotated[str, Query(max_length=200)] = "",
) -> answers.Comparison:
    """Engine `b` beside `a`, by the tasks submitted in the period: of at most 20,000, one comparison at a time."""
    busy: asyncio.Lock = request.app.state.comparing
    async with busy:  # it takes seconds of a processor, and other requests need one too
        return await house.threads(_shown, house, account, a, b, since, until, group)


def _shown(house: House, account: Account, a: str, b: str, since: str, until: str, group: str) -> answers.Comparison:
    found = house.desk.comparing.compare(account, a, b, since, until, group, most=_MOST_TASKS, seconds=_MOST_SECONDS)
    return shapes.comparison(found)
