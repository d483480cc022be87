"""The promises of a service under load, each judged by what was seen of one run."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paperlane.bench.load import Look, Seen
from paperlane.bench.people import moment
from paperlane.bench.spread import fair_waits, mean, percentile, slope

API = ("list", "task", "report", "queue", "own queue")
"""Kinds of requests that programs and pages send while tasks run; uploads and whole pages are judged by themselves."""

_CREATED = ("batch", "small batch")
_NOT_JUDGED = ("setup", "account")  # before the load and after it
_A_WAIT = 1.0  # seconds: how long an idle worker may sleep where its database cannot wake it
_LONG = 240.0  # seconds below which a worker's memory still fills up: of these, the second half counts
_HELD = 0.95
_DIPS = 0.98


@dataclass(frozen=True, slots=True)
class Judged:
    """One criterion: what is promised, what is aimed at, and what was measured; None where this run cannot tell.

    `said` tells how it was measured. `test` is "<", "<=" or ">=", which holds for promise and aim; of an `aim` that is
    None nothing is said.
    """

    name: str
    unit: str
    test: str
    promise: float
    aim: float | None
    measured: float | None
    said: str

    @property
    def met(self) -> bool | None:
        """Was the promise kept?"""
        return self._holds(self.promise)

    @property
    def reached(self) -> bool | None:
        """Was the aim?"""
        return None if self.aim is None else self._holds(self.aim)

    def _holds(self, bound: float) -> bool | None:
        if self.measured is None:
            return None
        tests: Mapping[str, Callable[[float, float], bool]] = {
            "<": lambda found, most: found < most,
            "<=": lambda found, most: found <= most,
            ">=": lambda found, least: found >= least,
        }
        return tests[self.test](self.measured, bound)


def judged(seen: Seen) -> Sequence[Judged]:
    """Every criterion, in the order of the requirements."""
    return [
        _creating(seen), _rushing(seen), _at_once(seen), _api(seen), _completion(seen), _lost(seen), _failed(seen),
        _available(seen), _recovery(seen), _progress(seen), _pages(seen), _created(seen),
        _connections(seen), _memory(seen), _waits(seen),
    ]  # fmt: skip


def _of(values: Sequence[float], share: float) -> float | None:
    return percentile(values, share) if values else None


def _creating(seen: Seen) -> Judged:
    took = seen.book.seconds("batch", since=seen.held)
    usual = f", P50 {percentile(took, 0.5):.3f} s" if took else ""
    said = f"P95 of {len(took)} uploads of 50 documents while the load was held{usual}"
    return Judged("creating a batch of 50", "s", "<", 0.5, 0.1, _of(took, 0.95), said)


def _rushing(seen: Seen) -> Judged:
    """What is promised of any answer: all users come at the same moment, and every slot gets a task."""
    took = seen.book.seconds("batch", until=seen.held)
    usual = f", P50 {percentile(took, 0.5):.3f} s" if took else ""
    said = f"P95 of {len(took)} uploads of 50 documents while all users filled the queue at once{usual}"
    return Judged("creating one in a rush", "s", "<", 1.0, 0.5, _of(took, 0.95), said)


def _held_looks(seen: Seen) -> Sequence[Look]:
    return [look for look in seen.looks if seen.held <= look.at <= seen.ended]


def _at_once(seen: Seen) -> Judged:
    """Of fewer tasks than are promised or aimed at, just these."""
    looks = _held_looks(seen)
    found = percentile([float(look.running) for look in looks], 0.5) if looks else None
    promise, aim = (min(most, seen.plan.tasks * _HELD) for most in (200.0, 1_000 * _HELD))
    said = f"running in the middle one of {len(looks)} looks; {seen.plan.tasks} were asked for"
    return Judged("tasks at once", "", ">=", promise, aim, found, said)


def _api(seen: Seen) -> Judged:
    took = seen.book.seconds(*API)
    held = seen.book.seconds(*API, since=seen.held)
    later = f"; of the {len(held)} while they were held {percentile(held, 0.95):.3f} s" if held else ""
    return Judged("API", "s", "<", 1.0, 0.15, _of(took, 0.95), f"P95 of {len(took)} answers{later}")


def _completion(seen: Seen) -> Judged:
    took = [
        moment(task["finished_at"]) - moment(task["created_at"])
        for task in (seen.tasks or {}).values()
        if task["status"] == "completed" and moment(task["finished_at"]) <= seen.ended
    ]
    model = seen.plan.median * math.exp(seen.plan.sigma**2 / 2)
    said = f"mean of {len(took)} that ended while the load was held; an answer of the model takes {model:.1f} s"
    return Judged("task completion", "s", "<", 300.0, None, mean(took) if took else None, said)


def lost(seen: Seen) -> int:
    """Tasks that were accepted and have not ended, or are not known; where nobody tells, all may be lost."""
    known = seen.tasks or {}
    ended = {"completed", "failed", "cancelled"}
    return sum(name not in known or known[name]["status"] not in ended for name in seen.promised)


def _lost(seen: Seen) -> Judged:
    said = f"of {len(seen.promised)} that were accepted"
    if seen.tasks is None:
        said += "; the service no longer told what became of them"
    return Judged("tasks lost", "", "<=", 0.0, 0.0, float(lost(seen)), said)


def _failed(seen: Seen) -> Judged:
    if seen.tasks is None:
        return Judged("tasks failed", "", "<=", 0.0, 0.0, None, "the service no longer told")
    codes: dict[str, int] = defaultdict(int)
    for task in seen.tasks.values():
        if task["status"] == "failed":
            codes[task["error"]["code"]] += 1
    causes = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
    return Judged("tasks failed", "", "<=", 0.0, 0.0, float(sum(codes.values())), causes or "none of them")


def _available(seen: Seen) -> Judged:
    asked = [one for one in seen.book.asked if one.kind not in _NOT_JUDGED]
    served = sum(one.served for one in asked)
    share = served / len(asked) if asked else None
    missed = Counter(one.why or str(one.status) for one in asked if not one.served)
    causes = f" ({', '.join(f'{count} x {why}' for why, count in sorted(missed.items()))})" if missed else ""
    said = f"of {len(asked)} requests {missed.total()} got no answer or a 5xx{causes}"
    said += f"; {len(seen.kills)} workers were killed" if seen.kills else ""
    return Judged("availability", "", ">=", 0.995, 0.999, share, said)


def _recovery(seen: Seen) -> Judged:
    """From each kill until as many tasks ran again as in the ten seconds before, nearly: while the next one is far."""
    took: list[float] = []
    for number, at in enumerate(seen.kills):
        until = seen.kills[number + 1] if number + 1 < len(seen.kills) else seen.ended
        before = [float(look.running) for look in seen.looks if at - 10 <= look.at <= at]
        after = [look for look in seen.looks if at < look.at <= until]
        fewer = [look.at for look in after if before and look.running < mean(before) * _DIPS]
        took.append(max(fewer) - at if fewer else 0.0)
    said = f"the longest of {len(took)} times until as many tasks ran again" if took else "no worker was killed"
    return Judged("recovery", "s", "<", 300.0, 90.0, max(took) if took else None, said)


def _progress(seen: Seen) -> Judged:
    delays = [seconds for _, seconds in seen.book.delays]
    said = f"P99 of {len(delays)} changes, from the time that each bears to its frame"
    return Judged("progress delay", "s", "<", 5.0, 0.5, _of(delays, 0.99), said)


def _pages(seen: Seen) -> Judged:
    took = seen.book.seconds("page")
    return Judged("page response", "s", "<", 2.0, 0.3, _of(took, 0.95), f"P95 of {len(took)} pages")


def _created(seen: Seen) -> Judged:
    asked = [one for one in seen.book.asked if one.kind in _CREATED]
    refused = sum(one.refused for one in asked)
    tried = len(asked) - refused
    good = sum(one.status < 300 and one.served for one in asked)  # noqa: PLR2004  HTTP
    said = f"{good} of {tried} uploads; {refused} more were clearly refused by back-pressure"
    return Judged("task creation", "", ">=", 0.99, 0.9999, good / tried if tried else None, said)


def _connections(seen: Seen) -> Judged:
    """Each look by the processes that there were then."""
    shares = [look.connections / (seen.most * look.processes) for look in seen.looks if look.connections is not None
              and look.processes and seen.most]  # fmt: skip
    most = max((look.connections for look in seen.looks if look.connections is not None), default=None)
    said = f"of what the pools of all processes may open, {seen.most} each; {most} at most"
    # an embedded database has no server that could run out of them: all may be open
    test = "<=" if str(seen.settings.get("database_url", "")).startswith("sqlite") else "<"
    return Judged("database connections", "", test, 1.0, 0.8, max(shares) if shares else None, said)


def _memory(seen: Seen) -> Judged:
    """Of those processes that lived all the second half; a short time tells nothing."""
    looks = [look for look in seen.looks if (seen.held + seen.ended) / 2 <= look.at <= seen.ended]
    name, unit = "growth of memory", "% a minute"
    lived = set(looks[0].memory).intersection(*(look.memory for look in looks)) if looks else set[str]()
    lived = {one for one in lived if not one.startswith("sandbox")}
    if seen.ended - seen.held < _LONG or not lived:
        return Judged(name, unit, "<", 1.0, 0.2, None, "too short a time to tell")
    sums = [float(sum(look.memory[one] for one in lived)) for look in looks]
    minutes = [(look.at - looks[0].at) / 60 for look in looks]
    grows = 100 * slope(minutes, sums) / mean(sums)
    said = (
        f"slope by least squares over {minutes[-1]:.1f} minutes, of {', '.join(sorted(lived))}: "
        f"{mean(sums) / 2**20:.0f} MB on average, {max(sums) / 2**20:.0f} at most"
    )
    return Judged(name, unit, "<", 1.0, 0.2, grows, said)


def waits(seen: Seen) -> Mapping[str, tuple[float, float, int]]:
    """By user, of tasks that were accepted while the load was held: mean wait, mean fair wait, and how many."""
    started = seen.started()
    fair = fair_waits(started, seen.held)
    own: dict[str, list[float]] = defaultdict(list)
    for task in started:
        if task.accepted >= seen.held:
            own[task.user].append(task.started - task.accepted)
    return {user: (mean(own[user]), mean(fair[user]), len(own[user])) for user in sorted(own) if fair.get(user)}


def _waits(seen: Seen) -> Judged:
    """The first user is the heavy one. Below a second nothing is told of shares: so long may an idle worker sleep."""
    heavy = "user-01"
    ratios = {user: wait / max(fair, _A_WAIT) for user, (wait, fair, _) in waits(seen).items() if user != heavy}
    said = (
        f"the worst of {len(ratios)} light users: mean wait / the wait that they would have had, had the very same "
        "starts gone round among all users who waited (at least 1 s)"
    )
    return Judged("light users' wait", "x fair", "<=", 2.0, 1.0, max(ratios.values(), default=None), said)


def broken(found: Sequence[Judged]) -> Sequence[Judged]:
    """The promises that were not kept."""
    return [one for one in found if one.met is False]


def as_words(one: Judged) -> Mapping[str, Any]:
    """A criterion, for JSON."""
    return {
        "name": one.name,
        "unit": one.unit,
        "test": one.test,
        "promise": one.promise,
        "aim": one.aim,
        "measured": one.measured,
        "met": one.met,
        "reached": one.reached,
        "said": one.said,
    }
