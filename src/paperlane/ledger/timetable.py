"""When a cron expression comes due in a time zone, as Debian's cron has it."""

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from paperlane.errors import BadRequest

LONGEST = 100  # characters of an expression

_FIELDS = 5
_HINT = 'Write minute, hour, day of month, month, day of week: "30 6 * * MON-FRI" is half past six on working days.'


@cache
def _zones() -> frozenset[str]:
    """Those of the IANA database; `localtime` would be another one on each machine."""
    return frozenset(available_timezones() - {"localtime"})


def next_after(cron: str, timezone: str, now: float) -> float:
    """The first time after `now` (seconds since 1970) that the expression names.

    Around a change of the clocks, an expression of fixed times (neither minute nor hour starts with a star) comes due
    once a day: a time that is skipped is due as soon as the clocks have changed, one that is doubled the first time it
    comes. Any other goes by the clock on the wall: what is skipped is left out, what is doubled comes twice.

    BadRequest for what is no expression (`invalid_cron`) or no time zone (`unknown_timezone`), or never comes again.
    """
    zone = _zone(timezone)
    fields = cron.split()
    if len(fields) != _FIELDS or len(cron) > LONGEST:
        raise BadRequest(f"{cron[:LONGEST]!r} is no cron expression of five fields.", hint=_HINT, code="invalid_cron")
    try:
        for moment in CronSim(cron, datetime.fromtimestamp(now, zone)):
            if (at := moment.timestamp()) > now:  # asked in a doubled hour for its second time, it names the first
                return at
    except CronSimError as error:
        raise BadRequest(f"{cron!r} is no cron expression: {error}.", hint=_HINT, code="invalid_cron") from error
    raise BadRequest(f"{cron!r} never comes due.", hint="No month has such a day. " + _HINT, code="invalid_cron")


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise BadRequest(
            f"There is no time zone {name[:LONGEST]!r}.",
            hint="Name it as the IANA database does: Europe/Berlin, Asia/Shanghai, UTC.",
            code="unknown_timezone",
        )
    return ZoneInfo(name)
