"""The numbers that an office program writes in front of numbered paragraphs, and that their text does not hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from paperlane.checks.numerals import in_chinese

_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_LETTERS = 26
_MOST = 32_767  # ECMA-376 part 1, 17.9.25: a start is a short number
_MOST_LETTERS = 20


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a list: `text` with %1 to %9 for the numbers of its levels, written as their `form` says.

    `form` is one of ECMA-376 part 1, 17.18.59; "none" and "bullet" write nothing. `legal` writes all as 1, 2, 3.
    `restarts` is False where the numbers go on through the whole document.
    """

    text: str
    form: str = "decimal"
    start: int = 1
    legal: bool = False
    restarts: bool = True


@dataclass(slots=True)
class Count:
    """How far the numbers of a list have come; levels count from 0."""

    levels: Mapping[int, Level]
    reached: dict[int, int] = field(default_factory=dict)

    def begin(self, level: int, start: int) -> None:
        """The next number of this level shall be `start`."""
        self.reached[level] = start - 1

    def next(self, level: int) -> str:
        """Count on, and write the number as it is shown; "" where nothing, or a bullet, is."""
        own = self.levels.get(level)
        if own is None:
            return ""
        self.reached[level] = min(self.reached.get(level, own.start - 1) + 1, _MOST)
        for deeper in [deeper for deeper in self.reached if deeper > level and self._restarts(deeper)]:
            del self.reached[deeper]
        if own.form in {"bullet", "none"}:
            return ""
        return _PLACE.sub(lambda place: self._written(int(place[1]) - 1, legal=own.legal), own.text).strip()

    def _restarts(self, level: int) -> bool:
        return level not in self.levels or self.levels[level].restarts

    def _written(self, level: int, *, legal: bool) -> str:
        of = self.levels.get(level, Level(""))
        return written(self.reached.get(level, of.start), "decimal" if legal else of.form)


def written(number: int, form: str) -> str:
    """A number in digits, letters, Roman or Chinese numerals; in digits where the form is not known here."""
    match form:
        case "lowerLetter" | "upperLetter" if 0 < number <= _LETTERS * _MOST_LETTERS:
            rounds, letter = divmod(number - 1, _LETTERS)
            return _cased(chr(ord("a") + letter) * (rounds + 1), form)
        case "lowerRoman" | "upperRoman":
            return _cased(_roman(number), form)
        case "decimalZero":
            return f"{number:02}"
        case "ideographTraditional" if 0 < number <= len(_STEMS):
            return _STEMS[number - 1]
        case "decimalEnclosedCircle" | "decimalEnclosedCircleChinese" if 0 < number <= 20:  # noqa: PLR2004  ⑳
            return chr(ord("①") + number - 1)
        case "bullet" | "none":
            return ""
        case _ if "hinese" in form or "ounting" in form or form in {"ideographDigital", "japaneseLegal"}:
            return in_chinese(number)
        case _:
            return str(number)


def _cased(letters: str, form: str) -> str:
    return letters.upper() if form.startswith("upper") else letters


def _roman(number: int) -> str:
    letters: list[str] = []
    for worth, sign in _ROMAN:
        times, number = divmod(number, worth)
        letters.append(sign * times)
    return "".join(letters)
