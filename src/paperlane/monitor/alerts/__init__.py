"""Troubles that somebody is told of: one alert a file, each with figures that are loud and some that are quiet."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules

from paperlane.model.figures import Figures
from paperlane.model.tallies import NONE, Histogram
from paperlane.settings import Settings

WINDOW = 600.0
"""Seconds for which looks are remembered."""

_SHORTEST = 55.0  # seconds that counts are looked at for: a minute, give or take a look
_LONGEST = 300.0  # seconds, where little is counted
_GAP = 2.5  # times what lay between two looks before


class Severity(StrEnum):
    """How soon somebody should look."""

    WARNING = "warning"
    CRITICAL = "critical"


class Subject(StrEnum):
    """What an alert's incidents are each of."""

    NONE = ""  # there is one, of the whole
    ENGINE = "engine"
    ENGINE_ON_HOST = "engine on host"
    HOST = "host"
    RESOURCE = "resource"
    USER = "user"


class Unit(StrEnum):
    """What a value counts, and how it is said."""

    NUMBER = "number"
    SECONDS = "seconds"
    SHARE = "share"

    def said(self, value: float) -> str:
        """A value for people of every language."""
        match self:
            case Unit.NUMBER:
                return f"{value:,.0f}"
            case Unit.SECONDS:
                return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"  # noqa: PLR2004  as exact as one reads it
            case Unit.SHARE:
                return f"{value:.1%}"


@dataclass(frozen=True, slots=True)
class Sight:
    """What an alert judges: a look, and those of the last ten minutes before it, the oldest first."""

    now: Figures
    before: Sequence[Figures] = ()

    def counted(self, name: str, labels: Sequence[str], least: int) -> Histogram:
        """What all processes counted lately under these labels: in the last minute, or longer until it is enough.

        Nothing where less than `least` was counted in five minutes: a few values are no trouble of the whole.
        """
        found = self.counted_by(name, labels, least)
        return sum(found.values(), NONE)

    def counted_by(self, name: str, labels: Sequence[str], least: int) -> Mapping[str, Histogram]:
        """The same by label; `least` is of all together."""
        for earlier in self._looks():
            found = {label: _told(self.now, name, label) - _told(earlier, name, label) for label in labels}
            if any(min(one.counts) < 0 for one in found.values()):
                break  # it is another database now
            if sum(one.count for one in found.values()) >= least:
                return found
        return {}

    def minute_ago(self) -> Figures | None:
        """The look of a minute ago, or the first one; None where this is the first."""
        return next(iter(self._looks()), None)

    @property
    def goes_on(self) -> bool:
        """Did the looks before come as quickly as usual? Not at the first look, nor after a gap, as of a database.

        Workers have told nothing meanwhile either: what is old then may be told anew in a moment.
        """
        at = [look.at for look in (*self.before[-2:], self.now)]
        return len(at) > 1 and (len(at) == 2 or at[2] - at[1] <= _GAP * (at[1] - at[0]))  # noqa: PLR2004  looks

    def _looks(self) -> Iterator[Figures]:
        """Those of a minute to five minutes ago, the latest first; of a watch that just began its first one."""
        for earlier in reversed(self.before):
            passed = self.now.at - earlier.at
            if passed > _LONGEST:
                return
            if passed >= _SHORTEST or (earlier is self.before[0] and passed > 0):
                yield earlier

    def lasts(self, trouble: Callable[[Figures], bool]) -> float:
        """For how many seconds every look has found this, up to now; 0 where this look does not, or is the first."""
        since = self.now.at
        for look in (self.now, *reversed(self.before)):
            if not trouble(look):
                break
            since = look.at
        return self.now.at - since

    def labels(self, name: str) -> Sequence[str]:
        """All labels that were counted under a name."""
        return [label for one, label in self.now.tallies if one == name]


def _told(of: Figures, name: str, label: str) -> Histogram:
    return of.tallies.get((name, label), NONE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What an alert reads of a subject, "" for the whole. None: that is not known now, and all stays as it is.

    `params` fill its sentence, beside the value and the limit.
    """

    value: float | None
    subject: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """A trouble, and how it is judged: what `find` reads is loud above the limit, and quiet at `calm` of it or below.

    The limit is that setting, or `otherwise` where there is none. An incident opens after `rises` loud looks in a row,
    and closes after `falls` quiet ones; a subject that is not read is quiet. `loud` and `quiet` are examples, which one
    test runs for all alerts.
    """

    name: str
    why: str
    severity: Severity
    unit: Unit
    find: Callable[[Sight], Iterable[Reading]]
    loud: Sequence[Sight]
    quiet: Sequence[Sight]
    subject: Subject = Subject.NONE
    setting: str = ""
    otherwise: float = 0.0
    calm: float = 0.9
    rises: int = 2
    falls: int = 3

    def limit(self, settings: Settings) -> float:
        """By these settings."""
        return float(getattr(settings, self.setting)) if self.setting else self.otherwise


def one(now: Figures, *before: Figures) -> Sight:
    """A look, with the ones before it, the oldest first."""
    return Sight(now, before)


def _all() -> Iterator[Alert]:
    for module in iter_modules(__path__):
        found = getattr(import_module(f"{__name__}.{module.name}"), "ALERT", None)
        if found is not None:
            yield found


ALERTS: Mapping[str, Alert] = {alert.name: alert for alert in _all()}
"""Every alert there is, by its name: that of its file, with hyphens."""
