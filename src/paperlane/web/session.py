"""`/session`: the page's sign-in."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from paperlane.errors import SignInNeeded
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import COOKIE, Asker, House, Parts, caller_of, check_origin, holder_of

router = APIRouter(prefix="/session", tags=["session"], responses=problems.may(403, 408, 413))


class SignIn(BaseModel, extra="forbid"):
    """A token to sign in with."""

    token: str = Field(max_length=200)


def set_cookie(response: Response, request: Request, house: House, session: str) -> None:
    """Sign in: no script may read the cookie, and what another site sends with it can only open a page.

    It is for TLS only where the page came by that; of a proxy that does not tell, the browser's `Origin` does.
    """
    response.set_cookie(
        COOKIE,
        house.signer.dumps(session),
        max_age=house.settings.session_hours * 3600,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https" or request.headers.get("Origin", "").startswith("https://"),
    )


@router.post("", responses=problems.may(401, 422, 429))
async def sign_in(asked: SignIn, request: Request, response: Response, house: Parts) -> answers.User:
    """Begin a session of the page."""
    check_origin(request)
    found = await holder_of(request, asked.token.strip())
    if found is None:
        raise SignInNeeded(
            "This token is not known.", code="unknown_token", hint="Ask an admin for one: paperlane user token NAME."
        )
    account, digest = found
    set_cookie(response, request, house, await house.threads(house.desk.accounts.begin_session, account, digest))
    return shapes.account(account)


@router.get("", responses=problems.may(401))
async def who(account: Asker) -> answers.User:
    """Who is signed in."""
    return shapes.account(account)


@router.delete("", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(request: Request, response: Response, house: Parts) -> None:
    """End the session; the token that it stands on goes on."""
    caller = await caller_of(request)
    if caller and caller.session:
        check_origin(request)
        await house.threads(house.desk.accounts.end_session, caller.session)
    response.delete_cookie(COOKIE, samesite="lax", httponly=True)
