"""`/audit`: who changed what, for admins and viewers."""

from typing import Annotated

from fastapi import APIRouter, Query

from paperlane.model.tasks import UserId
from paperlane.records.accounts import Account
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import House, Looker, Parts

router = APIRouter(prefix="/audit", tags=["operating"], responses=problems.may(401, 403, 408, 413, 422))

User = Annotated[
    int | None, Query(ge=0, le=2**63 - 1, description="Who did it: an account's id, 0 for the command line.")
]


def look_at(
    house: House, account: Account, user: int | None, what: str, cursor: str, limit: int
) -> answers.Page[answers.AuditEntry]:
    """A page of what was written down."""
    whose = None if user is None else UserId(user)
    found = house.desk.watching.audit(account, whose, what, cursor, limit + 1)
    names = house.desk.accounts.names(list({entry.user for entry in found}))
    onward = found[limit - 1].cursor if len(found) > limit else None
    return shapes.page([shapes.audit_entry(entry, names) for entry in found[:limit]], onward)


@router.get("")
async def several(
    account: Looker,
    house: Parts,
    user: User = None,
    what: Annotated[str, Query(max_length=60)] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> answers.Page[answers.AuditEntry]:
    """What was changed, the latest first: by this account, of this kind."""
    return await house.threads(look_at, house, account, user, what, cursor, limit)
