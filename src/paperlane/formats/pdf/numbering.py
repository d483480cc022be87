"""How a title is numbered: "1.2", "Chapter 3", "Appendix A", "第一章", "一、", "（一）"."""

import re
from typing import NamedTuple

_HAN = "一二三四五六七八九十百零〇"
_MARK = re.compile(
    rf"(?P<chapter>第\s*[{_HAN}\d]{{1,5}}\s*[章篇编編部]分?|(?:chapter|part)\s+(?:\d{{1,3}}|[ivxlc]{{1,6}})\b[.:：]?)"
    rf"|(?P<section>第\s*[{_HAN}\d]{{1,5}}\s*[节節])"
    r"|(?P<annex>(?:appendix|annex)\s+(?:[a-z]\b|\d{1,2}\b|[ivx]{1,5}\b)[.:：]?|附[录錄件]?\s*(?:[A-Z]|\d{1,2}|[IVX]{1,4}"
    rf"|[{_HAN}]{{1,3}})(?![a-z\d])[.:：、]?)"
    rf"|(?P<han>[{_HAN}]{{1,4}}[、．.])"
    rf"|(?P<bracketed>[（(][{_HAN}]{{1,4}}[)）])"
    r"|(?P<number>(?:[A-Z]\.)?\d{1,3}(?:\.\d{1,3}){0,6})(?:[)）、]|[.．:：]?(?=\s|[\u2e80-\uffff]))",
    re.IGNORECASE,
)


class Mark(NamedTuple):
    """What numbers a title: `form` tells ways of numbering apart, `depth` is 2 for "1.1"; the title begins at `end`.

    `number` is the number itself where it has parts that count.
    """

    form: str
    depth: int
    end: int
    number: tuple[int, ...] = ()

    def follows(self, before: "Mark | None") -> bool:
        """Is it a number with several parts, the first one below the number before it, or the next one?"""
        if before is None or len(self.number) < 2:  # noqa: PLR2004  a bare one may number anything
            return False
        *outer, last = self.number
        up_to, sibling = before.number[: len(outer)], before.number[len(outer) : len(outer) + 1]
        return up_to == tuple(outer) and last == (sibling[0] + 1 if sibling else 1)


FORMS = ("chapter", "section", "annex", "han", "bracketed", "number")
"""Ways of numbering, the outermost first."""


def mark_of(title: str) -> Mark | None:
    """The number in front of a title, which begins with no white space."""
    found = _MARK.match(title)
    if found is None:
        return None
    form = next(form for form in FORMS if found[form] is not None)
    if form != "number":
        return Mark(form, 1, found.end())
    number = found["number"]
    parts = number.removesuffix(".0").split(".")
    return Mark(form, len(parts), found.end(), tuple(int(part) for part in parts if part.isdecimal()))
