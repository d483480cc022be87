"""`/session`: the page's sign-in."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from paperlane.errors import NotAllowed, SignInNeeded
from paperlane.web import shapes
from paperlane.web.identity import COOKIE, Asker, House, Parts, is_own_origin, session_cookie

router = APIRouter(prefix="/session", tags=["session"])


class SignIn(BaseModel, extra="forbid"):
    """A token to sign in with."""

    token: str = Field(max_length=200)


def set_cookie(response: Response, request: Request, house: House, digest: str) -> None:
    """Sign in: no script may read the cookie, and no other site can send it."""
    response.set_cookie(
        COOKIE,
        session_cookie(house, digest),
        max_age=house.settings.session_hours * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


@router.post("")
async def sign_in(asked: SignIn, request: Request, response: Response, house: Parts) -> dict[str, Any]:
    """Begin a session of the page."""
    if not is_own_origin(request):
        raise NotAllowed("The request comes from another site.", code="foreign_origin")
    found = await house.threads(house.desk.account_of_token, asked.token.strip())
    if found is None:
        raise SignInNeeded(
            "This token is not known.", code="unknown_token", hint="Ask an admin for one: paperlane user token NAME."
        )
    account, digest = found
    set_cookie(response, request, house, digest)
    return shapes.account(account)


@router.get("")
async def who(account: Asker) -> dict[str, Any]:
    """Who is signed in."""
    return shapes.account(account)


@router.delete("", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(response: Response) -> None:
    """End the session."""
    response.delete_cookie(COOKIE, samesite="strict", httponly=True)
