"""`/schedules`: documents that are tested again and again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from paperlane.desk import Plan
from paperlane.model.tasks import BatchId, UserId
from paperlane.records.accounts import Account
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Asker, Parts

router = APIRouter(prefix="/schedules", tags=["schedules"], responses=problems.may(401, 408, 413, 422))

Cron = Annotated[str, Field(max_length=100, examples=["30 6 * * MON-FRI"])]
Timezone = Annotated[str, Field(max_length=60, examples=["Europe/Berlin"])]
Priority = Annotated[int, Field(ge=0, le=9)]
User = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="An account's id: admins may name another one's.")]


class NewSchedule(BaseModel, extra="forbid"):
    """Which documents to test again, and when: five fields of cron, by the clock of a time zone (IANA)."""

    name: Annotated[str, Field(pattern=r"^\w[\w.@+-]{0,99}$")]
    cron: Cron
    batch: Annotated[str, Field(max_length=40)]
    timezone: Timezone = "UTC"
    priority: Priority = 5


class Change(BaseModel, extra="forbid"):
    """What is to change; what is left out stays as it is."""

    cron: Cron | None = None
    timezone: Timezone | None = None
    priority: Priority | None = None
    paused: Annotated[bool, Field(strict=True)] | None = None


def _owner(account: Account, user: int | None) -> UserId:
    return account.id if user is None else UserId(user)


@router.get("")
async def several(
    account: Asker,
    house: Parts,
    user: User = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: str = "",
) -> answers.Page[answers.Schedule]:
    """One's own schedules, by name; or a user's, for admins."""
    owner = _owner(account, user)
    found = await house.threads(house.desk.schedules.page, account, owner, after=cursor, limit=limit + 1)
    onward = found[limit - 1].name if len(found) > limit else None
    return shapes.page([shapes.schedule(schedule) for schedule in found[:limit]], onward)


@router.post("", status_code=HTTPStatus.CREATED, responses=problems.may(403, 404, 409))
async def add(asked: NewSchedule, account: Asker, house: Parts) -> answers.Schedule:
    """Test the documents of a batch again and again, each time as a new batch."""
    plan = Plan(asked.name, asked.cron, BatchId(asked.batch), asked.timezone, asked.priority)
    return shapes.schedule(await house.threads(house.desk.schedules.add, account, plan))


@router.patch("/{name}", responses=problems.may(403, 404))
async def change(name: str, asked: Change, account: Asker, house: Parts, user: User = None) -> answers.Schedule:
    """Change a schedule, pause it, or let it go on; what is missed in a pause is not made up for."""
    given = asked.model_dump(exclude_none=True)
    owner = _owner(account, user)
    return shapes.schedule(await house.threads(house.desk.schedules.change, account, owner, name, **given))


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT, responses=problems.may(403, 404))
async def remove(name: str, account: Asker, house: Parts, user: User = None) -> None:
    """Test these documents no more; what was tested stays."""
    await house.threads(house.desk.schedules.remove, account, _owner(account, user), name)
