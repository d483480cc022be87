"""A comparison in words: sentences and tables, as text, Markdown, and a page that needs nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import inf, isfinite, log

from paperlane.rollout.comparison import Comparison, Figure, Measure, Stratum, Verdict
from paperlane.rollout.resampling import Interval

_NAMES = {
    "completion": "Completion",
    "wait": "Wait",
    "failures": "Failures",
    "cost": "Cost",
    "fairness": "Fairness",
}
_WHAT = {
    "completion": "from when a task could start to its completion",
    "wait": "from when a task could start to its first begin",
    "failures": "tasks that failed, of those that completed or failed",
    "cost": "seconds for which the attempts of a task held a slot",
    "fairness": "Jain's index of the users' slowdowns: 1 where all fare alike",
}
_FIGURES = {"median": "median", "p95": "P95", "mean": "mean", "share": "share", "index": "index"}
_DIFFERS = {  # what is said of B, where it does worse, and where better
    "completion": ("{b} takes {by} longer than {a}", "{b} takes {by} less time than {a}"),
    "wait": ("tasks of {b} wait {by} longer than those of {a}", "tasks of {b} wait {by} less than those of {a}"),
    "failures": ("tasks of {b} fail more often than those of {a}", "tasks of {b} fail less often than those of {a}"),
    "cost": ("a task costs {by} more on {b} than on {a}", "a task costs {by} less on {b} than on {a}"),
    "fairness": ("users of {b} fare less alike than those of {a}", "users of {b} fare more alike than those of {a}"),
}
_LEAST_CHANCE = 0.001
_MINUTE, _HOUR = 60.0, 3_600.0

OVER_ALL = {
    Verdict.BETTER: "{b} does better than {a}",
    Verdict.WORSE: "{b} does worse than {a}",
    Verdict.MIXED: "{b} does better than {a} in some things and worse in others",
    Verdict.ALIKE: "{a} and {b} do alike",
    Verdict.UNCLEAR: "No difference between {a} and {b} was found, nor that there is none",
    Verdict.TOO_SMALL: "The sample is too small to say how {b} does beside {a}",
    Verdict.NO_DATA: "There is nothing to compare {a} and {b} by",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title; every row has the cells of the head."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def headline(of: Comparison) -> str:
    """The verdict over all, and what it rests on."""
    said = OVER_ALL[of.verdict].format(a=of.a.engine, b=of.b.engine)
    named = {
        kind: [_NAMES[one.name].lower() for one in of.measures if one.verdict is kind]
        for kind in (Verdict.BETTER, Verdict.WORSE)
    }
    because = [f"{kind.value} in {', '.join(names)}" for kind, names in named.items() if names]
    worst = of.verdict in {Verdict.BETTER, Verdict.WORSE, Verdict.MIXED} and because
    return f"{said}: {'; '.join(because)}." if worst else f"{said}."


def sentence(of: Measure, a: str, b: str) -> str:
    """What was found of one measure, and what could not have been."""
    figure, name = of.answer, _NAMES[of.name]
    match of.verdict:
        case Verdict.NO_DATA:
            return f"{name}: nothing to compare."
        case Verdict.TOO_SMALL:
            return f"{name}: the sample is too small to say."
        case Verdict.BETTER | Verdict.WORSE:
            words = _DIFFERS[of.name][of.verdict is Verdict.BETTER]
            return f"{name}: {words.format(a=a, b=b, by=_percent(figure.ratio))}{_between(of, figure)}."
        case Verdict.ALIKE:
            return f"{name}: {a} and {b} are alike{_between(of, figure)}."
        case _:
            return f"{name}: no difference was found{_between(of, figure)}{_unseen(of)}."


def _percent(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{abs(ratio - 1) * 100:,.0f} %" if isfinite(ratio) else "beyond measure"


def _between(of: Measure, figure: Figure) -> str:
    if figure.ratio_interval is not None:
        return f" (B/A {_factor(figure.ratio)}, 95 % interval {_factors(figure.ratio_interval)})"
    if figure.difference_interval is not None:
        shown = _difference_of(of)
        return f" (B-A {shown(figure.difference)}, 95 % interval {_spread(figure.difference_interval, shown)})"
    return ""


def _unseen(of: Measure) -> str:
    if of.smallest is None:
        return ""
    if of.answer.ratio is not None:
        return f"; a factor of {of.smallest:.2f} would have been found four times in five, less is left open"
    shown = _difference_of(of)(of.smallest)
    return f"; a difference of {shown} would have been found four times in five, less is left open"


def text(of: Comparison) -> str:
    """For a terminal."""
    first, *others = said(of)
    parts = [first, f"{title(of)}.", *([""] if others else []), *others]
    for table in tables(of):
        cells = [table.head, *table.rows]
        widths = [max(len(row[at]) for row in cells) for at in range(len(table.head))]
        parts += ["", table.title]
        parts += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([*parts, "", _how(of), ""])


def markdown(of: Comparison) -> str:
    """For a note or a ticket."""
    first, *others = said(of)
    parts = [f"# {title(of)}", "", f"**{first}**", "", *(f"- {one}" for one in others)]
    for table in tables(of):
        rows = [table.head, ["---"] * len(table.head), *table.rows]
        parts += ["", f"## {table.title}", ""]
        parts += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*parts, "", _how(of), ""])


_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #1e7d46; --bad: #b3261e; --soft: #5c666d; }
@media (prefers-color-scheme: dark) { :root { --good: #6fcf97; --bad: #ff8a80; --soft: #9aa5ac; } }
body { font: 15px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.05rem; color: var(--soft); } h2 { font-size: 1.05rem; margin-top: 2rem; }
.verdict { font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
.better { color: var(--good); } .worse { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
svg { width: 100%; height: auto; } svg text { fill: currentColor; font: 13px system-ui, sans-serif; }
footer { color: var(--soft); font-size: .9rem; margin-top: 2rem; }
"""


def html(of: Comparison) -> str:
    """One file that loads nothing from anywhere."""
    first, *others = said(of)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title(of))}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{escape(title(of))}</h1><p class="verdict {of.verdict.value}">{escape(first)}</p><ul>',
        *(f"<li>{escape(one)}</li>" for one in others),
        "</ul>",
        plot(of),
    ]
    for table in tables(of):
        parts.append(f'<h2>{escape(table.title)}</h2><div class="wide"><table><thead><tr>')
        parts += [f"<th>{escape(name)}</th>" for name in table.head]
        parts.append("</tr></thead><tbody>")
        parts += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows]
        parts.append("</tbody></table></div>")
    return "\n".join([*parts, f"<footer>{escape(_how(of))}</footer></body></html>", ""])


FORMS: Mapping[str, Callable[[Comparison], str]] = {"text": text, "md": markdown, "html": html}
"""By the name of the format; that for programs is another room's."""


def title(of: Comparison) -> str:
    """What is compared, and when."""
    whose = f", group {of.group}" if of.group else ""
    return f"{of.b.engine} beside {of.a.engine}, {_time(of.since)} to {_time(of.until)}{whose}"


def said(of: Comparison) -> Sequence[str]:
    """The sentences: the verdict first, then each measure, then what is to be borne in mind."""
    measures = [sentence(one, of.a.engine, of.b.engine) for one in of.measures]
    return [headline(of), *measures, *(one.words for one in of.cautions)]


def tables(of: Comparison) -> Iterator[Table]:
    """The figures."""
    a, b = of.a.engine, of.b.engine
    if of.measures:
        head = ("measure", "figure", f"A: {a}", f"B: {b}", "B/A", "B-A", "verdict")
        yield Table("Figures, with 95 % intervals", head, [row for one in of.measures for row in _rows(one)])
        tests = ("measure", "decides", "B better than A", "Cliff's delta", "p", "p (Holm)", "smallest to be found")
        yield Table("How sure that is", tests, [_test(one) for one in of.measures])
    names = {
        "users": "users", "tasks": "tasks submitted", "completed": "completed", "failed": "failed",
        "cancelled": "cancelled", "queued": "not begun at the end", "running": "begun, not ended at the end",
        "retried": "tried more than once", "compared_users": "users compared", "compared": "tasks compared",
        "left_out": "tasks left out",
    }  # fmt: skip
    rows = [(words, f"{getattr(of.a, name):,}", f"{getattr(of.b, name):,}") for name, words in names.items()]
    rows.append(("users of equal size that these are worth", f"{of.a.effective:.1f}", f"{of.b.effective:.1f}"))
    yield Table("What each engine was given", ("", f"A: {a}", f"B: {b}"), rows)
    for words, strata in (("Tasks that are compared", of.strata), ("Tasks that only one had", of.left_out)):
        if strata:
            head = ("kind", "estimated slot-seconds", f"A: {a}", f"B: {b}", "weight", "median of A", "median of B")
            yield Table(words, head, [_stratum(one) for one in strata])


def _rows(of: Measure) -> Iterator[Sequence[str]]:
    shown = _of(of)
    for name, figure in of.figures.items():
        yield (
            _NAMES[of.name],
            _FIGURES[name],
            _with(figure.a, figure.a_interval, shown),
            _with(figure.b, figure.b_interval, shown),
            "" if figure.ratio is None else _with(figure.ratio, figure.ratio_interval, _factor),
            _with(figure.difference, figure.difference_interval, _difference_of(of)),
            _verdict(of.verdict) if name == of.decides else "",
        )


def _test(of: Measure) -> Sequence[str]:
    smallest = "" if of.smallest is None else _difference_of(of)(of.smallest)
    if of.smallest is not None and of.answer.ratio is not None:
        smallest = f"a factor of {of.smallest:.2f}"
    return (
        f"{_NAMES[of.name]}: {_WHAT[of.name]}",
        _FIGURES[of.decides],
        "" if of.superiority is None else _with(of.superiority, of.superiority_interval, _share),
        "" if of.delta is None else f"{of.delta:+.2f}",
        _chance(of.chance),
        _chance(of.holm),
        smallest,
    )


def _chance(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < _LEAST_CHANCE else f"{value:.3f}"


def _stratum(of: Stratum) -> Sequence[str]:
    medians = ["" if one is None else _seconds(one) for one in (of.a_median, of.b_median)]
    return (of.kind or "any", f"{of.low:g} to {of.high:g}", f"{of.a:,}", f"{of.b:,}", f"{of.weight:.1%}", *medians)


def _verdict(of: Verdict) -> str:
    return of.value.replace("_", " ")


def _with(value: float | None, spread: Interval | None, shown: Callable[[float], str]) -> str:
    if value is None:
        return "not known"
    return shown(value) if spread is None else f"{shown(value)} ({_spread(spread, shown)})"


def _spread(of: Interval, shown: Callable[[float], str]) -> str:
    return f"{shown(of.low)} to {shown(of.high)}"


def _factor(value: float | None) -> str:
    return "beyond" if value is None or value == inf else f"{value:.2f}"


def _factors(of: Interval) -> str:
    return _spread(of, _factor)


def _of(measure: Measure) -> Callable[[float | None], str]:
    """How values of this measure are shown."""
    return {"s": _seconds, "slot-s": _seconds, "share": _share, "index": _index}[measure.unit]


def _difference_of(measure: Measure) -> Callable[[float | None], str]:
    """How differences of them are shown: those of shares in percentage points."""
    return _points if measure.unit == "share" else _of(measure)


def _points(value: float | None) -> str:
    return "not known" if value is None else f"{value * 100:.1f} pp"


def _seconds(value: float | None) -> str:
    if value is None:
        return "not known"
    if not isfinite(value):
        return "not reached"
    size = abs(value)
    if size >= 2 * _HOUR:
        return f"{value / _HOUR:.1f} h"
    if size >= 2 * _MINUTE:
        return f"{value / _MINUTE:.1f} min"
    return f"{value:.1f} s" if size >= 10 else f"{value:.2f} s"  # noqa: PLR2004  digits


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value * 100:.1f} %"


def _index(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _how(of: Comparison) -> str:
    return (
        f"Intervals of {of.resamples:,} draws of users, each with all their tasks (seed {of.seed}); p is Holm's, of all"
        " measures at once. The method: docs/explanation/comparison.md."
    )


_LEFT, _WIDTH, _ROW = 170, 720, 34


def plot(of: Comparison) -> str:
    """The ratios with their intervals beside 1, as SVG; "" where there is none."""
    shown = [
        (_NAMES[one.name], one.answer.ratio, one.answer.ratio_interval)
        for one in of.measures
        if one.answer.ratio_interval is not None and one.answer.ratio is not None and isfinite(one.answer.ratio)
    ]
    if not shown:
        return ""
    ends = [abs(log(max(1e-3, min(end, 1e3)))) for _, _, spread in shown for end in (spread.low, spread.high)]
    reach = max(log(1.25), *ends) * 1.1

    def x(value: float) -> float:
        inside = max(-reach, min(reach, log(max(1e-3, min(value, 1e3)))))
        return _LEFT + (inside / reach + 1) / 2 * (_WIDTH - _LEFT - 20)

    high = _ROW * len(shown) + 30
    label = f"B/A: left of the line less on {of.b.engine}, right of it more"
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {high}" role="img" aria-label="{escape(label)}">',
        f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="0" y2="{high - 22}" stroke="currentColor" stroke-dasharray="4 4"/>',
    ]
    for at, (name, ratio, spread) in enumerate(shown):
        y = _ROW * at + 18
        parts += [
            f'<text x="0" y="{y + 4}">{escape(name)} {ratio:.2f}</text>',
            f'<path d="M{x(spread.low):.1f} {y}H{x(spread.high):.1f}" stroke="currentColor" stroke-width="3"/>',
            f'<circle cx="{x(ratio):.1f}" cy="{y}" r="5" fill="currentColor"/>',
        ]
    parts.append(f'<text x="{_LEFT}" y="{high - 4}">{escape(label)}</text></svg>')
    return "".join(parts)
