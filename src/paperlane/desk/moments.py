"""Times as people say them."""

import re
from datetime import UTC, datetime
from math import isfinite

from paperlane.errors import BadRequest

_TIME = "Write it as 2027-01-31T08:00:00Z."
_OR_AGO = "Write it as 2027-01-31T08:00:00Z, or as how long ago: 30s, 90m, 12h, 7d, 2w."
_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_TEN_DIGITS = 1e9  # seconds since 1970: in 2001


def moment_of(said: str) -> float:
    """Seconds since 1970 of a time that is said so, or in ISO 8601 (UTC without an offset). BadRequest for no time.

    Eight digits are a date. Other numbers of less than ten digits are no time: 2027 means no second of 1970.
    """
    if len(said) == len("20270131") and said.isdecimal():
        return _seconds(said)
    try:
        at = float(said)
    except ValueError:
        return _seconds(said)
    if not isfinite(at) or 0 < at < _TEN_DIGITS:
        raise BadRequest(f"{said!r} is no time.", hint=_TIME)
    return at


def moment_or_ago(said: str, now: float) -> float:
    """The same; or so long before now: 30s, 90m, 12h, 7d, 2w. What lies before 1970 is 0."""
    said = said.strip()
    if (ago := _AGO.fullmatch(said)) is not None:
        return max(0.0, now - float(ago[1]) * _SECONDS[ago[2]])
    try:
        return max(0.0, moment_of(said))
    except BadRequest as error:
        raise BadRequest(error.message, code="no_time", hint=_OR_AGO) from error


def _seconds(said: str) -> float:
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        raise BadRequest(f"{said!r} is no time.", hint=_TIME) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
