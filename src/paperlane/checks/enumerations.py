"""The items of lists that authors number by hand: (1), b), iv., 第三条, Step 4."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from paperlane.checks import Finding, Subject
from paperlane.checks.numerals import in_chinese, value_of
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import BlockKind

_HAN = "零〇一二三四五六七八九十百"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
_MARK = later(
    rf"[ \t\u3000*_]*(?P<all>(?P<before>(?:[A-Z][a-z]{{2,11}}\s|[(（\[【]|第|[\u3400-\u9fff]{{2}}\s?)?)\s?"
    rf"(?P<own>\d{{1,3}}|[{_HAN}]{{1,4}}|[ivxlIVXL]{{1,6}}|[A-Za-z]|[{_CIRCLED}])\s?"
    r"(?P<after>[)）\]】.、．:：]|[步条條款項项](?=[:：、\s\u3400-\u9fff])|(?<=[①-⑳])))(?![\d.])\s*\S",
)
_SOURCE = later(r"[ \t>]*(?:[-*+][ \t]+)?(?P<all>(?P<own>\d{1,3})(?P<after>[.)]))[ \t]+")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50}
_TITLED = frozenset({"table", "figure", "listing", "chapter", "section", "appendix", "annex", "part", "page", "图表"})
_FEWEST = 3
_WIDEST = 5  # a wider gap is the beginning of another list
_BETWEEN = 3  # blocks without a mark that an item may have


@dataclass(frozen=True, slots=True)
class Item:
    """An item's mark at `start:end` of the document, of which `before` and `after` are the same in all its list."""

    before: str
    after: str
    form: str
    own: int
    start: int
    end: int

    def beside(self, number: int) -> str:
        """The mark of another item."""
        return f"{self.before}{_WRITE[self.form](number)}{self.after}".strip(" :：")


def gaps(subject: Subject) -> Iterator[tuple[Finding, Sequence[str]]]:
    """Each item before which others are missing, and their marks.

    A list begins with its first item and is mostly without gaps. What stands in the text between two items, as where a
    line of a PDF was joined to another one, is not missing.
    """
    text = subject.document.text
    for items in _lists(subject):
        rises = sum(after.own == before.own + 1 for before, after in pairwise(items))
        if len(items) < _FEWEST or 2 * rises < len(items) - 1:
            continue
        for before, after in pairwise(items):
            missing = [after.beside(number) for number in range(before.own + 1, after.own)]
            between = text[before.end : after.start]
            if 0 < len(missing) <= _WIDEST and not any(mark in between for mark in missing):
                yield Finding(after.start, after.end), missing


def _lists(subject: Subject) -> Iterator[Sequence[Item]]:
    """Lists that begin with their first item, in which each item's number is greater than the one before it."""
    open_: dict[tuple[str, ...], list[Item]] = {}
    quiet = 0
    for prose in subject.prose:
        items = [] if prose.block.level or prose.block.kind is BlockKind.TABLE_CELL else list(_items(subject, prose))
        quiet = 0 if items else quiet + 1
        if quiet > _BETWEEN or prose.block.level:
            yield from open_.values()
            open_ = {}
        for item in items:
            key = (item.before, item.after, item.form)
            held = open_.get(key)
            if held is not None and item.own > held[-1].own:
                held.append(item)
                continue
            if held is not None:
                yield open_.pop(key)
            if item.own == 1:
                open_[key] = [item]
    yield from open_.values()


def _items(subject: Subject, prose: Prose) -> Iterator[Item]:
    """What a block's mark may be: "i" is a letter and a Roman number."""
    found = _MARK.match(prose.written)
    if found is not None:
        if found["before"].strip().lower() in _TITLED:
            return
        place = prose.finding(*found.span("all"))
        start, end = place.start, place.end
        before, after, own = found["before"], found["after"], found["own"]
        if after in {":", "："}:
            if not before:
                return  # "1:" begins many things
            end -= 1
    elif prose.block.kind is BlockKind.LIST_ITEM and (marked := _before(subject, prose)) is not None:
        start, end, before, after, own = marked
    else:
        return
    for form, number in _numbers(own):
        yield Item(before, after, form, number, start, end)


def _before(subject: Subject, prose: Prose) -> tuple[int, int, str, str, str] | None:
    """The mark of an item in Markdown, which its block leaves out; how far it is indented is part of its list."""
    text = subject.document.text
    line = text.rfind("\n", 0, prose.block.start) + 1
    found = _SOURCE.fullmatch(text, line, prose.block.start)
    if found is None:
        return None
    return *found.span("all"), text[line : found.start("all")], found["after"], found["own"]


def _numbers(own: str) -> Iterator[tuple[str, int]]:
    if own.isdecimal():
        yield "arabic", int(own)
    elif own[0] in _CIRCLED:
        yield "circled", _CIRCLED.index(own) + 1
    elif own[0] in _HAN:
        yield "chinese", value_of(own)
    else:
        case = "upper" if own.isupper() else "lower"
        if len(own) == 1:
            yield f"{case} letter", ord(own.lower()) - ord("a") + 1
        number = _of_roman(own.lower())
        if number and _roman(number) == own.lower():
            yield f"{case} roman", number


def _of_roman(numeral: str) -> int:
    values = [_ROMAN.get(letter, 0) for letter in numeral]
    if 0 in values:
        return 0
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))


def _roman(number: int) -> str:
    written = ""
    for value, letters in ((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")):
        times, number = divmod(number, value)
        written += times * letters
    return written


def _letter(number: int) -> str:
    return chr(ord("a") + number - 1)


_WRITE: Mapping[str, Callable[[int], str]] = {
    "arabic": str,
    "chinese": in_chinese,
    "circled": lambda number: _CIRCLED[number - 1],
    "lower letter": _letter,
    "upper letter": lambda number: _letter(number).upper(),
    "lower roman": _roman,
    "upper roman": lambda number: _roman(number).upper(),
}
