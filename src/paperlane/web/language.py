"""The language of an answer: asked for by `?lang=`, by the page's cookie, or by the browser."""

from typing import Annotated, Literal

from fastapi import Depends, Query
from starlette.requests import HTTPConnection

COOKIE = "paperlane_language"


async def language_of(connection: HTTPConnection, lang: Annotated[Literal["", "en", "zh"], Query()] = "") -> str:
    """Either "en" or "zh"."""
    wanted = lang or connection.cookies.get(COOKIE, "")
    if wanted in {"en", "zh"}:
        return wanted
    first = connection.headers.get("Accept-Language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


async def language_meant(connection: HTTPConnection) -> str:
    """The same of an address in which something is wrong, maybe its language."""
    match connection.query_params.get("lang"):
        case "en" | "zh" as lang:
            return lang
        case _:
            return await language_of(connection)


Language = Annotated[str, Depends(language_of)]
