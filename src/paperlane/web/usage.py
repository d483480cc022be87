"""`/usage`: what models cost, and what tasks came to, by user."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query, Request

from paperlane.desk.accounts import Spending, Used
from paperlane.settings import currency_of, models_of
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Asker, House, Parts

router = APIRouter(prefix="/usage", tags=["usage"], responses=problems.may(401, 408, 413, 422))


def _shape(used: Used, house: House) -> answers.Used:
    return {
        "user": used.user,
        "name": used.name,
        "model": used.model,
        "requests": used.spent.usage.requests,
        "tokens_in": used.spent.usage.tokens_in,
        "tokens_out": used.spent.usage.tokens_out,
        "money": used.spent.money,
        "currency": currency_of(models_of(house.settings)),
    }


@router.get("")
async def look(
    account: Asker,
    house: Parts,
    days: Annotated[int | None, Query(ge=1, le=366, description="The last so many days; else this month.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> answers.Page[answers.Used]:
    """What models cost, by user and model (one's own only, but for admins and viewers), the dearest first."""
    found = await house.threads(house.desk.accounts.used, account, days, limit)
    return shapes.page([_shape(used, house) for used in found])


def _account(of: Spending, sockets: int, house: House) -> answers.Spending:
    return {
        "user": of.use.user,
        "name": of.name,
        "queued": of.use.queued,
        "running": of.use.running,
        "completed": of.use.completed,
        "failed": of.use.failed,
        "cancelled": of.use.cancelled,
        "cpu_seconds": of.use.cpu,
        "tokens": of.spent.usage.tokens,
        "money": of.spent.money,
        "currency": currency_of(models_of(house.settings)),
        "sockets": sockets,
        "sessions": 0,  # by design: what runs holds none between two statements
    }


@router.get("/accounts")
async def accounts(
    request: Request,
    account: Asker,
    house: Parts,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$")] = "",
) -> answers.Page[answers.Spending]:
    """What all tasks of each user came to, by the users' numbers (one's own only, but for admins and viewers)."""
    found = await house.threads(house.desk.accounts.spent, account, int(cursor or 0), limit + 1)
    sockets: Counter[int] = request.app.state.sockets
    items = [_account(one, sockets[one.use.user], house) for one in found[:limit]]
    return shapes.page(items, str(found[limit - 1].use.user) if len(found) > limit else None)
