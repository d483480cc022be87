"""`/healthz` and `/readyz`: is the process alive, and can it serve?"""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from paperlane.web.identity import Parts

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(house: Parts) -> JSONResponse:
    """The database answers, and there are live workers."""
    try:
        members = await house.threads(house.desk.ledger.members)
    except Exception as error:  # noqa: BLE001  whatever it is, the service is not ready
        return JSONResponse({"status": "unready", "database": type(error).__name__}, 503)
    live = sum(member.live for member in members)
    return JSONResponse({"status": "ok", "database": "ok", "workers": live})
