"""`/queue`: what runs and waits."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Admin, Asker, House, Parts

router = APIRouter(prefix="/queue", tags=["queue"], responses=problems.may(401, 408, 413))


class Pause(BaseModel, extra="forbid"):
    """Whether an engine starts tasks."""

    engine: Literal["database", "inline"] = "database"
    paused: Annotated[bool, Field(strict=True)] = True


class Limit(BaseModel, extra="forbid"):
    """How many tasks run at once in the whole system; null for what the settings say."""

    max_running: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None


def _look(house: House, account: Asker) -> answers.Queue:
    users = house.desk.users() if account.sees_queue else (account,)
    names: dict[int, str] = {user.id: user.name for user in users}
    return shapes.queue(house.desk.queue(account), names)


@router.get("")
async def look(account: Asker, house: Parts) -> answers.Queue:
    """Depth, running, oldest wait; by user (one's own only, but for admins and viewers) and by engine."""
    return await house.threads(_look, house, account)


@router.post("/pause", responses=problems.may(403, 422))
async def pause(account: Admin, house: Parts, asked: Pause | None = None) -> answers.Queue:
    """Start no more tasks on an engine, or start them again; running ones go on. Without a body: pause `database`."""
    asked = asked or Pause()
    await house.threads(house.desk.pause, account, asked.engine, paused=asked.paused)
    return await house.threads(_look, house, account)


@router.put("/limit", responses=problems.may(403, 422))
async def limit(asked: Limit, account: Admin, house: Parts) -> answers.Queue:
    """Change the whole system's limit while everything runs; lowered, it kills nothing and starts nothing more."""
    await house.threads(house.desk.limit, account, asked.max_running)
    return await house.threads(_look, house, account)
