"""A comparison in words: sentences and tables, as text, Markdown, and a page that needs nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from math import isfinite, log
from typing import Protocol

from paperlane.rollout.comparison import SAME, Comparison, Figure, Measure, Side, Stratum, Verdict
from paperlane.rollout.resampling import Interval
from paperlane.rollout.sentences import Tongue

_GIVEN = (
    "users", "tasks", "completed", "failed", "cancelled", "queued", "running", "retried", "compared_users", "compared",
    "left_out",
)  # fmt: skip
_LEAST_CHANCE = 0.001

OVER_ALL = {verdict: f"over all {verdict.value}" for verdict in Verdict}
"""Which sentence says a verdict over all."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title; every row has the cells of the head."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def headline(of: Comparison, language: str = "en") -> str:
    """The verdict over all, and what it rests on."""
    tongue = Tongue(language)
    said = tongue.say(OVER_ALL[of.verdict], a=of.a.engine, b=of.b.engine)
    named = {
        kind: [tongue.say(one.name).lower() for one in of.measures if one.verdict is kind]
        for kind in (Verdict.BETTER, Verdict.WORSE)
    }
    because = [
        tongue.say(f"{kind.value} in", names=tongue.say("list").join(names)) for kind, names in named.items() if names
    ]
    if of.verdict not in {Verdict.BETTER, Verdict.WORSE, Verdict.MIXED} or not because:
        return said + tongue.say(".")
    return f"{said}{tongue.say(': ')}{tongue.say('; ').join(because)}{tongue.say('.')}"


def sentence(of: Measure, a: str, b: str, language: str = "en") -> str:
    """What was found of one measure, and what could not have been."""
    tongue = Tongue(language)
    figure, name = of.answer, tongue.say(of.name)
    match of.verdict:
        case Verdict.NO_DATA | Verdict.TOO_SMALL:
            return tongue.say(f"says {of.verdict.value}", name=name)
        case Verdict.BETTER | Verdict.WORSE:
            differs = tongue.say(f"{of.name} {of.verdict.value}", a=a, b=b, by=tongue.percent(figure.ratio))
            return tongue.say("says differs", name=name, differs=differs, between=_between(of, figure, tongue))
        case Verdict.ALIKE:
            by_factor = figure.ratio_interval is not None and figure.ratio_interval.within(1 / SAME, SAME)
            shown = figure if by_factor else replace(figure, ratio_interval=None)  # too short for anybody to notice
            return tongue.say("says alike", name=name, a=a, b=b, between=_between(of, shown, tongue))
        case _:
            between, unseen = _between(of, figure, tongue), _unseen(of, tongue)
            says = "says unsure" if of.is_sure_alone else "says unclear"
            return tongue.say(says, name=name, between=between, unseen=unseen)


def _between(of: Measure, figure: Figure, tongue: Tongue) -> str:
    if figure.ratio_interval is not None:
        interval = _spread(figure.ratio_interval, tongue.factor, tongue)
        return tongue.say("between ratio", ratio=tongue.factor(figure.ratio), interval=interval)
    if figure.difference_interval is not None:
        shown = _difference_of(of, tongue)
        interval = _spread(figure.difference_interval, shown, tongue)
        return tongue.say("between difference", difference=shown(figure.difference), interval=interval)
    return ""


def _unseen(of: Measure, tongue: Tongue) -> str:
    if of.smallest is None:
        return ""
    if of.answer.ratio is not None:
        return tongue.say("unseen factor", smallest=f"{of.smallest:.2f}")
    return tongue.say("unseen difference", smallest=_difference_of(of, tongue)(of.smallest))


def text(of: Comparison, language: str = "en") -> str:
    """For a terminal."""
    first, *others = said(of, language)
    full_stop = Tongue(language).say(".")
    parts = [first, f"{title(of, language)}{full_stop}", *([""] if others else []), *others]
    for table in tables(of, language):
        cells = [table.head, *table.rows]
        widths = [max(len(row[at]) for row in cells) for at in range(len(table.head))]
        parts += ["", table.title]
        parts += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([*parts, "", how(of, language), ""])


def markdown(of: Comparison, language: str = "en") -> str:
    """For a note or a ticket."""
    first, *others = said(of, language)
    parts = [f"# {title(of, language)}", "", f"**{first}**", "", *(f"- {one}" for one in others)]
    for table in tables(of, language):
        rows = [table.head, ["---"] * len(table.head), *table.rows]
        parts += ["", f"## {table.title}", ""]
        parts += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*parts, "", how(of, language), ""])


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


def html(of: Comparison, language: str = "en") -> str:
    """One file that loads nothing from anywhere."""
    first, *others = said(of, language)
    named = escape(title(of, language))
    parts = [
        f'<!doctype html><html lang="{"en" if language == "en" else "zh-CN"}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{named}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{named}</h1><p class="verdict {of.verdict.value}">{escape(first)}</p><ul>',
        *(f"<li>{escape(one)}</li>" for one in others),
        "</ul>",
        plot(of, language),
    ]
    for table in tables(of, language):
        parts.append(f'<h2>{escape(table.title)}</h2><div class="wide"><table><thead><tr>')
        parts += [f"<th>{escape(name)}</th>" for name in table.head]
        parts.append("</tr></thead><tbody>")
        parts += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows]
        parts.append("</tbody></table></div>")
    return "\n".join([*parts, f"<footer>{escape(how(of, language))}</footer></body></html>", ""])


class Form(Protocol):
    """Tells a whole comparison in a language, "en" or "zh"."""

    def __call__(self, of: Comparison, language: str = "en") -> str: ...


FORMS: Mapping[str, Form] = {"text": text, "md": markdown, "html": html}
"""By the name of the format; that for programs is another room's."""


def title(of: Comparison, language: str = "en") -> str:
    """What is compared, and when."""
    tongue = Tongue(language)
    whose = tongue.say("of group", group=of.group) if of.group else ""
    engines = {"a": of.a.engine, "b": of.b.engine}
    return tongue.say("title", **engines, since=_time(of.since), until=_time(of.until), whose=whose)


def said(of: Comparison, language: str = "en") -> Sequence[str]:
    """The sentences: the verdict first, then each measure, then what is to be borne in mind."""
    return [headline(of, language), *measured(of, language), *cautions(of, language)]


def measured(of: Comparison, language: str = "en") -> Sequence[str]:
    """A sentence of each measure."""
    return [sentence(one, of.a.engine, of.b.engine, language) for one in of.measures]


def cautions(of: Comparison, language: str = "en") -> Sequence[str]:
    """What is to be borne in mind."""
    tongue = Tongue(language)
    return [tongue.caution(one.code, one.given) for one in of.cautions]


def tables(of: Comparison, language: str = "en") -> Iterator[Table]:
    """The figures."""
    tongue = Tongue(language)
    say = tongue.say
    a, b = f"A{say(': ')}{of.a.engine}", f"B{say(': ')}{of.b.engine}"
    if of.measures:
        head = (say("measure"), say("figure"), a, b, "B/A", "B-A", say("verdict"))
        yield Table(say("figures"), head, [row for one in of.measures for row in _rows(one, tongue)])
        tests = tuple(map(say, ("measure", "decides", "superiority", "delta", "p", "holm", "smallest")))
        yield Table(say("tests"), tests, [_test(one, tongue) for one in of.measures])
    rows = [(say(f"given {name}"), *(f"{_count(side, name):,}" for side in (of.a, of.b))) for name in _GIVEN]
    rows.append((say("given effective"), f"{of.a.effective:.1f}", f"{of.b.effective:.1f}"))
    yield Table(say("given"), ("", a, b), rows)
    for key, strata in (("strata", of.strata), ("strata left_out", of.left_out)):
        if strata:
            head = (say("kind"), say("size"), a, b, say("weight"), say("median a"), say("median b"))
            yield Table(say(key), head, [_stratum(one, tongue) for one in strata])


def _count(side: Side, name: str) -> int:
    return int(getattr(side, name))


def _rows(of: Measure, tongue: Tongue) -> Iterator[Sequence[str]]:
    shown, apart = _of(of, tongue), _difference_of(of, tongue)
    for name, figure in of.figures.items():
        ratio = "" if figure.ratio is None else _with(figure.ratio, figure.ratio_interval, tongue.factor, tongue)
        yield (
            tongue.say(of.name),
            tongue.say(f"figure {name}"),
            _with(figure.a, figure.a_interval, shown, tongue),
            _with(figure.b, figure.b_interval, shown, tongue),
            ratio,
            _with(figure.difference, figure.difference_interval, apart, tongue),
            tongue.say(f"verdict {of.verdict.value}") if name == of.decides else "",
        )


def _test(of: Measure, tongue: Tongue) -> Sequence[str]:
    smallest = "" if of.smallest is None else _difference_of(of, tongue)(of.smallest)
    if of.smallest is not None and of.answer.ratio is not None:
        smallest = tongue.say("a factor of", n=f"{of.smallest:.2f}")
    better = "" if of.superiority is None else _with(of.superiority, of.superiority_interval, tongue.share, tongue)
    return (
        f"{tongue.say(of.name)}{tongue.say(': ')}{tongue.say(f'what {of.name}')}",
        tongue.say(f"figure {of.decides}"),
        better,
        "" if of.delta is None else f"{of.delta:+.2f}",
        _chance(of.chance),
        _chance(of.holm),
        smallest,
    )


def _chance(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < _LEAST_CHANCE else f"{value:.3f}"


def _stratum(of: Stratum, tongue: Tongue) -> Sequence[str]:
    medians = ["" if one is None else tongue.seconds(one) for one in (of.a_median, of.b_median)]
    size = tongue.say("to", low=f"{of.low:g}", high=f"{of.high:g}")
    return (of.kind or tongue.say("any kind"), size, f"{of.a:,}", f"{of.b:,}", f"{of.weight:.1%}", *medians)


_Shown = Callable[[float | None], str]


def _with(value: float | None, spread: Interval | None, shown: _Shown, tongue: Tongue) -> str:
    if value is None:
        return tongue.say("not known")
    return shown(value) + ("" if spread is None else tongue.say("(x)", x=_spread(spread, shown, tongue)))


def _spread(of: Interval, shown: _Shown, tongue: Tongue) -> str:
    return tongue.say("to", low=shown(of.low), high=shown(of.high))


def _of(measure: Measure, tongue: Tongue) -> _Shown:
    """How values of this measure are shown."""
    return {"s": tongue.seconds, "slot-s": tongue.seconds, "share": tongue.share, "index": tongue.index}[measure.unit]


def _difference_of(measure: Measure, tongue: Tongue) -> _Shown:
    """How differences of them are shown: those of shares in percentage points."""
    return tongue.points if measure.unit == "share" else _of(measure, tongue)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def how(of: Comparison, language: str = "en") -> str:
    """How sure all that is, and where that is explained."""
    return Tongue(language).say("how", resamples=f"{of.resamples:,}", seed=of.seed)


_LEFT, _WIDTH, _ROW = 170, 720, 34


def plot(of: Comparison, language: str = "en") -> str:
    """The ratios with their intervals beside 1, as SVG; "" where there is none."""
    tongue = Tongue(language)
    shown = [
        (tongue.say(one.name), one.answer.ratio, one.answer.ratio_interval)
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
    label = escape(tongue.say("plot", b=of.b.engine))
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {high}" role="img" aria-label="{label}">',
        f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="0" y2="{high - 22}" stroke="currentColor" stroke-dasharray="4 4"/>',
    ]
    for at, (name, ratio, spread) in enumerate(shown):
        y = _ROW * at + 18
        parts += [
            f'<text x="0" y="{y + 4}">{escape(name)} {ratio:.2f}</text>',
            f'<path d="M{x(spread.low):.1f} {y}H{x(spread.high):.1f}" stroke="currentColor" stroke-width="3"/>',
            f'<circle cx="{x(ratio):.1f}" cy="{y}" r="5" fill="currentColor"/>',
        ]
    parts.append(f'<text x="{_LEFT}" y="{high - 4}">{label}</text></svg>')
    return "".join(parts)
