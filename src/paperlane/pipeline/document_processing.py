"""The second step: a parsed file becomes a document with sections, a language and the words that it defines."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Document, Language, Parsed, Section, Upload
from paperlane.model.steps import Job, Step
from paperlane.pipeline.definitions import definitions

_HAN = later(r"[\u3400-\u9fff]")
_WORD = later(r"[A-Za-z]{2,}")
_NUMBER = later(
    r"(?P<arabic>\d{1,3}(?:\.\d{1,3}){0,8})(?:[.、．:：)）](?=\s|[\u3400-\u9fff]|$)|(?=\s)|(?=[\u3400-\u9fff]))\s*(?P<rest>\S.*)?$|(?P<chapter>第\s*[一二三四五六七八九十百零〇\d]{1,5}\s*[章节節条條篇部])\s*(?P<title>.*)$|(?P<han>[一二三四五六七八九十]{1,3})[、．.]\s*(?P<after>.*)$",
    re.DOTALL,
)
_EXPANDED = later(r"[(（]\s*(?P<acronym>[A-Z][A-Z0-9]{1,7})s?\s*[)）,，]")
# a letter of any other script may stand beside an acronym: 采用RBAC（…）
_EXPANDS = later(
    r"(?<![A-Za-z0-9_-])(?P<acronym>[A-Z][A-Z0-9]{1,7})\s*"
    r"(?:[(（]\s*(?P<words>[^()（）]{4,90})[)）]|(?:stands for|means|"
    r"is (?:an (?:acronym|abbreviation)|short) for|[=:：—]|"
    r"(?<=\s)[–-](?=\s)|是指|指的是|意为|即)\s*(?P<said>\S[^.。;；\n]{3,90}))"
)
_MARKED = later(r"<abbr(?P<attributes>\s[^<>]*+)>(?P<acronym>[A-Z][A-Z0-9]{1,7})</abbr>")
_TITLE = later(r"\stitle=([\"'])(?P<words>[^<>]{4,200}?)\1")
_WORDS = later(r"[A-Za-z]{3}|[\u3400-\u9fff]{2}")
_SPOKEN = later(r"[^\W\d_](?:[\w-]*\w)?")
_CLAUSE = later(r"[.,;:!?。，；：！？、()（）]")
_AROUND = " \t\r\n*_`“”\"'「」"
_LANGUAGE_SAMPLE = 200_000


def process(subject: tuple[Upload, Parsed], job: Job) -> Document:
    """Sections in reading order; together they hold every block once, headings apart."""
    upload, parsed = subject
    job.progress(0.1)
    sections = tuple(_sections(parsed))
    job.progress(0.7)
    acronyms = _acronyms(parsed)
    job.progress(0.9)
    return Document(
        parsed, _language(parsed.text), sections, acronyms, upload.brief, definitions(parsed, sections)
    )  # fmt: skip


def _language(text: str) -> Language:
    sample = text[:_LANGUAGE_SAMPLE]
    return Language.ZH if len(_HAN.findall(sample)) > len(_WORD.findall(sample)) else Language.EN


def _sections(parsed: Parsed) -> Iterator[Section]:
    blocks = parsed.blocks
    headings = [at for at, block in enumerate(blocks) if block.kind is BlockKind.HEADING]
    first = headings[0] if headings else len(blocks)
    if first > 0:
        yield Section(-1, 0, first, 0, "", "", ())
    path: list[tuple[int, str]] = []
    for at, end in pairwise([*headings, len(blocks)]):
        block = blocks[at]
        title = " ".join(parsed.text[block.start : block.end].split())
        number, bare = _shown(block.number, title) if block.number else _numbered(title)
        while path and path[-1][0] >= block.level:
            path.pop()
        path.append((block.level, title))
        yield Section(at, at + 1, end, block.level, bare, number, tuple(name for _, name in path))


def _shown(number: str, title: str) -> tuple[str, str]:
    """The same where the file's program shows the number and the title does not hold it."""
    return _numbered(f"{number} {title}")[0], title


def _numbered(title: str) -> tuple[str, str]:
    found = _NUMBER.match(title)
    if found is None:
        return "", title
    number = found["arabic"] or found["chapter"] or found["han"]
    return number, (found["rest"] or found["title"] or found["after"] or "").strip() or title


def _acronyms(parsed: Parsed) -> Mapping[str, str]:
    """Every acronym that is explained somewhere: in brackets beside its words, after a colon, in a glossary."""
    found: dict[str, str] = {}
    for block in parsed.blocks:
        if block.kind is BlockKind.CODE:
            continue
        content = parsed.text[block.start : block.end]
        for match in _EXPANDED.finditer(content):
            if words := _spelled_out(content[max(0, match.start() - 90) : match.start()], match["acronym"]):
                found.setdefault(match["acronym"], words)
        for match in _EXPANDS.finditer(content):
            found.setdefault(match["acronym"], (match["words"] or match["said"]).strip())
        for match in _MARKED.finditer(content):
            if (title := _TITLE.search(match["attributes"])) is not None:
                found.setdefault(match["acronym"], title["words"].strip())
    return {**dict(_glossary(parsed)), **found}


def _spelled_out(before: str, acronym: str) -> str:
    """The words in front of a bracket whose initials an acronym is; where they are not, those since the last mark."""
    words = list(_SPOKEN.finditer(before))
    for count in range(min(len(words), len(acronym)), 0, -1):
        initials = "".join(part[0] for word in words[-count:] for part in word[0].split("-") if part)
        if initials.upper() == acronym:
            return before[words[-count].start() :].strip(_AROUND)
    said = _CLAUSE.split(before.rstrip())[-1].strip(_AROUND)
    return " ".join(said.split()[-len(acronym) - 2 :])


def _glossary(parsed: Parsed) -> Iterator[tuple[str, str]]:
    """A row whose first cell, or second after a number, is an acronym explains it in the next cell that has words."""
    rows: defaultdict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    for block in parsed.blocks:
        if block.kind is BlockKind.TABLE_CELL and block.column <= 3:  # noqa: PLR2004  number, acronym, words
            rows[block.table, block.row][block.column] = parsed.text[block.start : block.end].strip(" *_`")
    for cells in rows.values():
        first = 2 if cells.get(1, "").rstrip(".").isdecimal() else 1
        words = next((cells[at] for at in range(first + 1, 4) if _WORDS.search(cells.get(at, ""))), "")
        if words and re.fullmatch(r"[A-Z][A-Z0-9]{1,7}", cells.get(first, "")):
            yield cells[first], words[:90]


DOCUMENT_PROCESSING = Step("document_processing", 4, tuple[Upload, Parsed], Document, process, share=10)
