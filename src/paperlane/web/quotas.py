"""`/usage/quotas`: what a user may use, and how much of it they do."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query, Request

from paperlane.model.tasks import UserId
from paperlane.web import answers, problems
from paperlane.web.identity import Asker, Parts
from paperlane.web.pacing import pace_of

router = APIRouter(prefix="/usage/quotas", tags=["usage"], responses=problems.may(401, 403, 404, 408, 413, 422, 429))


def _quota(used: int, limit: int) -> answers.Quota:
    return {"used": used, "limit": limit or None}


@router.get("")
async def look(
    request: Request,
    account: Asker,
    house: Parts,
    user: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="For admins and viewers: an account's id.")
    ] = None,
) -> answers.Quotas:
    """Each quota of one's own, for admins and viewers anybody's: what is used of it, and its limit; null: no limit."""
    use = await house.threads(house.desk.quotas.use, account, account.id if user is None else UserId(user))
    of, sockets = use.account, Counter[int](request.app.state.sockets)
    return {
        "user": of.id,
        "name": of.name,
        "running": _quota(use.running, use.running_limit),
        "waiting": _quota(use.waiting, use.waiting_limit),
        "storage_bytes": _quota(use.stored, use.limits.stored),
        "requests_a_minute": _quota(pace_of(request).used(of, use.limits.requests), use.limits.requests),
        "model_tokens": _quota(use.spent.usage.tokens, use.limits.budget.tokens),
        "model_money": {"used": use.spent.money, "limit": use.limits.budget.money or None},
        "sockets": _quota(sockets[of.id], use.sockets_limit),
    }
