"""When a cron expression comes due in a time zone, as Debian's cron has it."""

from datetime import datetime, timedelta
from functools import cache
from math import inf
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
    comes. Any other goes by the clock on the wall, whenever it shows such a time: what is skipped is left out, what is
    doubled comes twice. However long the change is: half an hour on Lord Howe Island.

    BadRequest for what is no expression (`invalid_cron`) or no time zone (`unknown_timezone`), or never comes again.
    """
    zone = _zone(timezone)
    fields = cron.split()
    if len(fields) != _FIELDS or len(cron) > LONGEST:
        raise BadRequest(f"{cron[:LONGEST]!r} is no cron expression of five fields.", hint=_HINT, code="invalid_cron")
    minute, hour = fields[:2]
    try:
        at = (_shown if minute.startswith("*") or hour.startswith("*") else _fixed)(cron, zone, now)
    except CronSimError as error:
        raise BadRequest(f"{cron!r} is no cron expression: {error}.", hint=_HINT, code="invalid_cron") from error
    if at == inf:
        raise BadRequest(f"{cron!r} never comes due.", hint="No month has such a day. " + _HINT, code="invalid_cron")
    return at


def _fixed(cron: str, zone: ZoneInfo, now: float) -> float:
    """Once a day."""
    moments = (moment.timestamp() for moment in CronSim(cron, datetime.fromtimestamp(now, zone)))
    return next((at for at in moments if at > now), inf)  # in a doubled hour it names what came already


def _shown(cron: str, zone: ZoneInfo, now: float) -> float:
    """Whenever the clock on the wall shows such a time.

    CronSim counts on a clock that nobody changes: on one that changes, it goes by whole hours, and passes times by
    where it was set by less. So each time that it names is looked for here, once or twice.
    """
    wall, soonest = datetime.fromtimestamp(now, zone), inf
    first, second = (wall.replace(fold=fold).timestamp() for fold in (0, 1))
    start = wall.replace(tzinfo=None) - timedelta(seconds=second - first)  # what is doubled may come yet, from before
    for time in CronSim(cron, start):
        comes = _times(time, zone)
        soonest = min([soonest, *(at for at in comes if at > now)])
        if comes and comes[0] > now:  # later ones come later, also for the second time
            break
    return soonest


def _times(shown: datetime, zone: ZoneInfo) -> list[float]:
    """When a clock in this zone shows this time: once; twice where it is set back, never where it is set forward."""
    ats = {shown.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)}
    return [at for at in sorted(ats) if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == shown]


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise BadRequest(
            f"There is no time zone {name[:LONGEST]!r}.",
            hint="Name it as the IANA database does: Europe/Berlin, Asia/Shanghai, UTC.",
            code="unknown_timezone",
        )
    return ZoneInfo(name)
