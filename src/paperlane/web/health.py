"""`/healthz` and `/readyz`: is the process alive, and can it serve?"""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from paperlane.errors import PaperlaneError, Unavailable
from paperlane.web import answers, problems
from paperlane.web.identity import Parts

router = APIRouter(tags=["health"], responses=problems.may(408, 413))


@router.get("/healthz")
async def healthz() -> answers.Health:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", response_model=answers.Readiness, responses={503: {"model": answers.Readiness}})
async def readyz(house: Parts) -> JSONResponse:
    """The database answers and somebody dispatches: 503 when it does not, or when no worker lives.

    `paperlane serve` is a worker itself, for the engine `inline`; so it is ready without worker processes too, which
    may run elsewhere, and unready once it can no longer tell the database that it lives.
    """
    try:
        members = await house.threads(house.desk.ledger.members)
    except Exception as error:  # noqa: BLE001  whatever it is, the service is not ready
        why = error.code if isinstance(error, PaperlaneError) else type(error).__name__
        return unready(why)
    live = sum(member.live for member in members)
    return JSONResponse({"status": "ok", "database": "ok", "workers": live}) if live else unready("ok")


def unready(database: str) -> JSONResponse:
    """Not ready to serve: no worker lives, or what is wrong with the database."""
    content = {"status": "unready", "database": database, "workers": 0}
    return JSONResponse(content, 503, {"Retry-After": str(Unavailable.retry_after)})
