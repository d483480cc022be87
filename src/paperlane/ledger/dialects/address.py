"""Database URLs: read so that a mistake is said in one sentence, and shown without their secrets."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from paperlane.errors import Misconfigured

FORMS = "sqlite:///PATH, postgresql://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE"

_SECRET = re.compile(r"^.*@|\?.*$", re.DOTALL)


def read(url: str) -> URL:
    """The parts of a database URL. Misconfigured for what is none."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        said = _SECRET.sub(lambda found: "***@" if found[0].endswith("@") else "?***", url)
        raise Misconfigured(f"{said!r} is no database URL.", hint=f"Write it as {FORMS}.") from error


def of_server(url: str, driver: str) -> URL:
    """The same of a database on a server, with the driver's name. Misconfigured where it names no database."""
    at = read(url)
    if not at.database:
        raise Misconfigured(f"{shown(at)} names no database.", hint=f"Write it as {FORMS}.")
    return at.set(drivername=driver)


def check_options(url: URL, check: Callable[[Mapping[str, Any]], object]) -> None:
    """Misconfigured for options after the question mark that the driver does not know: `check` raises for them."""
    try:
        check(url.get_dialect()().create_connect_args(url)[1])
    except Exception as error:
        raise Misconfigured(
            f"{shown(url)} has an option that makes no sense, among {', '.join(url.query)}.",
            hint="Look it up with the driver: psycopg for PostgreSQL, PyMySQL for MariaDB.",
        ) from error


def shown(url: URL) -> str:
    """The URL without what is secret: the password, and options, which may hold another one."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)
