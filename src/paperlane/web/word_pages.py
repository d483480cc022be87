"""The pages of each group's words: its members read them, admins edit them, a line for each entry."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from paperlane.catalog import tell, words
from paperlane.checks.words import MOST, Words, term_in
from paperlane.errors import BadRequest, NotFound
from paperlane.web.identity import Parts, account_of, caller_of, check_origin
from paperlane.web.language import Language
from paperlane.web.pages import PageRoute, must_wait, show, sign_in_first

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_NONE = Words()


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form, and what is wrong with it: by field, or with the whole of it under ""."""

    terms: str
    ignored: str
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)


@router.get("/words")
async def groups(request: Request, house: Parts, lang: Language) -> Response:
    """The groups whose words one reads; where it is one only, its words."""
    account = await account_of(request)
    if account is None:
        return sign_in_first(request)
    found = await house.threads(house.desk.words.groups, account)
    if len(found) == 1:
        return RedirectResponse(_address(found[0]), HTTPStatus.SEE_OTHER)
    return await show(request, "groups.html", lang, groups=[(group, _address(group)) for group in found])


@router.get("/words/{group:path}")
async def one(group: str, request: Request, house: Parts, lang: Language) -> Response:
    """A group's words, for admins as a form."""
    account = await account_of(request)
    if account is None:
        return sign_in_first(request)
    try:
        kept = await house.threads(house.desk.words.of, account, group)
    except NotFound:
        return await _show(request, lang, HTTPStatus.NOT_FOUND, group="")
    draft = Draft(*_lines(kept)) if account.operates else None
    saved = "saved" in request.query_params
    return await _show(request, lang, group=group, draft=draft, kept=kept, seen=_seen(kept), saved=saved)


@router.post("/words/{group:path}")
async def put(
    group: str,
    request: Request,
    house: Parts,
    lang: Language,
    terms: Annotated[str, Form()] = "",
    ignored: Annotated[str, Form()] = "",
    seen: Annotated[str, Form()] = "",
) -> Response:
    """Keep what stands in the form; where it cannot be kept it is shown again with what is wrong."""
    said = words(lang)
    caller = await caller_of(request)
    if caller is None:
        # the session ended while they wrote: they sign in beside it, and send this form again
        lost = Draft(terms, ignored, {"": [said["words signed out"]]})
        return await _show(request, lang, HTTPStatus.UNAUTHORIZED, group=group, draft=lost, seen=seen)
    if caller.session:
        check_origin(request)
    if wait := must_wait(request, caller.account):
        seconds = ceil(wait)
        early = Draft(terms, ignored, {"": [said["words too often"].format(seconds=seconds)]})
        answer = await _show(request, lang, HTTPStatus.TOO_MANY_REQUESTS, group=group, draft=early, seen=seen)
        answer.headers["Retry-After"] = str(seconds)
        return answer
    desk = house.desk.words
    desk.check_may_put(caller.account)
    now = _seen(await house.threads(desk.of, caller.account, group))
    wanted, faults = _read(terms, ignored, lang)
    if not faults and seen != now:
        faults[""] = [said["words changed"]]
    if not faults:
        try:
            await house.threads(desk.put, caller.account, group, wanted)
        except BadRequest as error:
            faults[""] = [_told(error, lang)]
        else:
            return RedirectResponse(f"{_address(group)}?saved=1", HTTPStatus.SEE_OTHER)
    wrong = Draft(terms, ignored, faults)
    return await _show(request, lang, HTTPStatus.UNPROCESSABLE_ENTITY, group=group, draft=wrong, seen=now)


async def _show(
    request: Request,
    lang: str,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    group: str,
    draft: Draft | None = None,
    kept: Words = _NONE,
    seen: str = "",
    saved: bool = False,
) -> Response:
    more = {"group": group, "draft": draft, "kept": kept, "seen": seen, "saved": saved}
    return await show(request, "words.html", lang, status=status, **more)


def _address(group: str) -> str:
    return f"/words/{quote(group)}"


def _lines(kept: Words) -> tuple[str, str]:
    """The glossary and the ignored words as they stand in the form."""
    terms = (f"{term}: {meaning}" if meaning else term for term, meaning in kept.terms.items())
    return "\n".join(terms), "\n".join(kept.ignored)


def _seen(kept: Words) -> str:
    """Tells whether somebody else changed the words since they were shown."""
    return hashlib.sha256("\0".join(_lines(kept)).encode()).hexdigest()[:16]


def _read(terms: str, ignored: str, lang: str) -> tuple[Words, dict[str, list[str]]]:
    """What the form says, and what is wrong in which line of which field."""
    said = words(lang)
    meant, unheard = list(_entries(terms)), list(_entries(ignored))
    if (count := len(meant) + len(unheard)) > MOST:  # a body may have more lines than are worth looking at
        hint = f"Keep at most {MOST:,} words."
        too_many = BadRequest(f"There are too many words: {count:,}.", code="too_many_words", hint=hint)
        return Words(), {"": [_told(too_many, lang)]}
    glossary: dict[str, str] = {}
    first: dict[str, int] = {}
    faults: dict[str, list[str]] = {}

    def wrong(part: str, number: int, what: str) -> None:
        faults.setdefault(part, []).append(said["words line"].format(line=number, what=what))

    for number, line in meant:
        try:
            ((term, meaning),) = Words(dict([term_in(line) or (line, "")])).checked().terms.items()
        except BadRequest as error:
            wrong("terms", number, _told(error, lang))
            continue
        if glossary.get(term, meaning) != meaning:
            wrong("terms", number, said["words twice"].format(term=term, line=first[term]))
        glossary.setdefault(term, meaning)
        first.setdefault(term, number)
    for number, word in unheard:
        try:
            Words(ignored=[word]).checked()
        except BadRequest as error:
            wrong("ignored", number, _told(error, lang))
    return Words(glossary, [word for _, word in unheard]), faults


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip())


def _told(error: BadRequest, lang: str) -> str:
    parts = tell(error.code, lang, error.message, error.hint)
    return ("" if lang == "zh" else " ").join(filter(None, parts))
