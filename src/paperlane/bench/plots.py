"""Plots as inline SVG: lines over time and bars, readable on light and on dark."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 26, 44
_COLOURS = ("#2f6fdb", "#c2571a", "#2a9157", "#8b4fc4", "#b8860b", "#c23b6b", "#3a8fa3", "#777777")
_POINTS = 600  # a line has no more
_TEXT = 'font-family="system-ui,sans-serif" font-size="12" fill="currentColor"'
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TICKS = 4

Line = Sequence[tuple[float, float]]
"""Points of a time and a value, in the order of time."""


def ticks(most: float, many: int = _TICKS) -> Sequence[float]:
    """Round numbers from 0 up to where `most` is covered: about so many steps."""
    if not (most > 0 and math.isfinite(most)):
        return (0.0, 1.0)
    rough = most / many
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in _STEPS if one * power >= rough * (1 - 1e-9))
    return tuple(step * n for n in range(math.ceil(most / step - 1e-9) + 1))


def lines(title: str, unit: str, named: Mapping[str, Line], marks: Iterable[float] = (), over: str = "seconds") -> str:
    """Lines over time, each with its name; `marks` are upright lines, at something that happened."""
    drawn = {name: [point for point in line if all(map(math.isfinite, point))] for name, line in named.items()}
    points = [point for line in drawn.values() for point in line]
    across, up = ticks(max((at for at, _ in points), default=0.0), 8), ticks(max((v for _, v in points), default=0.0))

    def x(at: float) -> float:
        return _LEFT + at / across[-1] * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / up[-1] * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_opening(title, _HEIGHT)]
    parts += [_rule(_LEFT, y(value), _WIDTH - _RIGHT, y(value)) for value in up]
    parts += [_word(_LEFT - 6, y(value) + 4, _number(value), "end") for value in up]
    parts += [_word(x(at), _HEIGHT - _BOTTOM + 16, _number(at), "middle") for at in across]
    parts += [_rule(x(at), _TOP, x(at), _HEIGHT - _BOTTOM, ' stroke-dasharray="2 3"') for at in marks if at >= 0]
    parts.append(_word(_LEFT, 16, f"{title}, {unit}" if unit else title, weight="600"))
    parts.append(_word(_WIDTH - _RIGHT, 16, over, "end"))
    left = float(_LEFT)
    for number, (name, line) in enumerate(drawn.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        where = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in thinned(line))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{where}"/>')
        parts.append(f'<rect x="{left:.0f}" y="{_HEIGHT - 17}" width="10" height="10" fill="{colour}"/>')
        parts.append(_word(left + 14, _HEIGHT - 8, name))
        left += 30 + 6.6 * len(name)
    return "".join([*parts, "</svg>"])


def bars(title: str, unit: str, named: Mapping[str, float]) -> str:
    """Bars that lie, each with its name and number."""
    row = 24
    height = _TOP + row * len(named) + 8
    most = max((value for value in named.values() if math.isfinite(value)), default=0.0) or 1.0
    parts = [_opening(title, height), _word(4, 16, f"{title}, {unit}" if unit else title, weight="600")]
    for number, (name, value) in enumerate(named.items()):
        top = _TOP + row * number
        wide = (_WIDTH - 330) * value / most if math.isfinite(value) else 0.0
        parts.append(_word(224, top + 15, name, "end"))
        parts.append(f'<rect x="232" y="{top + 3}" width="{wide:.1f}" height="16" fill="{_COLOURS[0]}"/>')
        parts.append(_word(240 + wide, top + 15, _number(value)))
    return "".join([*parts, "</svg>"])


def thinned(line: Line, most: int = _POINTS) -> Line:
    """Not too many of these points; of those that are left together the highest stays, for peaks are what is asked."""
    if len(line) <= most:
        return line
    size = math.ceil(len(line) / most)
    return [max(line[at : at + size], key=lambda point: point[1]) for at in range(0, len(line), size)]


def _opening(title: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">'
    )


def _word(x: float, y: float, said: str, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" {_TEXT}>{escape(said)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    where = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {where} stroke="currentColor" stroke-opacity="0.25"{more}/>'


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"  # noqa: PLR2004  width
