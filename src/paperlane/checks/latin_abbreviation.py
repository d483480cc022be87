"""Latin abbreviations and phrases in English text."""

import re
from collections.abc import Iterator

from paperlane.checks import STYLE_EN, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_ENGLISH = {
    "e.g.": "for example",
    "eg.": "for example",
    "i.e.": "that is",
    "ie.": "that is",
    "etc.": "and so on",
    "viz.": "namely",
    "cf.": "compare",
    "n.b.": "note",
    "et al.": "and others",
    "et. al.": "and others",
    "ibid.": "in the same place",
    "inter alia": "among other things",
    "ceteris paribus": "other things being equal",
    "mutatis mutandis": "with the changes that follow",
    "ipso facto": "by that very fact",
    "per annum": "a year",
    "vis-a-vis": "towards",
    "prima facie": "at first sight",
}
_WORD = later(rf"(?<![\w.])(?:{'|'.join(map(re.escape, _ENGLISH))})(?!\w)", re.ASCII)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if not prose.chinese:
            for found in _WORD.finditer(prose.low):
                params = {"word": prose.said(*found.span()), "instead": _ENGLISH[found[0]]}
                yield prose.finding(*found.span(), params)


CHECK = Check(
    name="latin-abbreviation",
    title={"en": "Latin abbreviation", "zh": "英文中的拉丁语缩写"},
    why="Not every reader knows what Latin abbreviations stand for, and some are mixed up with each other.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{word}” is Latin.", "zh": "“{word}”为拉丁语。"},
    suggestions={"en": "Write “{instead}”.", "zh": "请改为“{instead}”。"},
    flags=("Use a tool, e.g. a hammer.", "See Smith et. al. on it.", "It is, ceteris paribus, good."),
    passes=("Use a tool, for example a hammer.", "It is fetched, then stored."),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
