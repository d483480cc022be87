"""The page: thin shells that small modules fill through the same interface as everybody's."""

import hashlib
import re
from collections.abc import Callable, Coroutine
from functools import cache
from http import HTTPStatus
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from paperlane.catalog import words
from paperlane.checks import DEFAULT_PROFILE, PROFILES
from paperlane.desk import STATES
from paperlane.errors import PaperlaneError
from paperlane.records.accounts import Account
from paperlane.settings import models_of
from paperlane.web import language
from paperlane.web.identity import Parts, account_of, house_of
from paperlane.web.language import Language, language_meant
from paperlane.web.pacing import pace_of
from paperlane.web.problems import problem
from paperlane.web.queue import look_at
from paperlane.web.session import set_cookie

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_A_YEAR = 31_536_000
_LONGEST = 60  # characters of a filter that is told
_OWN_PATH = re.compile(r"/(?:[\w-]+(?:/[\w-]+)*)?")


class PageRoute(APIRoute):
    """A route whose address may be typed by hand: what is wrong with it is told on a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's own, but that people are answered in words."""
        answer = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                if first["loc"][0] == "body":  # nobody typed that: it is told as to programs
                    raise
                return await self.refuse(request, str(first["loc"][0]), str(first["loc"][-1]), str(first["input"]))

        return told

    async def refuse(self, request: Request, place: str, name: str, value: str) -> Response:
        """The page for an address in which this value, of its path or its query, makes no sense."""
        lang = await language_meant(request)
        path, said = request.url.path, words(lang)
        rest = _query(request.url.query, without=name)
        way = ("/", said["documents"]) if place == "path" else (f"{path}?{rest}" if rest else path, said["without it"])
        wrong = wrong_in(lang, place, name, value)
        return await show(request, "wrong.html", lang, wrong_status(place), wrong=wrong, way=way)


async def no_page(request: Request, error: Exception) -> Response:
    """An address that is none: told in words to who reads in a browser, as a problem to programs."""
    is_read = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("Accept", "")
    told = problem(HTTPStatus.NOT_FOUND, "not_found", str(getattr(error, "detail", "")))
    if not is_read or request.url.path.startswith("/api/"):
        return told
    try:
        lang = await language_meant(request)
        said = words(lang)
        way = ("/", said["documents"])
        return await show(request, "wrong.html", lang, HTTPStatus.NOT_FOUND, wrong=said["no such page"], way=way)
    except PaperlaneError:  # nobody can say who reads: too many strangers came, or the database is away
        return told


def wrong_in(lang: str, place: str, name: str, value: str) -> str:
    """What is told of an address that makes no sense."""
    said = words(lang)
    return said["no such page"] if place == "path" else said["wrong filter"].format(name=name, value=value[:_LONGEST])


def wrong_status(place: str) -> HTTPStatus:
    """A part of a path that makes no sense names nothing that there is."""
    return HTTPStatus.NOT_FOUND if place == "path" else HTTPStatus.UNPROCESSABLE_ENTITY


router = APIRouter(include_in_schema=False, route_class=PageRoute)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


@cache
def _version() -> str:
    """Changes with any static file, so that browsers may keep them for long."""
    digest = hashlib.sha256()
    for path in sorted(_STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def mount(app: FastAPI) -> None:
    """Serve the static files, under a name that changes with them."""
    app.mount(f"/static/{_version()}", StaticFiles(directory=_STATIC), name="static")


async def show(request: Request, name: str, lang: str, status: HTTPStatus = HTTPStatus.OK, **more: Any) -> HTMLResponse:
    """A page of ours: the template with the words of the language and what more it asks for.

    Who asks too often gets one that looks again by itself; but no form goes unanswered, for what they wrote is in it.
    """
    account, headers = await account_of(request), {"Cache-Control": "no-store"}
    if account is not None and (wait := must_wait(request, account)) and request.method == "GET":
        seconds = ceil(wait)
        name, status, more = "later.html", HTTPStatus.TOO_MANY_REQUESTS, {"seconds": seconds}
        headers |= {"Retry-After": str(seconds), "Refresh": str(seconds)}
    said = words(lang)
    page = _templates().get_template(name)
    content = page.render(
        lang=lang, t=said, words=said, account=account, static=f"/static/{_version()}", path=request.url.path,
        address=address_of(request), **more,
    )  # fmt: skip
    return HTMLResponse(content, status, headers=headers)


def must_wait(request: Request, account: Account) -> float:
    """For how many seconds who asks too often must wait for a page: what is for it need not be looked for.

    `show` tells it instead of the page; whoever takes what stands in a form refuses that, and shows it again.
    """
    verdict = pace_of(request).take(request, account, house_of(request).desk.quotas.requests(account))
    return 0.0 if verdict is None else verdict.wait


def address_of(request: Request) -> str:
    """Where this page is, with what stands in its query."""
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _own(address: str, *, without: str = "") -> str:
    """The address, if its path is a plain one of ours; a browser reads more as another site than "//".

    Its query is written anew, but for the name that it shall be without: so it can be nothing but a query.
    """
    path, _, query = address.partition("?")
    if not _OWN_PATH.fullmatch(path):
        return "/"
    asked = _query(query, without=without)
    return f"{path}?{asked}" if asked else path


def _query(query: str, *, without: str) -> str:
    return urlencode([each for each in parse_qsl(query, keep_blank_values=True) if each[0] != without])


def sign_in_address(address: str) -> str:
    """Where one signs in, to go on to an address of ours."""
    goal = _own(address)
    return "/sign-in" if goal == "/" else f"/sign-in?next={quote(goal, safe='/')}"


def sign_in_first(request: Request) -> Response:
    """Sign in, and go on to where one was going."""
    return RedirectResponse(sign_in_address(address_of(request)), 303)


@router.get("/")
async def documents(request: Request, house: Parts, lang: Language, batch: str = "") -> Response:
    """Upload documents and follow them; the list is filtered by the address, by `status` and `batch`."""
    if await account_of(request) is None:
        return sign_in_first(request)
    usual = house.desk.tasks.profiles or (DEFAULT_PROFILE,)
    models = [terms.called for terms in models_of(house.settings)]
    more: dict[str, Any] = {"profiles": PROFILES, "usual": usual, "models": models, "states": STATES, "batch": batch}
    return await show(request, "documents.html", lang, **more)


@router.get("/tasks/{task}")
async def one(task: str, request: Request, lang: Language) -> Response:
    """A document beside its issues."""
    if await account_of(request) is None:
        return sign_in_first(request)
    return await show(request, "document.html", lang, task=task)


@router.get("/queue")
async def queue(request: Request, lang: Language) -> Response:
    """What runs and waits."""
    if await account_of(request) is None:
        return sign_in_first(request)
    return await show(request, "queue.html", lang)


@router.get("/queue/now")
async def queue_now(request: Request, house: Parts, lang: Language) -> Response:
    """The queue's figures, which the queue page asks for again and again."""
    account = await account_of(request)
    if account is None:
        return Response(status_code=401, headers={"HX-Redirect": sign_in_address("/queue")})
    found: dict[str, Any] = (
        {} if must_wait(request, account) else {"queue": await house.threads(look_at, house, account)}
    )
    return await show(request, "queue_now.html", lang, **found)


@router.get("/sign-in")
async def sign_in(
    request: Request, house: Parts, lang: Language, once: str = "", goal: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Sign in by token, or at once by a link that is good for one time; then go on to `next`."""
    onward = RedirectResponse(_own(goal), 303)
    spends = once and "only_head" not in request.scope
    if spends and (session := await house.threads(house.desk.accounts.use_link, once)) is not None:
        set_cookie(onward, request, house, session)
        return onward
    if await account_of(request) is not None:
        return onward
    return await show(request, "sign_in.html", lang, spent=bool(once))


@router.get("/language/{wanted}")
async def speak(wanted: Literal["en", "zh"], request: Request) -> Response:
    """Choose the page's language, and go back to where one was."""
    answer = RedirectResponse(_own(request.query_params.get("back", "/"), without="lang"), 303)
    answer.set_cookie(language.COOKIE, wanted, max_age=_A_YEAR, samesite="lax")
    return answer
