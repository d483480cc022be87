"""What a document counts, each with its place: numbers of headings and captions, ids of requirements."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from paperlane.checks import Subject
from paperlane.checks.numerals import in_chinese, value_of
from paperlane.checks.subject import Prose
from paperlane.checks.vocabulary import vocabulary
from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Section

_ARABIC = later(r"(?P<parent>(?:\d+\.)*)(?P<own>\d+)\.?", re.ASCII)
_CHINESE = later(r"(?P<before>第?)\s*(?P<own>[零〇一二三四五六七八九十百]+|\d+)\s*(?P<after>[章节節条條篇部]?)")
_LETTERED = later(r"(?P<kind>(?i:appendix|annex)\s+|附[录錄]\s*)(?P<own>[A-Z])(?![\w.])", re.ASCII)
_LETTERED_PART = later(r"(?P<parent>[A-Z]\.(?:\d{1,2}\.){0,3})(?P<own>\d{1,2})\.?\s", re.ASCII)
_ID = later(
    r"(?<![\w.-])(?P<stem>(?![A-Z]\.)[A-Z][A-Za-z]{0,11}\d?(?:[-_./](?:[A-Z][A-Za-z]{0,11}\d?|\d{1,4})){0,4}[-_./]|"
    r"(?:req|fr|nfr|srs|uc|us|tc)[-_]|[A-Z]{2,6}|"
    r"(?:业务|系统|性能|安全|数据|非)?(?:需求|功能|用例|接口|规则|指标|测试|约束){1,2}(?:编号)?[-_—]?)(?P<number>\d{1,5})(?P<part>[a-z]?)(?![\w,-]|\.\d)",
    re.ASCII,
)
STANDARDS = frozenset({
    "ISO", "IEC", "IEEE", "RFC", "EN", "DIN", "ANSI", "ITU", "NIST", "FIPS", "GB", "UTF", "SHA", "MD", "AES", "RSA",
    "HTTP", "IP", "IPV", "USB", "RS", "COVID", "CVE", "CWE", "BCP", "STD", "SP", "WCAG", "TLS", "SSL", "PKCS", "X",
})  # fmt: skip
"""What begins the names of standards and of what follows them; they look like ids of requirements."""
_LABEL = r"(?:requirement|req\.?|use\s+case)?\s*(?:id|no\.?|number|identifier)|(?:需求|用例|功能)?(?:编号|标识符?|ID)"
_LABELLED = later(rf"(?:{_LABEL})\s*[:：]\s*[*_`]*\s*|requirement\s+(?=[A-Z])", re.IGNORECASE)
_IS_LABEL = later(rf"\W*(?:{_LABEL}|\d{{1,4}}\.?)\W*", re.IGNORECASE)
_MENTIONED = later(
    r"\s*(?:[,、/]|(?:and|or|to|through|is|are|was|were|has|have|can|depends|refines|requires|defines|specifies|above|"
    r"below)\b|和|与|及|以及|至|是|中的|所|依赖|定义了|规定)",
    re.ASCII,
)
_OPENS = " \t\r\n*_[(|【［`#>\ufffc"
# at the beginning of a block, or of a line in it where a sign parts number and title
_CAPTION = later(
    r"(?:\A|(?P<line>^))[^\w\n]*+(?P<kind>table|figure|fig\.|listing|表|图)[ \t]*(?P<parent>(?:\d{1,3}[.-](?=\d))*+)"
    r"(?P<own>\d{1,3}+)(?P<apart>\s*[:：.。—–-][^\w\n]*+(?=\w)|[*_ \t]*+)(?P<title>\w[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_CAPTIONED = ("table", "tables", "figure", "figures", "fig", "figs", "listing", "listings")
_FIGURE = later(r"[0-9]")
_KINDS = {"fig.": "figure", "图": "figure", "表": "table"}
_LINE = later(r"[.。；;][ \t]*\r?\n[ \t]*(?=[A-Z(（\[【需功])")
_CONTINUED = later(r"continued|cont\.|\bcont\b|续", re.IGNORECASE)
_LONGEST_TITLE = 150
_NEAR = 120  # characters in which a block's id ends


@dataclass(frozen=True, slots=True)
class Numbered:
    """A place with a number of a series: `name` writes another number of it, `says` is what stands behind the number.

    `within` is where the series may not hold a number twice.
    """

    series: tuple[object, ...]
    own: int
    name: Callable[[int], str]
    start: int
    end: int
    within: tuple[str, ...] = ()
    says: str = ""


def headings(subject: Subject) -> Iterator[Numbered]:
    """All numbered headings in reading order; each series holds the numbers of siblings."""
    for section in subject.document.sections:
        read = _read(section)
        if read is not None:
            series, own, name = read
            place = subject.document.parsed.blocks[section.heading]
            yield Numbered(
                (*series, section.level), own, name, place.start, place.end, section.path[:-1], section.title
            )


def _read(section: Section) -> tuple[tuple[object, ...], int, Callable[[int], str]] | None:
    """The series that a heading's number belongs to, the number, and how its series writes one."""
    if (found := _ARABIC.fullmatch(section.number)) is not None:
        parent = found["parent"]
        return (parent,), int(found["own"]), lambda number: f"{parent}{number}"
    if (found := _CHINESE.fullmatch(section.number)) is not None:
        before, own, after = found["before"], found["own"], found["after"]
        write = str if own.isdecimal() else in_chinese
        return (after, section.path[:-1]), value_of(own), lambda number: f"{before}{write(number)}{after}"
    if (found := _LETTERED.match(section.title)) is not None:
        kind = found["kind"]
        first = ord("A") - 1
        return (kind.strip().lower(),), ord(found["own"]) - first, lambda number: f"{kind}{chr(first + number)}"
    if (found := _LETTERED_PART.match(section.title)) is not None:
        parent = found["parent"]
        return (parent,), int(found["own"]), lambda number: f"{parent}{number}"
    return None


def captioned(subject: Subject) -> Sequence[Prose]:
    """The blocks with a figure that speak of tables or figures, as captions do."""
    found: Sequence[Prose] | None = subject.kept.get("captioned")
    if found is None:
        reading, words = subject.reading, vocabulary(subject)
        found = reading.at(reading.numbered & (words.naming(*_CAPTIONED) | reading.holding("表", "图")))
        subject.kept["captioned"] = found
    return found


def captions(subject: Subject) -> Sequence[Numbered]:
    """Captions of tables and figures: lines that name one and then its title, and are no sentence about it."""
    found: Sequence[Numbered] | None = subject.kept.get("captions")
    if found is None:
        found = subject.kept["captions"] = list(_captions(subject))
    return found


def _captions(subject: Subject) -> Iterator[Numbered]:
    for prose in captioned(subject):
        if prose.block.level or prose.block.kind is BlockKind.TABLE_CELL:
            continue
        for found in _CAPTION.finditer(prose.text):
            if not _is_caption(found):
                continue
            kind, parent, word = kind_of(found["kind"]), found["parent"], found["kind"]
            apart = "" if word in "表图" else " "
            place = prose.finding(found.start("kind"), found.end("own"))
            yield Numbered(
                (kind, parent), int(found["own"]), _namer(f"{word}{apart}{parent}"), place.start, place.end,
                says=" ".join(found["title"].split()).casefold(),
            )  # fmt: skip


def _is_caption(found: re.Match[str]) -> bool:
    title, parted = found["title"].rstrip(" \t\r*_"), found["apart"].strip(" \t\r\n*_")
    if len(title) > _LONGEST_TITLE or _CONTINUED.search(title, 0, 20) or (title[-1:].isdecimal() and not parted):
        return False
    if parted:
        return True
    sentence = title[0].islower() or title.endswith(tuple(".;:,。；：，")) or "，" in title
    return found["line"] is None and not sentence


def _namer(before: str) -> Callable[[int], str]:
    return lambda number: f"{before}{number}"


def kind_of(word: str) -> str:
    """What a caption counts, in one word for all languages."""
    return _KINDS.get(word.lower(), word.lower())


@dataclass(frozen=True, slots=True)
class Id:
    """An id where it is defined. `family` is what its series has before the first figure, `says` what it stands for."""

    stem: str
    number: int
    text: str
    start: int
    end: int
    says: str

    @property
    def family(self) -> str:
        """The letters that all ids of one kind begin with."""
        return re.split(r"\d", self.stem, maxsplit=1)[0]

    def beside(self, number: int) -> str:
        """Another id of its series, as wide."""
        width = len(self.text.rstrip("abcdefghijklmnopqrstuvwxyz")) - len(self.stem)
        return f"{self.stem}{number:0{width}}"


def ids(subject: Subject) -> Mapping[str, Sequence[Id]]:
    """The ids that each list of the document defines: a table, the headings, the text, the cards of requirements.

    An id at the beginning of a block or a row, behind a label, or in a heading is defined there; elsewhere it is only
    mentioned.
    """
    found: Mapping[str, Sequence[Id]] | None = subject.kept.get("ids")
    if found is None:
        found = subject.kept["ids"] = _ids(subject)
    return found


def _ids(subject: Subject) -> Mapping[str, Sequence[Id]]:
    lists: defaultdict[str, list[Id]] = defaultdict(list)
    blocks = subject.reading.prose
    coded = {number for number, prose in enumerate(blocks) if prose.text is not prose.written}
    for number in sorted(subject.reading.numbered | coded):
        prose, before = blocks[number], blocks[number - 1] if number else None
        if (found := _defined(prose)) is not None and (place := _place(prose, before, found)):
            at = prose.finding(*found.span())
            says = prose.written[found.end() :]
            lists[place].append(Id(found["stem"], int(found["number"]), found[0], at.start, at.end, says))
            for also in _further(prose, found.end()) if place == "text" else ():
                at = prose.finding(*also.span())
                says = prose.written[also.end() :]
                lists[place].append(Id(also["stem"], int(also["number"]), also[0], at.start, at.end, says))
    return lists


def _further(prose: Prose, start: int) -> Iterator[re.Match[str]]:
    """What begins a line behind the end of a sentence, where a page does not show which lines are paragraphs."""
    for line in _LINE.finditer(prose.text, start) if "\n" in prose.text else ():
        found = _ID.match(prose.text, line.end())
        if found is not None and _MENTIONED.match(prose.text, found.end()) is None:
            yield found


def mentioned(prose: Prose) -> Iterator[re.Match[str]]:
    """What looks like an id, anywhere in a block."""
    return _ID.finditer(prose.text)


def _defined(prose: Prose) -> re.Match[str] | None:
    if _FIGURE.search(prose.written, 0, _NEAR) is None:
        return None
    # an id in code is an id
    for text in (prose.text, prose.written) if prose.text is not prose.written else (prose.text,):
        start = len(text) - len(text.lstrip(_OPENS))
        if (label := _LABELLED.match(text, start)) is not None:
            start = label.end()
        if (found := _ID.match(text, start)) is not None:
            return found if _MENTIONED.match(text, found.end()) is None else None
    return None


def _place(prose: Prose, before: Prose | None, found: re.Match[str]) -> str:
    """Which list of ids a block belongs to; "" for none."""
    block = prose.block
    if block.kind is BlockKind.TABLE_CELL:
        if block.column == 1:
            return f"table {block.table}"
        beside = before is not None and (before.block.table, before.block.row) == (block.table, block.row)
        labelled = beside and before is not None and block.column == 2 and _IS_LABEL.fullmatch(before.text)  # noqa: PLR2004  beside the label
        if not labelled or before is None:
            return ""
        return f"table {block.table}" if before.text.strip(" .").isdecimal() else "cards"
    if block.level:
        return "headings"
    return "text" if len(prose.text) > found.end() + 2 or "\ufffc" in prose.text[: found.start()] else ""
