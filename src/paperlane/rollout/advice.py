"""What the recent load asks for: signs that the present engine is outgrown, and the stage that fits.

Pure: made of tasks, of looks at the queue, and of the machines that workers are on.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, inf

from paperlane.ledger.evidence import Carried
from paperlane.model.figures import Series
from paperlane.model.tasks import UserId
from paperlane.rollout.comparison import Sampled

MOST_USERS = 200
"""At once, that the database queue is meant for; and `MOST_ARQ` that ARQ is."""
MOST_ARQ = 1_000
MOST_AT_ONCE = 50
MOST_A_DAY = 1_000
LONG = 600.0
"""Seconds; an attempt of arq and of rq is carried for so long."""
LEAST_DAYS = 1.0
LEAST_TASKS = 50

_DAY = 86_400.0
_FEW_LONG = 0.01  # share of tasks that may be long: one in a hundred is an accident
_FULL = 0.95  # of the slots
_OFTEN_FULL = 0.05  # share of the time
_WAITED = 60.0  # seconds that 95 % of the tasks should not wait longer than
_BUSY = 0.8  # share of a machine's processors, as the adaptive limits have it
_LOOKED = 0.9  # share of the time: looks at so much of it tell a peak


class Stage(StrEnum):
    """What carries such a load."""

    DATABASE = "database"
    ARQ = "arq"
    CELERY = "celery"


_ORDER = list(Stage)
_CARRIED_FOR: Mapping[Stage, tuple[str, float]] = {Stage.ARQ: ("ARQ", LONG)}
"""The name of what carries no attempt for longer than so many seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of the queue at a time, for so many `seconds`; by the names of samples."""

    at: float
    seconds: float
    series: Series


@dataclass(frozen=True, slots=True)
class Recent:
    """The load of a while, from `since` to `until` (seconds since 1970).

    `tasks` are those that were found as `sampled` says; looks are at everybody's. `hosts` are the machines that live
    workers are on.
    """

    since: float
    until: float
    tasks: Sequence[Carried] = ()
    looks: Sequence[Look] = ()
    hosts: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    sampled: Sampled = field(default_factory=Sampled)

    @property
    def share(self) -> float:
        """Of how many of the users tasks are told, 0 to 1."""
        return self.sampled.asked / self.sampled.users if self.sampled.users else 1.0


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign: its figure and the limit, in words of its `unit`. `shows` that more is needed; None: it is not known.

    `asks` is the least stage that bears it, where it decides a stage at all. The figure is what was counted: it is
    `at_least` so much where not all tasks were read, and `about` so much by the share of the users whose were (None
    where all were asked, or where more was seen).
    """

    name: str
    figure: float | None
    limit: float
    unit: str
    shows: bool | None
    asks: Stage | None
    words: str
    at_least: bool = False
    about: float | None = None


@dataclass(frozen=True, slots=True)
class Caution:
    """By what the advice may be wrong, or what it overlooks: a stable code, and a sentence."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The stage that fits, why, and what to do. `days` of history were there, with so many `tasks`; is it `enough`?"""

    stage: Stage
    enough: bool
    days: float
    tasks: int
    signs: Sequence[Sign]
    words: str
    steps: Sequence[str]
    sampled: Sampled
    cautions: Sequence[Caution]


def advise(of: Recent) -> Advice:
    """What this load asks for."""
    signs = [
        (users := _users(of)),
        _at_once(of),
        _a_day(of),
        _long(of),
        (full := _full(of)),
        _waits(of),
        (machines := _machines(of, full)),
    ]
    asked = [sign.asks for sign in signs if sign.shows and sign.asks is not None]
    stage = max([Stage.DATABASE, *asked], key=_ORDER.index)
    days = _days(of)
    return Advice(
        stage,
        days >= LEAST_DAYS and len(of.tasks) >= LEAST_TASKS,
        days,
        len(of.tasks),
        signs,
        _words(stage, signs),
        _steps(of, stage, full, machines),
        of.sampled,
        [*_of_sample(of), *_unknown(signs), *_perhaps_celery(users, stage), *_too_long(of, stage)],
    )


def _days(of: Recent) -> float:
    """From the first that is known to the end."""
    times = [*(task.queued_at for task in of.tasks), *(look.at for look in of.looks)]
    return max(0.0, of.until - min(times)) / _DAY if times else 0.0


def _peak(spans: Iterable[tuple[float, float, int]]) -> int:
    """How many different ones there were at once at most."""
    ends: list[tuple[float, int, int]] = []
    for begin, end, one in spans:
        if end > begin:
            ends += [(begin, 1, one), (end, 0, one)]
    here, most = Counter[int](), 0
    for _, comes, one in sorted(ends):  # who goes at an instant is gone before another one comes
        here[one] += 1 if comes else -1
        if not here[one]:
            del here[one]
        most = max(most, len(here))
    return most


def _seen(of: Recent, name: str) -> float:
    return max((look.series[name] for look in of.looks if name in look.series), default=0.0)


def _is_whole(of: Recent, name: str) -> bool:
    """Is a peak of this name known of everybody: by all tasks, or by looks nearly all of the time?"""
    looked = sum(look.seconds for look in of.looks if name in look.series)
    return of.sampled.whole or looked >= _LOOKED * (of.until - of.since)


def _by_share(of: Recent, counted: float, seen: float) -> float | None:
    """What it is of all users, if those who were not asked are like those who were; None if no more than was seen."""
    about = counted / of.share if 0 < of.share < 1 else 0.0
    return about if about > seen else None


def _over(most: float, limit: float, possible: float) -> bool | None:
    """Is a peak over the limit that was at least so high, as far as that is known?

    A peak of a part of the users is a larger share of the peak of all than they are of the users, for it is the time
    when chance had most of them there. So only what is `possible` decides that it is not.
    """
    if most > limit:
        return True
    return False if possible <= limit else None


def _users(of: Recent) -> Sign:
    peak = _peak((one.queued_at, one.ended_at or of.until, one.user) for one in of.tasks)
    most, about = max(float(peak), ceil(_seen(of, "users"))), None
    words = f"At most {most:,.0f} users had something under way at once."
    possible, whole = most, _is_whole(of, "users")
    if not whole:
        about = _by_share(of, peak, most)
        possible = (peak + of.sampled.cut) / of.share if of.share else inf  # who was cut may have been there too
        words = f"At the peak at least {most:,.0f} users had something under way at once{_told(about)}."
    shows = _over(most, MOST_USERS, possible)
    asks = Stage.CELERY if most > MOST_ARQ else Stage.ARQ
    return Sign("concurrent_users", most, MOST_USERS, "users", shows, asks, words, not whole, about)


def _at_once(of: Recent) -> Sign:
    numbered = enumerate(one for one in of.tasks if one.begun_at)
    peak = _peak((one.begun_at, one.ended_at or of.until, number) for number, one in numbered)
    most, about = max(float(peak), ceil(_seen(of, "running"))), None
    words = f"At most {most:,.0f} tasks ran at once."
    possible, whole = most, _is_whole(of, "running")
    if not whole:
        about = _by_share(of, peak, most)
        possible = inf if of.sampled.cut or not of.share else peak / of.share
        words = f"At the peak at least {most:,.0f} tasks ran at once{_told(about)}."
    shows = _over(most, MOST_AT_ONCE, possible)
    return Sign("concurrent_tasks", most, MOST_AT_ONCE, "tasks", shows, Stage.ARQ, words, not whole, about)


def _told(about: float | None) -> str:
    return "" if about is None else f", about {about:,.0f} by the share of the users who were asked"


def _a_day(of: Recent) -> Sign:
    """Of the busiest 24 hours; of fewer than that no more than came.

    It is a sum, so that of a part of the users stands for all; but not where the earlier tasks of some are missing.
    """
    came = sorted(one.queued_at for one in of.tasks if one.queued_at <= of.until)
    most = float(max((bisect_left(came, at + _DAY) - first for first, at in enumerate(came)), default=0))
    about = _by_share(of, most, most)
    whole, mean = of.share or 1.0, len(came) / max(1.0, _days(of))
    words = f"{most / whole:,.0f} tasks came in the busiest 24 hours, {mean / whole:,.0f} a day in all"
    if about is not None:
        words = f"about {words}, by the share of the users who were asked"
    if of.sampled.cut or not of.share:
        words = f"at least {words}"
    possible = inf if of.sampled.cut or not of.share else most / whole
    shows = _over(most / whole, MOST_A_DAY, possible)
    at_least, words = not of.sampled.whole, words[:1].upper() + words[1:] + "."
    return Sign("tasks_a_day", most, MOST_A_DAY, "tasks", shows, Stage.ARQ, words, at_least, about)


def _long(of: Recent) -> Sign:
    """By how long tasks held a slot: whoever gave their turn back, and waited for another one, ran no longer for it."""
    held = [one.seconds for one in of.tasks if one.begun_at]
    long = sum(seconds > LONG for seconds in held)
    share = long / len(held) if held else None
    words = "No task has begun."
    if held:
        longest = f"the longest {max(held) / 60:,.1f}"
        words = f"{long:,} of {len(held):,} tasks held a slot for more than 10 minutes, {longest}."
    shows = None if share is None else share > _FEW_LONG
    return Sign("long_tasks", share, _FEW_LONG, "share", shows, Stage.CELERY, words)


def _full(of: Recent) -> Sign:
    known = [look for look in of.looks if {"running", "slots", "queued"} <= look.series.keys()]
    whole = sum(look.seconds for look in known)
    if not whole:
        words = "Not known: `paperlane serve` has kept no samples of this time."
        return Sign("saturation", None, _OFTEN_FULL, "share", None, None, words)
    share = sum(look.seconds for look in known if _is_full(look)) / whole
    words = f"All slots were taken and tasks waited {share:.1%} of the time."
    return Sign("saturation", share, _OFTEN_FULL, "share", share > _OFTEN_FULL, None, words)


def _is_full(look: Look) -> bool:
    series = look.series
    return series["queued"] > 0 and series["slots"] > 0 and series["running"] >= _FULL * series["slots"]


def _waits(of: Recent) -> Sign:
    """Of tasks whose user had nothing else under way: the others wait for their own, as they should."""
    busy_until: dict[UserId, float] = {}
    waits: list[float] = []
    for one in sorted(of.tasks, key=lambda one: (one.queued_at, one.task)):
        if one.queued_at >= busy_until.get(one.user, 0.0) and (one.begun_at or not one.ended_at):
            waits.append((one.begun_at or of.until) - one.queued_at)
        busy_until[one.user] = max(busy_until.get(one.user, 0.0), one.ended_at or inf)
    if not waits:
        return Sign("waits", None, _WAITED, "s", None, None, "Nothing has waited.")
    waits.sort()
    middle, slow = waits[len(waits) // 2], waits[min(len(waits) - 1, int(0.95 * len(waits)))]
    words = f"Who had nothing else under way waited {middle:,.1f} s or less half of the time, {slow:,.1f} s in 95 %."
    return Sign("waits", slow, _WAITED, "s", slow > _WAITED, None, words)


def _machines(of: Recent, full: Sign) -> Sign:
    """Workers on more than one, or one that is full with its processors at work."""
    hosts = len(of.hosts)
    busy = [look for look in of.looks if _cpu(look) is not None]
    is_full = [look for look in busy if {"running", "slots", "queued"} <= look.series.keys() and _is_full(look)]
    worked = sum(cpu > _BUSY for look in is_full if (cpu := _cpu(look)) is not None)
    bound = bool(full.shows) and bool(is_full) and worked > len(is_full) / 2
    words = f"Workers are on {hosts} machine{'' if hosts == 1 else 's'}."
    if bound:
        words += f" While all slots were taken its processors were busy too: {worked:,} of {len(is_full):,} samples."
    elif full.shows and is_full:
        words += " While all slots were taken its processors had room: more slots help first."
    elif full.shows:
        words += " Whether its processors were busy meanwhile is not known."
    return Sign("several_machines", float(hosts), 1, "machines", hosts > 1 or bound, Stage.ARQ, words)


def _cpu(look: Look) -> float | None:
    """Of the machine that looked, or of the busiest that a worker told of."""
    found = [value for name, value in look.series.items() if name == "cpu" or name.startswith("cpu.")]
    return max(found, default=None)


_WORDS: Mapping[Stage, str] = {
    Stage.DATABASE: "The database queue fits",
    Stage.ARQ: "ARQ on Redis fits",
    Stage.CELERY: "Celery on RabbitMQ or Redis fits, or a queue of a cloud",
}
_SHORT: Mapping[str, str] = {
    "concurrent_users": "users at once",
    "concurrent_tasks": "tasks at once",
    "tasks_a_day": "tasks a day",
    "long_tasks": "long tasks",
    "several_machines": "several machines",
}


def _words(stage: Stage, signs: Sequence[Sign]) -> str:
    because = [_SHORT[sign.name] for sign in signs if sign.shows and sign.asks is not None]
    reason = f": {', '.join(because)}" if because else ": no sign asks for more"
    return f"{_WORDS[stage]}{reason}."


def _of_sample(of: Recent) -> Iterator[Caution]:
    """Whose tasks these are."""
    some = of.sampled
    if some.asked < some.users:
        whose = f"the tasks of {some.asked:,} of {some.users:,} users, chosen by chance"
        yield Caution("sampled", f"There is more than is read at once: these are {whose}.")
    if some.cut:
        whose = "1 user" if some.cut == 1 else f"{some.cut:,} users"
        yield Caution("cut", f"Of {whose} with very many tasks only the latest are counted.")


def _unknown(signs: Sequence[Sign]) -> Iterator[Caution]:
    """Signs that may show all the same, for not all tasks were read."""
    found = [
        f"{_SHORT[sign.name]} (at least {sign.figure:,.0f}{_told(sign.about)}; the limit is {sign.limit:,.0f})"
        for sign in signs
        if sign.shows is None and sign.at_least
    ]
    if found:
        words = f"Not known is what all have of {', '.join(found)}: ask of a shorter time, for which all can be read."
        yield Caution("not_known", words)


def _perhaps_celery(users: Sign, stage: Stage) -> Iterator[Caution]:
    if stage is not Stage.CELERY and users.about is not None and users.about > MOST_ARQ:
        words = f"If there were about {users.about:,.0f} users at once, more than {MOST_ARQ:,}, Celery is what fits."
        yield Caution("perhaps_celery", words)


def _too_long(of: Recent, stage: Stage) -> Iterator[Caution]:
    """Tasks that take longer than the stage carries an attempt, be they ever so few."""
    name, most = _CARRIED_FOR.get(stage, ("", inf))
    long = [one.seconds for one in of.tasks if one.seconds > most]
    if long:
        tasks = "1 task" if len(long) == 1 else f"{len(long):,} tasks"
        tasks = tasks if of.sampled.whole else f"At least {tasks}"
        held = f"held a slot for longer than the {most:.0f} s that {name} carries an attempt"
        words = f"{tasks} {held}, the longest for {max(long):,.0f} s: it runs longer ones in parts, between two steps."
        yield Caution("too_long", words)


def _steps(of: Recent, stage: Stage, full: Sign, machines: Sign) -> Sequence[str]:
    """What to do next, in commands."""
    found: list[str] = []
    if full.shows:
        more = "paperlane worker --engine database"
        found.append(
            f"Start a worker on another machine: {more} (docs/how-to/several-machines.md)."
            if machines.shows
            else f"Give workers more slots (PAPERLANE_SLOTS), or start another one: {more}."
        )
    if stage is not Stage.DATABASE and stage.value not in of.engines:
        engine = stage.value
        found += [
            f"Start a worker of it beside: paperlane worker --engine {engine} (docs/how-to/redis-and-rabbitmq.md).",
            f"Give it a part of the users: paperlane rollout set {engine} 10. A guardrail takes it back if worse.",
            f"After some days look at both: paperlane rollout compare database {engine}.",
        ]
    if not found:
        found.append("Nothing. Ask again when more users come.")
    found.append("What other workers and limits would do: paperlane simulate --history.")
    return found
