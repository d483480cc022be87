"""The terms that a document defines: in sentences, in sections of definitions, and in tables of terms."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from paperlane.compiling import later
from paperlane.model.documents import Block, BlockKind, Parsed, Section

_MOST = 1_000
_LONGEST_TERM, _LONGEST_MEANING = 60, 200
_VERB = later(
    r"(?P<en>\b(?:shall mean|means|is defined as|refers to|denotes|is an?)\b)"
    r"|(?P<zh>是指|系指|指的是|即指|定义为|意为|是一种|是一个|是)",
    re.ASCII,
)
_CLEAR = frozenset({"shall mean", "means", "is defined as", "是指", "系指", "指的是", "即指", "定义为"})
_ARTICLE = later(r"[ \t]+(?:an?|the|any|all|each|one|those)\b")
_BEFORE = 100  # characters in front of a verb, where its term stands
_CLAUSE = later(r"[.。!！?？;；\r\n](?:\s|$|(?=[^\x00-\x7f]))|\n")
_LEAD = later(r"^\s*(?:[-*•]\s+|\d[\d.]*\s+)?(?:The term |术语|本文(?:所称|中)的?)?")
_BRACKETS = later(r"\s*(?:[(（][^()（）]{1,40}[)）])?[，,]?\s*$")
_QUOTED = later(r"(?:[“\"「《]|\*\*|__)([^“”\"「」《》*_]{2,60})(?:[”\"」》]|\*\*|__)")
_BARE = later(r"[A-Z][\w-]{1,30}(?:[ \t]+[\w-]{1,30}){0,4}", re.ASCII)
_HAN = later(r"[A-Za-z\d\u3400-\u9fff ]{2,20}")
_MEANING_OF = later(r"[ \t:：]*([^\s。；;.][^。；;\r\n]{3,400})")
_NO_TERM = later(
    r"(?:This|That|It|Which|What|These|Those|They|He|She|We|There|Such|When|If|By|In|For|As|Your|Since|Although|But|And)\b"
    r".*|.*\b(?:an?|the|by|no|any|this|that)|[这那其它此该]|这里|此处|本文|[这该此][个种].*"
)
_PART = later(
    r"terms?(?:\s+(?:and|&)\s+(?:definitions?|acronyms?|abbreviations?))?|(?:terminology|glossary|definitions?|vocabulary)"
    r"(?:\s+(?:and|&|of)\s+[\w ]+)?|"
    r"术语(?:表|定义|(?:和|与|及)(?:其)?(?:定义|缩略语|缩写|缩写词))?|定义|名词(?:解释|术语|定义)|词汇表|"
    r"(?:acronyms?|abbreviations?)(?:\s+(?:and|&)\s+[\w ]+)?|缩略语|缩写(?:词|语|表)?",
    re.IGNORECASE,
)
_TERM = later(r"terms?|acronyms?|abbreviations?|word|名词|术语|缩略语|缩写词?|简称|词语", re.IGNORECASE)
_MEANING = later(
    r"definitions?|meanings?|descriptions?|explanations?|stands for|expansion|full (?:name|form)|"
    r"定义|含义|解释|说明|释义|描述|全称",
    re.IGNORECASE,
)
_ENTRY = later(
    r"(?:[-*•][ \t]+)?(?P<term>[^\r\n:：—–]{2,60}?)[ \t]*(?:[:：]|—{1,2}|[ \t][–-][ \t])\s*(?P<meaning>\S.{3,})",
    re.DOTALL,
)
_SENTENCE_END = later(r"\.(?:\s+(?=[A-Z])|\s*$)")
_MARKS = " \t*_`“”\"'「」《》|"


def definitions(parsed: Parsed, sections: Sequence[Section]) -> Mapping[str, str]:
    """Each defined term and what it means, at most 200 characters of it; the first definition of a term counts."""
    found: dict[str, str] = {}
    for written in _all(parsed, sections):
        term, meaning = (" ".join(part.strip(_MARKS).split()) for part in written)
        if 2 <= len(term) <= _LONGEST_TERM and len(meaning) > 3 and not _NO_TERM.fullmatch(term):  # noqa: PLR2004  letters
            found.setdefault(term, meaning[:_LONGEST_MEANING])
            if len(found) == _MOST:
                break
    return found


def _all(parsed: Parsed, sections: Sequence[Section]) -> Iterator[tuple[str, str]]:
    for section in sections:
        if _PART.fullmatch(section.title.strip(_MARKS)):
            yield from _entries(parsed, section)
        elif len(section.path) > 1 and _PART.fullmatch(_bare(section.path[-2])):
            yield from _titled(parsed, section)
    yield from _tables(parsed)
    for block in parsed.blocks:
        if block.kind is not BlockKind.CODE:
            yield from _sentences(parsed.text[block.start : block.end])


def _bare(title: str) -> str:
    return title.strip(_MARKS).lstrip("0123456789. \t、")


def _entries(parsed: Parsed, section: Section) -> Iterator[tuple[str, str]]:
    """What stands in a section of definitions: lines of "term: meaning", and the first two columns of its tables."""
    rows: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for block in parsed.blocks[section.first : section.last]:
        written = parsed.text[block.start : block.end]
        if block.kind is BlockKind.TABLE_CELL:
            rows[block.table, block.row].append(written)
        elif block.kind is not BlockKind.CODE and (entry := _ENTRY.match(written)) is not None:
            yield entry["term"], entry["meaning"]
    for cells in rows.values():
        if len(cells) > 1 and not _TERM.fullmatch(cells[0].strip(_MARKS)):
            yield cells[0], cells[1]


def _titled(parsed: Parsed, section: Section) -> Iterator[tuple[str, str]]:
    """A title below a section of definitions is a term, as ISO writes them."""
    for block in parsed.blocks[section.first : section.first + 1]:
        if block.kind is BlockKind.PARAGRAPH and section.last > section.first:
            yield section.title, parsed.text[block.start : block.end]


def _tables(parsed: Parsed) -> Iterator[tuple[str, str]]:
    """Tables whose first row names a column of terms and one of what they mean."""
    tables: defaultdict[int, list[Block]] = defaultdict(list)
    for block in parsed.blocks:
        if block.kind is BlockKind.TABLE_CELL:
            tables[block.table].append(block)
    for cells in tables.values():
        heads = {cell.column: parsed.text[cell.start : cell.end].strip(_MARKS) for cell in cells if cell.row == 1}
        term = next((column for column, head in heads.items() if _TERM.fullmatch(head)), 0)
        meaning = next((column for column, head in heads.items() if _MEANING.fullmatch(head)), 0)
        if term and meaning:
            yield from _columns(parsed, cells, term, meaning)


def _columns(parsed: Parsed, cells: Sequence[Block], term: int, meaning: int) -> Iterator[tuple[str, str]]:
    rows: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for cell in cells:
        if cell.row > 1:
            rows[cell.row].setdefault(cell.column, parsed.text[cell.start : cell.end])
    for row in rows.values():
        if term in row and meaning in row:
            yield row[term], row[meaning]


def _sentences(written: str) -> Iterator[tuple[str, str]]:
    """“X” is a ..., X means a ..., X是指...: the term begins its sentence, and the verb follows."""
    for verb in _VERB.finditer(written):
        window = written[max(0, verb.start() - _BEFORE) : verb.start()]
        clause = _BRACKETS.sub("", _LEAD.sub("", _CLAUSE.split(window)[-1], count=1))
        term, meaning = _named(written, clause, verb), _MEANING_OF.match(written, verb.end())
        if term and meaning is not None:
            yield term, _SENTENCE_END.split(meaning[1])[0]


def _named(written: str, clause: str, verb: re.Match[str]) -> str:
    """The term that a clause consists of, else "". Without quotes the verb must be a clear one."""
    if (quoted := _QUOTED.fullmatch(clause)) is not None:
        return quoted[1]
    if verb["zh"]:
        return clause if _HAN.fullmatch(clause) and verb[0] in _CLEAR else ""
    fits = _BARE.fullmatch(clause) and _ARTICLE.match(written, verb.end())
    return clause if fits and verb[0] in _CLEAR else ""
