"""`/users`: accounts and their limits: admins and viewers look, admins change."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from paperlane.ledger.sense import LARGEST_LIMIT, LARGEST_WEIGHT, LEAST_WEIGHT
from paperlane.model.tasks import UserId
from paperlane.records import accounts
from paperlane.records.accounts import Account, Role
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Admin, House, Looker, Parts

router = APIRouter(prefix="/users", tags=["users"], responses=problems.may(401, 403, 408, 413, 422))

User = Annotated[int, Path(ge=1, le=2**63 - 1, description="An account's id.")]


Limit = Annotated[int, Field(ge=1, le=LARGEST_LIMIT)]
Weight = Annotated[float, Field(ge=LEAST_WEIGHT, le=LARGEST_WEIGHT, strict=True)]
Group = Annotated[str, Field(max_length=accounts.LONGEST_GROUP)]
Quota = Annotated[
    int, Field(ge=0, le=accounts.LARGEST_QUOTA, strict=True, description="0: no limit; null: as the settings say.")
]


class Owned(BaseModel, extra="forbid"):
    """Quotas of an account's own."""

    storage_mb: Quota | None = None
    requests_a_minute: Quota | None = None
    model_tokens: Quota | None = None

    def quotas(self) -> dict[str, int | None]:
        """Those that were named."""
        return self.model_dump(include=set(Owned.model_fields), exclude_unset=True)


class NewUser(Owned):
    """An account to be."""

    name: str = Field(pattern=r"^[\w.@+-]{1,100}$")
    role: Role = Role.USER
    group: Group = ""
    limit: Limit | None = None
    weight: Weight | None = None


class Change(Owned):
    """What is to change; what is left out stays as it is, and a quota of null is as the settings say again."""

    role: Role | None = None
    group: Group | None = None
    limit: Limit | None = None
    weight: Weight | None = None
    engine: Literal["database", "inline", "pool", "arq", "celery", "rq", "auto"] | None = None
    paused: Annotated[bool, Field(strict=True)] | None = None
    force: Annotated[bool, Field(strict=True, description="Also to an engine that no worker serves.")] = False


def _shape(house: House, by: Account, user: int) -> answers.User:
    return shapes.account(*house.desk.accounts.one(by, UserId(user)))


@router.get("")
async def several(
    account: Looker,
    house: Parts,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$")] = "",
) -> answers.Page[answers.User]:
    """All accounts with their lanes, the oldest first."""
    after = int(cursor) if cursor else 0
    found = await house.threads(house.desk.accounts.page, account, after, limit + 1)
    onward = str(found[limit - 1][0].id) if len(found) > limit else None
    return shapes.page([shapes.account(*each) for each in found[:limit]], onward)


@router.post("", status_code=HTTPStatus.CREATED, responses=problems.may(409))
async def add(asked: NewUser, admin: Admin, house: Parts) -> answers.Added:
    """A new account, with a token that is shown this once."""

    def make() -> answers.Added:
        quotas = accounts.Quotas(**asked.quotas())
        account = house.desk.accounts.add_user(
            admin, asked.name, asked.role, asked.group, asked.limit, asked.weight, quotas
        )
        return {**_shape(house, admin, account.id), "token": house.desk.accounts.new_token(admin, account)}

    return await house.threads(make)


def _of(house: House, user: int) -> Account:
    return house.desk.accounts.user_of(UserId(user))


@router.get("/{user}", responses=problems.may(404))
async def one(user: User, account: Looker, house: Parts) -> answers.User:
    """An account with its lane."""
    return await house.threads(_shape, house, account, user)


@router.patch("/{user}", responses=problems.may(404, 409))
async def change(user: User, asked: Change, admin: Admin, house: Parts) -> answers.User:
    """Change an account or its lane, while everything runs; something must be named."""

    def write() -> answers.User:
        rest = asked.model_dump(exclude=set(Owned.model_fields), exclude_none=True)
        changed = house.desk.accounts.change_user(admin, _of(house, user), **rest, quotas=asked.quotas())
        return _shape(house, admin, changed.id)

    return await house.threads(write)


@router.post("/{user}/token", status_code=HTTPStatus.CREATED, responses=problems.may(404))
async def token(user: User, admin: Admin, house: Parts) -> answers.Token:
    """A fresh token; it is shown this once."""
    return {"token": await house.threads(lambda: house.desk.accounts.new_token(admin, _of(house, user)))}


@router.post("/{user}/revoke", responses=problems.may(404))
async def revoke(user: User, admin: Admin, house: Parts) -> answers.Revoked:
    """Make all tokens and sessions of an account useless."""
    return {"revoked": await house.threads(lambda: house.desk.accounts.revoke(admin, _of(house, user)))}
