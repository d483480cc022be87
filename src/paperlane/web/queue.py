"""`/queue`: what runs and waits."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Admin, Asker, House, Parts

router = APIRouter(prefix="/queue", tags=["queue"], responses=problems.may(401, 408, 413))


class Pause(BaseModel, extra="forbid"):
    """Whether an engine starts tasks."""

    engine: Literal["database", "inline", "pool", "arq", "celery", "rq"] = "database"
    paused: Annotated[bool, Field(strict=True)] = True


class Limit(BaseModel, extra="forbid"):
    """How many tasks run at once in the whole system; null for what the settings say."""

    max_running: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None


def look_at(house: House, account: Asker, most: int = 100) -> answers.Queue:
    """The queue as this account may see it, with at most so many users one by one."""
    found = house.desk.operating.queue(account, most)
    return shapes.queue(found, house.desk.accounts.names([lane.user for lane in found.lanes]))


@router.get("", responses=problems.may(422))
async def look(account: Asker, house: Parts, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> answers.Queue:
    """Depth, running, oldest wait; by user (one's own only, but for admins and viewers) and by engine."""
    return await house.threads(look_at, house, account, limit)


@router.post("/pause", responses=problems.may(403, 422))
async def pause(account: Admin, house: Parts, asked: Pause | None = None) -> answers.Queue:
    """Start no more tasks on an engine, or start them again; running ones go on. Without a body: pause `database`."""
    asked = asked or Pause()
    await house.threads(house.desk.operating.pause, account, asked.engine, paused=asked.paused)
    return await house.threads(look_at, house, account)


@router.put("/limit", responses=problems.may(403, 422))
async def limit(asked: Limit, account: Admin, house: Parts) -> answers.Queue:
    """Change the whole system's limit while everything runs; lowered, it kills nothing and starts nothing more."""
    await house.threads(house.desk.operating.limit, account, asked.max_running)
    return await house.threads(look_at, house, account)
