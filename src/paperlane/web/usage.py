"""`/usage`: what models cost, by user."""

from typing import Annotated

from fastapi import APIRouter, Query

from paperlane.desk.accounts import Used
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
    """What documents used up at models, by user and model (one's own only, but for admins), the dearest first."""
    found = await house.threads(house.desk.accounts.used, account, days, limit)
    return shapes.page([_shape(used, house) for used in found])
