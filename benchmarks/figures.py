"""Figures, how several rounds become one, and where they are kept."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

OURS = "paperlane"
FOLDER = Path(__file__).parents[1] / "build" / "bench"
PUBLISHED = Path(__file__).parent / "published"
"""What the page shows: the latest run of each part that was meant for it."""


class Reading(float):
    """What was read in one round; `disturbed` when others used the machine meanwhile, each time it was tried."""

    disturbed: bool

    def __new__(cls, value: float, *, disturbed: bool = False) -> Self:
        """A number like any other, with that mark."""
        made = super().__new__(cls, value)
        made.disturbed = disturbed
        return made


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one program.

    `ratio` is ours / the peer's of the same round, the median over all rounds; of times (a unit of seconds) too.
    A peer that could not run has no value, and `note` says why. `disturbed` are the rounds, from 0, in which others
    used the machine; `ratio_disturbed` when there was such a round on either side.
    """

    name: str
    value: float | None
    unit: str
    peer: str = OURS
    ratio: float | None = None
    rounds: Sequence[float] = ()
    settings: str = ""
    note: str = ""
    disturbed: Sequence[int] = ()
    ratio_disturbed: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one part, all of one run: where, how and when they were taken (`began` and `taken`, its end)."""

    name: str
    figures: Sequence[Figure]
    quick: bool
    machine: Mapping[str, object] = field(default_factory=dict)
    taken: str = ""
    began: str = ""

    def keep(self, folder: Path = FOLDER) -> None:
        """Write it as JSON; it replaces what an earlier run left."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=2) + "\n")


def now() -> str:
    """The day and the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def kept(folder: Path = FOLDER) -> list[Part]:
    """All parts that runs have left, by name."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        read = json.loads(path.read_text())
        parts.append(Part(**{**read, "figures": [Figure(**figure) for figure in read["figures"]]}))
    return parts


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def jain(values: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all are equal, 1/n when one has everything."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


def compared(
    name: str,
    unit: str,
    ours: Sequence[float],
    others: Mapping[str, Sequence[float]],
    settings: Mapping[str, str] | None = None,
    failed: Mapping[str, str] | None = None,
) -> list[Figure]:
    """Our figure, and each other one with the ratio of the same round; the rounds are in the same order everywhere."""
    said = settings or {}
    own = median(name, unit, ours, settings=said.get(OURS, ""))
    found = [own] if ours or OURS not in (failed or {}) else []
    for peer, values in others.items():
        ratios = [mine / value for mine, value in zip(ours, values, strict=False) if value]
        ratio = statistics.median(ratios) if ratios else None
        other = median(name, unit, values, peer=peer, ratio=ratio, settings=said.get(peer, ""))
        found.append(replace(other, ratio_disturbed=bool(ratios and (own.disturbed or other.disturbed))))
    found += [Figure(name, None, unit, peer, note=why) for peer, why in (failed or {}).items()]
    return found


def median(
    name: str, unit: str, rounds: Iterable[float], *, peer: str = OURS, ratio: float | None = None, settings: str = ""
) -> Figure:
    """One figure of several rounds; without any, it has no value."""
    values = tuple(rounds)
    disturbed = [number for number, value in enumerate(values) if isinstance(value, Reading) and value.disturbed]
    middle = statistics.median(values) if values else None
    return Figure(name, middle, unit, peer, ratio, values, settings, disturbed=disturbed)
