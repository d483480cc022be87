"""`/workers`: who serves the engines, for admins and viewers."""

from fastapi import APIRouter

from paperlane.web import answers, problems, shapes
from paperlane.web.identity import House, Looker, Parts

router = APIRouter(prefix="/workers", tags=["operating"], responses=problems.may(401, 403, 408, 413))


@router.get("")
async def several(account: Looker, house: Parts) -> answers.Page[answers.Worker]:
    """Every worker that the ledger knows; one that is not live is given up at the next sweep."""
    return await house.threads(_shown, house, account)


def _shown(house: House, account: Looker) -> answers.Page[answers.Worker]:
    now = house.desk.clock.now()
    return shapes.page([shapes.worker(one, now) for one in house.desk.watching.workers(account)])
