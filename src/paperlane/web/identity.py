"""Who asks: by bearer token, or by the page's session cookie."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from structlog.contextvars import bind_contextvars

from paperlane import tracing
from paperlane.desk import Desk, Order, Submitted
from paperlane.desk.rights import check_looks
from paperlane.desk.watching import Lanes
from paperlane.errors import NotAllowed, SignInNeeded
from paperlane.gathering import Gathering
from paperlane.records.accounts import Account, Role
from paperlane.settings import Settings
from paperlane.threads import Threads
from paperlane.web.looks import Looks
from paperlane.web.pacing import pace_of

COOKIE = "paperlane_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class House:
    """What the routers share: `app.state.house`."""

    desk: Desk
    settings: Settings
    threads: Threads
    submits: Gathering[None, tuple[Account, Order], Submitted]
    signer: URLSafeTimedSerializer
    looks: Looks[Lanes]


def house_of(connection: HTTPConnection) -> House:
    """The parts behind a request or a WebSocket."""
    return connection.app.state.house


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `session` is the session of the page that says so, "" where a token does."""

    account: Account
    session: str = ""


async def caller_of(connection: HTTPConnection) -> Caller | None:
    """Who asks, None for a stranger; from here on lines of the log and the request's span say so.

    A token goes first; any other Authorization is for somebody before us. TooMany where too many strangers came from
    the same address.
    """
    if (caller := await _found(connection)) is not None:
        bind_contextvars(user=caller.account.id)
        tracing.note(user=caller.account.id)
    return caller


async def _found(connection: HTTPConnection) -> Caller | None:
    house = house_of(connection)
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (token := token.strip()):
        found = await holder_of(connection, token)
        return Caller(found[0]) if found else None
    if (cookie := connection.cookies.get(COOKIE)) is None:
        return None
    try:
        session = str(house.signer.loads(cookie, max_age=house.settings.session_hours * 3600))
    except BadSignature:
        return None
    account = await house.threads(house.desk.accounts.of_session, session)
    return Caller(account, session) if account else None


async def holder_of(connection: HTTPConnection, token: str) -> tuple[Account, str] | None:
    """Who holds this token, and its hash. TooMany where too many that nobody knows came from the same address."""
    house, pace = house_of(connection), pace_of(connection)
    pace.admit(connection, token)
    is_good = None
    try:
        found = await house.threads(house.desk.accounts.of_token, token)
        is_good = found is not None
    finally:
        pace.told(connection, token, is_good=is_good)
    return found


async def account_of(connection: HTTPConnection) -> Account | None:
    """The account that asks, None for a stranger."""
    caller = await caller_of(connection)
    return caller.account if caller else None


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


def check_origin(connection: HTTPConnection) -> None:
    """NotAllowed for a request that another site's page makes."""
    if not is_own_origin(connection):
        raise NotAllowed("The request comes from another site.", code="foreign_origin")


# for the description only: what they find is looked at above
_BY_TOKEN = HTTPBearer(auto_error=False, scheme_name="token", description="A token: `paperlane user token NAME`.")
_BY_SESSION = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="POST /session.")


async def _asker(
    request: Request,
    _token: Annotated[object, Security(_BY_TOKEN)] = None,
    _session: Annotated[object, Security(_BY_SESSION)] = None,
) -> Account:
    caller = await caller_of(request)
    if caller is None:
        told = "The token is unknown or revoked." if "Authorization" in request.headers else "Nobody is signed in."
        raise SignInNeeded(told, hint="Send a valid token: Authorization: Bearer TOKEN.")
    if caller.session and request.method not in _SAFE:
        check_origin(request)  # a browser adds the cookie by itself, whoever wrote the page
    pace_of(request).check(request, caller.account, house_of(request).desk.quotas.requests(caller.account))
    return caller.account


async def _parts(request: Request) -> House:  # no plain function: FastAPI would send for a thread for each request
    return house_of(request)


async def _admin(account: "Asker") -> Account:
    if account.role is not Role.ADMIN:
        raise NotAllowed("Only an admin may do this.")
    return account


async def _looker(account: "Asker") -> Account:
    check_looks(account)
    return account


Asker = Annotated[Account, Depends(_asker)]
Looker = Annotated[Account, Depends(_looker)]
Admin = Annotated[Account, Depends(_admin)]
Parts = Annotated[House, Depends(_parts)]
