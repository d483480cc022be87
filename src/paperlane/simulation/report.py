"""A simulation's report: settings beside each other as a table, and lines over time."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from paperlane.bench.plots import Line, bars, lines
from paperlane.bench.report import Cell, Report, Table, machine, number
from paperlane.bench.spread import mean
from paperlane.catalog import of_one
from paperlane.simulation.beside import Column
from paperlane.simulation.history import Measured
from paperlane.simulation.likeness import Held, Truth
from paperlane.simulation.measuring import Figures, Spread, at
from paperlane.simulation.scenario import Scenario
from paperlane.simulation.setting import Setting

_HOUR = 3_600.0
_UNLIKE = 0.05  # of all tasks
_FEW = 100  # tasks: the mean of fewer waits is much as chance has it

_Row = tuple[str, str, Callable[[Figures], float]]

_OF_ALL: Sequence[_Row] = (
    ("tasks completed", "", lambda of: of.tasks - of.failed),
    ("tasks failed", "", lambda of: of.failed),
    ("tasks not begun", "", lambda of: of.not_begun),
    ("users", "", lambda of: of.users),
    ("the last ended after", "h", lambda of: of.seconds / _HOUR),
    ("throughput", "tasks/h", lambda of: of.throughput),
    ("slots in use", "%", lambda of: of.utilisation * 100),
    ("running, most", "", lambda of: of.most_running),
    ("queued, most", "", lambda of: of.most_queued),
    ("wait, mean", "s", lambda of: of.wait.mean),
    ("wait, P50", "s", lambda of: of.wait.p50),
    ("wait, P95", "s", lambda of: of.wait.p95),
    ("wait, P99", "s", lambda of: of.wait.p99),
)
_UNTIL_END: Sequence[_Row] = (
    ("wait until the end, mean", "s", lambda of: of.wait_until_end),
    ("light users' wait until the end, mean", "s", lambda of: of.light_wait_until_end),
)
"""What stands there only where tasks had not begun at the end."""

_BEGUN = "begun in truth: "
_SAME: Sequence[_Row] = (
    (f"{_BEGUN}wait, mean", "s", lambda of: of.measured_wait.mean),
    (f"{_BEGUN}wait, P50", "s", lambda of: of.measured_wait.p50),
    (f"{_BEGUN}wait, P95", "s", lambda of: of.measured_wait.p95),
    (f"{_BEGUN}wait, P99", "s", lambda of: of.measured_wait.p99),
)
"""Waits of the tasks whose real ones were measured, where these are not all that came."""

_OF_USERS: Sequence[_Row] = (
    ("light users' wait, mean", "s", lambda of: of.light_wait.mean),
    ("light users' wait, P50", "s", lambda of: of.light_wait.p50),
    ("light users' wait, P95", "s", lambda of: of.light_wait.p95),
    ("light users' wait, P99", "s", lambda of: of.light_wait.p99),
    ("heavy users' wait, mean", "s", lambda of: of.heavy_wait.mean),
    ("heavy users' wait, P50", "s", lambda of: of.heavy_wait.p50),
    ("heavy users' wait, P95", "s", lambda of: of.heavy_wait.p95),
    ("heavy users' wait, P99", "s", lambda of: of.heavy_wait.p99),
    ("completion, mean", "s", lambda of: of.completion.mean),
    ("completion, P95", "s", lambda of: of.completion.p95),
    ("light users' wait / fair, mean", "x", lambda of: of.light_ratio),
    ("light users' wait / fair, P95", "x", lambda of: of.light_ratio_p95),
    ("Jain's index of fair shares", "", lambda of: of.jain),
    ("worker-hours", "h", lambda of: of.worker_hours),
    ("slot-hours used", "h", lambda of: of.slot_hours),
)
_KNOWN: Sequence[_Row] = (
    ("processor seconds", "s", lambda of: of.cpu_seconds),
    ("tokens", "", lambda of: of.tokens),
)
"""What stands there only where it is known."""

_SETTINGS: Sequence[tuple[str, Callable[[Setting], Cell]]] = (
    ("engine", lambda of: ", ".join(of.engines)),
    ("workers", lambda of: float(sum(crew.workers for crew in of.crews))),
    ("slots of a worker", lambda of: ", ".join(str(crew.slots) for crew in of.crews)),
    ("slots granted", lambda of: float(of.slots)),
    ("user limit", lambda of: float(of.user_limit)),
    ("system limit", lambda of: float(of.system_limit)),
)


def report_of(
    columns: Sequence[Column],
    what: str,
    load: Mapping[str, Any],
    *,
    more: Sequence[str] = (),
    measured: Measured | None = None,
) -> Report:
    """Simulated settings beside each other; of a history also what was `measured` in truth."""
    said = [what, *more, *_warnings(columns)]
    tables = [_figures(columns, measured), _settings(columns)]
    words = {
        "simulation": "settings",
        "load": dict(load),
        "settings": [{"name": one.name, **_setting_words(one), **_words(one.figures)} for one in columns],
        "measured": None if measured is None else _measured(measured),
        "said": said,
        "machine": machine(),
        "took": {one.name: one.seconds for one in columns},
        "series": {one.name: {name: [list(p) for p in line] for name, line in one.lines.items()} for one in columns},
    }
    return Report("Paperlane simulated", said, tables, _plots(columns), words)


def _rows(columns: Sequence[Column], measured: Measured | None) -> Sequence[_Row]:
    figures = [one.figures for one in columns]
    until_end = _UNTIL_END if any(of.not_begun for of in figures) else ()
    same = _SAME if _is_of_some(measured) else ()
    return [*_OF_ALL, *until_end, *same, *_OF_USERS, *(row for row in _KNOWN if any(map(row[2], figures)))]


def _is_of_some(measured: Measured | None) -> bool:
    """Were only some of the tasks' waits measured?"""
    return measured is not None and not measured.whole


def _figures(columns: Sequence[Column], measured: Measured | None) -> Table:
    truth = {} if measured is None else _measured(measured)
    if _is_of_some(measured):
        truth = {_BEGUN + name if name.startswith("wait") else name: value for name, value in truth.items()}
    head = ["", "unit", *(["measured"] if truth else []), *(one.name for one in columns)]
    rows: list[Sequence[Cell]] = []
    for name, unit, value in _rows(columns, measured):
        beside: list[Cell] = [truth.get(name, "")] if truth else []
        told = [one for one in columns if not name.startswith(_BEGUN) or _all_began(one, measured)]
        rows.append([name, unit, *beside, *(value(one.figures) if one in told else "" for one in columns)])
    return Table("Waits, fairness, cost", head, rows)


def _all_began(column: Column, measured: Measured | None) -> bool:
    """Did all begin here that began in truth? Of a part nothing is told: those that wait for long would be missing."""
    return measured is not None and column.figures.measured_wait.count == len(measured.waits)


def _settings(columns: Sequence[Column]) -> Table:
    rows = [[name, *(value(one.setting) for one in columns)] for name, value in _SETTINGS]
    return Table("Settings", ["", *(one.name for one in columns)], rows)


def _measured(measured: Measured) -> Mapping[str, float]:
    """The same figures as the table has, as far as the ledger tells; waits of what has begun."""
    waits = sorted(measured.waits)
    return {
        "tasks completed": measured.completed,
        "tasks failed": measured.failed,
        "tasks not begun": measured.not_begun,
        "the last ended after": max(0.0, measured.ended - measured.began) / _HOUR,
        "wait, mean": mean(waits),
        "wait, P50": at(waits, 0.5),
        "wait, P95": at(waits, 0.95),
        "wait, P99": at(waits, 0.99),
    }


def _setting_words(column: Column) -> Mapping[str, Any]:
    setting = column.setting
    return {
        "crews": [asdict(crew) for crew in setting.crews],
        "slots": setting.slots,
        "user_limit": setting.user_limit,
        "system_limit": setting.system_limit,
    }


def _words(figures: Figures) -> Mapping[str, Any]:
    return {
        name: asdict(value) if isinstance(value, Spread) else value
        for name in Figures.__slots__
        for value in [getattr(figures, name)]
    }


def _warnings(columns: Sequence[Column]) -> Sequence[str]:
    """What somebody who reads the table might miss."""
    found: list[str] = []
    for one in columns:
        figures, without = one.figures, one.setting.without
        asked = sum(crew.workers * crew.slots for crew in one.setting.crews)
        if asked > one.setting.slots:
            found.append(
                f"{one.name}: of {asked} slots the system limit grants {one.setting.slots}; raise it to use the others."
            )
        if figures.not_begun:
            why = f", as no slot is left for {', '.join(without)}" if without else ""
            found.append(
                f"{one.name}: {figures.not_begun} tasks had not begun at the end, of {figures.came}{why}. Waits are of "
                f"those that began; of all, until the end, the mean is {number(figures.wait_until_end)} s."
            )
    return found


def _plots(columns: Sequence[Column]) -> Sequence[str]:
    longest = max((one.figures.seconds for one in columns), default=0.0)
    over, by = ("hours", _HOUR) if longest > 2 * _HOUR else ("seconds", 1.0)

    def line(column: Column, name: str) -> Line:
        return [(when / by, value) for when, value in column.lines.get(name, [])]

    def plot(title: str, unit: str, name: str, kinds: Mapping[str, str]) -> str:
        shown = {f"{one.name}{told}": line(one, f"{kind}{name}") for one in columns for kind, told in kinds.items()}
        return lines(title, unit, shown, over=over)

    both = {"light ": ", light", "heavy ": ", heavy"}
    found = [
        plot("Wait of what starts, mean", "s", "wait", both),
        plot("Queued", "tasks", "queued", {"": ""}),
        plot("Running", "tasks", "running", {"": ""}),
        plot("Completed", "an hour", "completed an hour", {"": ""}),
    ]
    if len(columns) > 1:
        found.append(bars("Mean wait", "s", {one.name: one.figures.wait.mean for one in columns}))
    return found


def described(scenario: Scenario) -> str:
    """The load in a sentence."""
    heavy = (
        f"{scenario.heavy_users} of them bring {scenario.heavy:.0%}, {scenario.heavy_batch} at a time"
        if scenario.heavy and scenario.users > 1
        else "all alike"
    )
    return of_one(
        f"{scenario.tasks} tasks of {scenario.users} users within {scenario.hours:.3g} hours, {heavy}; half of the "
        f"attempts take less than {scenario.median:g} s, the mean is {scenario.mean:.3g} s. Seed {scenario.seed}."
    )


def unlike(scenario: Scenario, figures: Figures) -> Sequence[str]:
    """A sentence where heavy users brought another share than was asked for: few uploads come as chance has it."""
    if not scenario.heavy or scenario.users == 1 or not figures.came:
        return []
    share = figures.heavy_came / figures.came
    if abs(share - scenario.heavy) < _UNLIKE:
        return []
    brought = f"Heavy users brought {share:.0%} of the tasks and not {scenario.heavy:.0%}"
    return [f"{brought}, as so few uploads come by chance: more --tasks, or a smaller --heavy-batch, come closer."]


def likeness(truth: Truth, held: Held) -> Report:
    """A prediction beside the run that it is of."""
    rows = [
        ("wait, mean", "s", held.wait, truth.wait),
        ("throughput", "tasks/s", held.throughput, truth.throughput),
    ]
    plan = truth.plan
    own = (
        f"A task took {truth.own:.3g} s beyond the model's answer, as the run tells."
        if truth.own
        else "How long a task takes beyond the model's answer the run does not tell; it is taken for nothing."
    )
    what = (
        f"{plan.tasks} tasks held for {plan.minutes:g} minutes on the engine {plan.engine}, of {plan.users} users, of "
        f"whom one has {plan.heavy:.0%}; the model's answers take {plan.median:g} s in the middle."
    )
    said = [
        what,
        f"{own} The processor is not simulated, nor what people ask for besides.",
    ]
    if (fewest := min(len(held.waits), truth.began or len(held.waits))) < _FEW:
        said.append(
            f"Only {fewest} tasks began while the load was held, and means of so few are much as chance has it: hold "
            "it for more --minutes, or take a shorter --median."
        )
    cells = [(name, unit, simulated, real, _apart(simulated, real)) for name, unit, simulated, real in rows]
    table = Table("Prediction", ("", "unit", "predicted", "measured", "difference %"), cells)
    words = {
        "simulation": "likeness",
        "plan": asdict(plan),
        "own_seconds": truth.own,
        **{
            name: {"predicted": simulated, "measured": real, "difference_percent": _apart(simulated, real)}
            for name, (_, _, simulated, real) in zip(("mean_wait", "throughput"), rows, strict=True)
        },
        "machine": machine(),
    }
    return Report("Paperlane simulated beside a real run", said, [table], [], words)


def _apart(simulated: float, real: float) -> float:
    """In percent of what was measured."""
    return (simulated - real) / real * 100 if real else math.nan
