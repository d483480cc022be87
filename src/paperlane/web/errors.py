"""`/errors`: what failed, by what failures have in common, for admins and viewers."""

from typing import Annotated

from fastapi import APIRouter, Query

from paperlane.records.accounts import Account
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import House, Looker, Parts

router = APIRouter(prefix="/errors", tags=["operating"], responses=problems.may(401, 403, 408, 413, 422))

LONGEST_HOURS = 30 * 24
Hours = Annotated[float, Query(gt=0, le=LONGEST_HOURS)]


def look_at(house: House, account: Account, hours: float) -> answers.Failures:
    """The groups of failures."""
    return shapes.failures(house.desk.watching.errors(account, hours))


@router.get("")
async def several(account: Looker, house: Parts, hours: Hours = 24.0) -> answers.Failures:
    """The failures of the last so many hours, grouped: of the 2,000 latest dead letters and the 5,000 newest tasks."""
    return await house.threads(look_at, house, account, hours)
