"""Who asks: by bearer token, or by the page's session cookie."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection

from paperlane.desk import Desk
from paperlane.errors import NotAllowed, SignInNeeded
from paperlane.records.accounts import Account, Role
from paperlane.settings import Settings
from paperlane.threads import Threads

COOKIE = "paperlane_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class House:
    """What the routers share: `app.state.house`."""

    desk: Desk
    settings: Settings
    threads: Threads
    signer: URLSafeTimedSerializer


def house_of(connection: HTTPConnection) -> House:
    """The parts behind a request or a WebSocket."""
    return connection.app.state.house


def session_cookie(house: House, digest: str) -> str:
    """The signed value of a session that stands on the token of this hash."""
    return house.signer.dumps(digest)


async def account_of(connection: HTTPConnection) -> Account | None:
    """Who asks, None for a stranger; a session ends with the token that it stands on."""
    house = house_of(connection)
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        found = await house.threads(house.desk.account_of_token, token.strip())
        return found[0] if found else None
    if (cookie := connection.cookies.get(COOKIE)) is None:
        return None
    try:
        digest = house.signer.loads(cookie, max_age=house.settings.session_hours * 3600)
    except BadSignature:
        return None
    found = await house.threads(house.desk.account_of_hash, str(digest))
    return found[0] if found else None


def is_own_origin(connection: HTTPConnection) -> bool:
    """Does the request come from a page of ours, or from no page at all?"""
    origin = connection.headers.get("Origin")
    if origin is None or origin in house_of(connection).settings.allowed_origins:
        return True
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        return False
    return site != "" and site == connection.headers.get("Host")


async def _asker(request: Request) -> Account:
    account = await account_of(request)
    if account is None:
        raise SignInNeeded("Nobody is signed in.", hint="Send your token: Authorization: Bearer TOKEN.")
    by_cookie = "Authorization" not in request.headers
    if by_cookie and request.method not in _SAFE and not is_own_origin(request):
        raise NotAllowed("The request comes from another site.", code="foreign_origin")
    return account


async def _admin(account: "Asker") -> Account:
    if account.role is not Role.ADMIN:
        raise NotAllowed("Only an admin may do this.")
    return account


Asker = Annotated[Account, Depends(_asker)]
Admin = Annotated[Account, Depends(_admin)]
Parts = Annotated[House, Depends(house_of)]
