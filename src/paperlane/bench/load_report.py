"""What a load showed: the promises, how long people waited, and how all went over time."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from paperlane.bench.criteria import API, Judged, as_words, broken, judged, waits
from paperlane.bench.load import Seen, planned
from paperlane.bench.people import moment
from paperlane.bench.plots import Line, lines
from paperlane.bench.report import Cell, Report, Table, machine, told
from paperlane.bench.spread import POINTS, mean, percentile

_WINDOW = 5.0  # seconds of which a plot shows one point
_MEGABYTE = 1 << 20
_P99 = 2.326  # standard deviations below which 99 % of a normal distribution lies
_HEAVY = "user-01"


def report_of(seen: Seen) -> Report:
    """The report of one run."""
    found = judged(seen)
    failed = broken(found)
    plan, here = seen.plan, machine()
    series = _series(seen)
    what = (
        f"{plan.tasks} tasks at once for {plan.minutes:g} minutes on the engine {plan.engine}, of {plan.users} users, "
        f"of whom one has {plan.heavy:.0%}; the model's answers take {plan.median:g} s in the middle."
    )
    where = (
        f"{here['cores']} cores, {here['memory_gb']} GB, {here['system']}, Python {here['python']}; {here['taken']}. "
        f"Others used {seen.foreign:.0%} of the machine meanwhile, and the benchmark and its model run on it too. "
        f"What measures was {_late(seen):.3f} s late itself (P99)."
    )
    how = (
        f"Filled in {seen.held - seen.began:.0f} s; all had ended {seen.drained - seen.ended:.0f} s after the load, "
        "when the model answered at once."
    )
    names = ", ".join(one.name for one in failed)
    said = [what, where, how, f"Not kept: {names}." if failed else "Every promise that was judged was kept."]
    tables = [
        Table("Promises", ("criterion", "promise", "aim", "measured", "met", "aim met", "how"), _promised(found)),
        Table(
            "Requests", ("kind", "count", "P50 ms", "P95 ms", "P99 ms", "most ms", "not served", "429"), _asked(seen)
        ),
        Table(
            "Users: waits of what they brought while the load was held, the rest of all their tasks",
            ("user", "tasks", "mean wait s", "fair wait s", "mean completion s"),
            _users(seen),
        ),
        Table("Settings", ("setting", "value"), told(seen.settings)),
    ]
    words = {
        "benchmark": "load",
        "kept": not failed,
        "machine": here,
        "plan": planned(plan),
        "settings": dict(told(seen.settings)),  # type: ignore[arg-type]  pairs
        "foreign": seen.foreign,
        "late_p99": _late(seen),
        "criteria": [as_words(one) for one in found],
        "requests": [dict(zip(_ASKED, row, strict=True)) for row in _asked(seen)],
        "users": [dict(zip(_USERS, row, strict=True)) for row in _users(seen)],
        "phases": {
            "filled": seen.held - seen.began,
            "held": seen.ended - seen.held,
            "drained": seen.drained - seen.ended,
        },
        "held": _held(seen),
        "kills": [at - seen.began for at in seen.kills],
        "series": {name: [list(point) for point in line] for name, line in series.items()},
    }  # fmt: skip
    return Report("Paperlane under load", said, tables, _plots(seen, series), words, not failed)


_ASKED = ("kind", "count", "p50_ms", "p95_ms", "p99_ms", "most_ms", "not_served", "refused")
_USERS = ("user", "tasks", "wait", "fair_wait", "completion")


def _held(seen: Seen) -> Mapping[str, float]:
    """How many tasks began while the load was held, their mean wait, and how many completed a second meanwhile.

    And the mean seconds of a task, of those that began early enough for 99 % to end while the model was still slow.
    """
    slowest = seen.plan.median * math.exp(_P99 * seen.plan.sigma)
    waits, ended, took = list[float](), 0, list[float]()
    for task in (seen.tasks or {}).values():
        if not task["started_at"] or not task["finished_at"]:
            continue
        started, finished = moment(task["started_at"]), moment(task["finished_at"])
        if seen.held <= started < seen.ended:
            waits.append(started - moment(task["created_at"]))
        if task["status"] == "completed":
            ended += seen.held <= finished < seen.ended
            if started < seen.ended - slowest:
                took.append(finished - started)
    seconds = seen.ended - seen.held
    return {
        "began": len(waits),
        "mean_wait": mean(waits),
        "throughput": ended / seconds if seconds else math.nan,
        "seconds_a_task": mean(took),
    }


def _late(seen: Seen) -> float:
    return percentile(seen.lag, 0.99) if seen.lag else 0.0


def _promised(found: Sequence[Judged]) -> Sequence[Sequence[Cell]]:
    return [
        (
            one.name,
            _bound(one, one.promise),
            "" if one.aim is None else _bound(one, one.aim),
            "not judged" if one.measured is None else one.measured,
            one.met,
            one.reached,
            one.said,
        )
        for one in found
    ]


def _bound(one: Judged, bound: float) -> str:
    return f"{one.test} {bound:g} {one.unit}".rstrip()


def _asked(seen: Seen) -> Sequence[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = []
    for kind in sorted({one.kind for one in seen.book.asked}):
        took = [seconds * 1e3 for seconds in seen.book.seconds(kind)]
        missed = sum(not one.served for one in seen.book.asked if one.kind == kind)
        pushed = sum(one.refused for one in seen.book.asked if one.kind == kind)
        points = [percentile(took, share) for share in POINTS.values()]
        rows.append((kind, len(took) + missed, *points, max(took, default=math.nan), missed, pushed))
    return rows


def _users(seen: Seen) -> Sequence[Sequence[Cell]]:
    waited, took = waits(seen), defaultdict[str, list[float]](list)
    counts = Counter(seen.promised.values())
    for name, task in (seen.tasks or {}).items():
        if task["status"] == "completed" and name in seen.promised:
            took[seen.promised[name]].append(moment(task["finished_at"]) - moment(task["created_at"]))
    rows: list[Sequence[Cell]] = []
    for user in sorted(counts):
        wait, fair, _ = waited.get(user, (math.nan, math.nan, 0))
        rows.append((user, counts[user], wait, fair, mean(took[user])))
    return rows


def _series(seen: Seen) -> Mapping[str, Line]:
    """All that is drawn, by name, in seconds since the first upload."""
    found: dict[str, Line] = {
        "running": [(look.at - seen.began, float(look.running)) for look in seen.looks],
        "queued": [(look.at - seen.began, float(look.queued)) for look in seen.looks],
        "connections": [(look.at - seen.began, float(look.connections)) for look in seen.looks
                        if look.connections is not None],
    }  # fmt: skip
    asked = seen.book.asked
    for name, kinds in {"api": API, "page": ("page",), "batch": ("batch",)}.items():
        took = [(one.at, one.seconds * 1e3) for one in asked if one.kind in kinds and one.served]
        found[f"{name}_p95_ms"] = _windows(seen, took, 0.95)
    found["progress_p99_ms"] = _windows(seen, [(at, seconds * 1e3) for at, seconds in seen.book.delays], 0.99)
    ends = [moment(task["finished_at"]) for task in (seen.tasks or {}).values() if task["status"] == "completed"]
    counted = Counter(int((at - seen.began) // _WINDOW) for at in ends if at <= seen.ended)
    last = int((seen.ended - seen.began) // _WINDOW)
    found["completed_a_minute"] = [((n + 0.5) * _WINDOW, counted[n] * 60 / _WINDOW) for n in range(last)]
    return {**found, **_memory(seen)}


def _memory(seen: Seen) -> Mapping[str, Line]:
    """Megabytes of each process; those of sandboxes, which come and go, together."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    numbers: dict[str, str] = {}
    for look in seen.looks:
        of_look: Counter[str] = Counter()
        for name, size in look.memory.items():
            kind = name.partition(" ")[0]
            if kind == "worker":
                name = numbers.setdefault(name, f"worker {len(numbers) + 1}")  # noqa: PLW2901  what it is called
            of_look[name if kind == "worker" else kind] += size
        for name, size in of_look.items():
            found[f"memory.{name}"].append((look.at - seen.began, size / _MEGABYTE))
    return found


def _windows(seen: Seen, points: Sequence[tuple[float, float]], share: float) -> Line:
    inside: dict[int, list[float]] = defaultdict(list)
    for at, value in points:
        if at <= seen.ended:
            inside[int((at - seen.began) // _WINDOW)].append(value)
    return [((n + 0.5) * _WINDOW, percentile(values, share)) for n, values in sorted(inside.items()) if n >= 0]


def _plots(seen: Seen, series: Mapping[str, Line]) -> Sequence[str]:
    kills = [at - seen.began for at in seen.kills]

    def plot(title: str, unit: str, names: Mapping[str, str]) -> str:
        return lines(title, unit, {shown: series[name] for name, shown in names.items()}, kills)

    memory = {name: name.removeprefix("memory.") for name in series if name.startswith("memory.")}
    return [
        plot("Tasks", "", {"running": "running", "queued": "waiting"}),
        plot("Answers, P95", "ms", {"api_p95_ms": "API", "page_p95_ms": "page", "batch_p95_ms": "batch of 50"}),
        plot("Progress delay, P99", "ms", {"progress_p99_ms": "step to frame"}),
        plot("Completed", "a minute", {"completed_a_minute": "tasks"}),
        plot("Memory", "MB", memory),
        plot("Database connections", "", {"connections": "open"}),
    ]


def words_of(report: Report) -> Mapping[str, Any]:
    """The criteria of a report by their names."""
    return {one["name"]: one for one in report.words["criteria"]}
