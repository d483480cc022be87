"""`/dead`: tasks that failed for good, to be started again or discarded."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from paperlane.desk import moment_of, together
from paperlane.errors import BadRequest
from paperlane.ledger.dead import cursor_of
from paperlane.model.tasks import BatchId, Handled, Letters, TaskId, UserId
from paperlane.records.accounts import Account
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Asker, House, Parts

router = APIRouter(prefix="/dead", tags=["dead"], responses=problems.may(401, 408, 413, 422))

_PAGES = 5  # of 200 letters, that one request handles

Limit = Annotated[int, Query(ge=1, le=1_000)]
User = Annotated[int | None, Field(ge=1, le=2**63 - 1, description="An account's id.")]
Id = Annotated[str, Field(max_length=40)]
Code = Annotated[str, Field(max_length=60, description="Why they failed.")]
Time = Annotated[str, Field(max_length=40, description="ISO 8601, or seconds since 1970, of ten digits.")]


def _chosen(
    user: User = None, batch: Id = "", code: Code = "", since: Time = "", until: Time = ""
) -> Letters:  # fmt: skip
    """Those that failed so, within these times."""
    chosen = Letters(
        user=None if user is None else UserId(user),
        batch=BatchId(batch) if batch else None,
        code=code,
    )
    chosen = replace(chosen, since=moment_of(since)) if since else chosen
    return replace(chosen, until=moment_of(until)) if until else chosen


Chosen = Annotated[Letters, Depends(_chosen)]


class Asked(BaseModel, extra="forbid"):
    """Which dead letters: some by id, those of a filter, or all. `cursor` is the `next` of the answer before."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=1_000)] | None = None
    all: Annotated[bool, Field(strict=True)] = False
    user: User = None
    batch: Id = ""
    code: Code = ""
    since: Time = ""
    until: Time = ""
    cursor: Annotated[str, Field(max_length=200)] = ""

    def letters(self) -> Letters:
        """The same, as the ledger knows it. BadRequest when it is not said which."""
        chosen = _chosen(self.user, self.batch, self.code, self.since, self.until)
        ways = (self.ids is not None, self.all, chosen != Letters())
        if sum(ways) != 1:
            raise BadRequest(
                "It is not said which dead letters are meant.", hint="Give `ids`, or a filter, or `all`: one of these."
            )
        return chosen if self.ids is None else Letters(ids=[TaskId(task) for task in self.ids])


@router.get("")
async def several(
    account: Asker,
    house: Parts,
    chosen: Chosen,
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> answers.Page[answers.DeadLetter]:
    """Tasks that failed for good, the latest first: one's own, or everybody's for admins and viewers."""
    found = await house.threads(house.desk.dead.page, account, chosen, cursor, limit + 1)
    onward = cursor_of(found[limit - 1].task) if len(found) > limit else None
    return shapes.page([shapes.dead_letter(letter, account) for letter in found[:limit]], onward)


@router.get("/causes")
async def causes(account: Asker, house: Parts, chosen: Chosen) -> answers.Page[answers.Cause]:
    """How many there are of each cause, the most frequent first."""
    found = await house.threads(house.desk.dead.causes, account, chosen)
    return shapes.page([{"code": code, "count": count} for code, count in found.items()])


@router.post("/replay", responses=problems.may(403))
async def replay(asked: Asked, account: Asker, house: Parts) -> answers.Replayed:
    """Start them again, after their last finished step; what finds no room in a backlog stays, and is told."""
    handled = await _handle(house, house.desk.dead.replay, account, asked)
    return {"replayed": handled.done, **shapes.left(handled)}


@router.post("/discard", responses=problems.may(403))
async def discard(asked: Asked, account: Asker, house: Parts) -> answers.Discarded:
    """They are dead letters no more: failed tasks of which nobody is told again."""
    handled = await _handle(house, house.desk.dead.discard, account, asked)
    return {"discarded": handled.done, **shapes.left(handled)}


async def _handle(
    house: House, act: Callable[[Account, Letters, str], Iterator[Handled]], account: Account, asked: Asked
) -> Handled:
    """A bounded number of pages, so that no request takes long."""
    return await house.threads(lambda: together(islice(act(account, asked.letters(), asked.cursor), _PAGES)))
