"""Acronyms that the document uses and never spells out."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import filterfalse
from operator import itemgetter

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.vocabulary import Vocabulary, vocabulary
from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Severity

# "ORDER BY" is two words in capitals; [CTAP] is the name of a reference. What stands before is looked at behind the
# first letter, so that small ones are quickly passed by.
_ACRONYM = later(
    r"[A-Z](?<![\w$@#/.&-].)(?<![A-Z]{2} .)(?!(?<=\[.)[A-Z0-9]*\])[A-Z0-9]{1,5}s?"
    r"(?![\w/-]|\.\w|\(|['’]\w| [A-Z]{2,}\b)",
    re.ASCII,
)
_KNOWN = frozenset({
    "SHALL", "MUST", "SHOULD", "MAY", "WILL", "CAN", "ON", "OFF", "HERE", "OUR", "YOUR", "THIS", "THAT", "ANY",
    "EACH", "TRUE", "FALSE", "NULL", "NONE", "README", "NEVER", "ALWAYS", "ONLY", "NOTE", "TIP", "YES", "DO",
    "NO", "BE", "IS", "TO", "IN", "AI", "ALL", "AM", "AND", "API", "APIs", "ASCII", "AWS", "BSD", "CA", "CD",
    "CEO", "CI", "CLI", "CPU", "CSS", "CSV", "DB", "DNS", "DOC", "DOCX", "EN", "END", "EOF", "EU", "FAQ",
    "FTP", "GB", "GBK", "GCC", "GET", "GIF", "GIT", "GMT", "GPL", "GPU", "GUI", "HTML", "HTTP", "HTTPS", "ID",
    "IDE", "IDs", "IEC", "IEEE", "IF", "INFO", "IO", "IP", "IPV4", "IPV6", "ISO", "IT", "JPEG", "JPG", "JSON",
    "KB", "LAN", "LTD", "MB", "MIT", "NASA", "NEW", "NOT", "OK", "OR", "OS", "PC", "PDF", "PHP", "PIN", "PM",
    "PNG", "POST", "PR", "PRs", "PUT", "QA", "RAM", "REST", "RFC", "ROM", "SDK", "SET", "SMS", "SQL", "SSD",
    "SSH", "SSL", "SVG", "TB", "TBD", "TCP", "THE", "TLS", "TODO", "TXT", "UDP", "UI", "UK", "UN", "URI",
    "URIs", "URL", "URLs", "US", "USA", "USB", "UTC", "UTF", "UUID", "ANSI", "IETF", "NIST", "ETSI", "IANA",
    "ITU", "GNU", "LGPL", "AGPL", "POSIX", "RSA", "AES", "DES", "SHA", "JS", "JSP", "NPM", "NVIDIA", "CUDA",
    "AMD", "ARM", "IBM", "HP", "HPE", "SAP", "BMW", "INC", "LLP", "LLC", "GMBH", "AG", "TV", "LED", "GPS",
    "DVD", "CTO", "CFO", "CIO", "HR", "PHD", "FYI", "NB", "PS", "QR", "EUR", "USD", "GBP", "CNY", "RMB",
    "MIME", "NAN", "AS", "BY", "FOO", "BAR", "BAZ", "ABC", "XYZ", "SELECT", "FROM", "WHERE", "INSERT",
    "UPDATE", "DELETE", "JOIN", "DROP", "TABLE", "ANNEX", "APPENDIX", "HEIGHT", "WEIGHT", "LIMIT", "COMMIT",
    "NUM", "CTRL", "ALT", "SHIFT", "TAB", "ESC", "IDEA", "HEAD", "PATCH", "PATH", "DEBUG", "ERROR", "WARN",
    "FATAL", "TRACE", "BUG", "APP", "SRS", "PRD", "VAT", "VM", "VMs", "WAN", "WIFI", "WWW", "XML", "YAML",
    "YML", "ZIP",
})  # fmt: skip
_INTRODUCED = later(
    r"(?:简称|縮寫|缩写|英文|又称|即|\b(?:abbreviat\w+|abbr\.?|acronym|hereafter|hereinafter|known|called|referred\s+to)(?:\s+(?:as|is|to))*)"
    r"\s*(?:名|为|為|是|作)?\s*[:：“\"'(（]*\s*(?P<acronym>[A-Z][A-Z0-9]{1,7})(?![A-Za-z0-9])"
)
_INTRODUCING = (
    "简称", "縮寫", "缩写", "英文", "又称", "即", "abbr", "acronym", "hereafter", "hereinafter", "known", "called",
    "referred",
)  # fmt: skip
_ENTRY = later(
    r"\W{0,4}(?P<acronym>[A-Z][A-Z0-9]{1,7})\W{0,4}?"
    r"(?:\t|[ \xa0]{2,}|\s*[:：=]|\s+[–—-]+\s|\|)\W*[A-Za-z\u3400-\u9fff]{2,}[^\n]{3,}"
)
_SMALL = frozenset({"of", "and", "the", "for", "in", "on", "to", "a", "by", "with"})
_SAME_LETTER = later(r"([A-Z])\1+")
_FEWEST_WORDS = 5  # of a cell that is a statement
_SPELLED = 3  # letters of the shortest acronym that capitals of neighbouring words spell
_ROMAN = later(r"[IVXLCDM]+")
_CODE = later(r"[A-Z]{1,3}\d\w*")


def _find(subject: Subject) -> Iterator[Finding]:
    """The first use of each; where most letters are capitals, and in short cells, they may be any words."""
    document = subject.document
    known = {*document.acronyms, *document.brief.terms, *_introduced(subject)}
    words, initials = _spelled(vocabulary(subject))
    for prose in subject.prose:
        places = list(_ACRONYM.finditer(prose.text))
        if not places or _is_shouted(prose.text):
            continue
        if prose.block.kind is BlockKind.TABLE_CELL and len(prose.text.split()) < _FEWEST_WORDS:
            continue
        for found in places:
            word = found[0]
            base = word.removesuffix("s")
            if not {word, base}.isdisjoint(known) or not {word, base}.isdisjoint(_KNOWN):
                continue
            known |= {word, base}
            if not _explains_itself(base) and base.lower() not in words and not _stands_in(base, initials):
                yield replace(prose.finding(*found.span(), {"word": word}), anywhere=True)


def _is_shouted(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return sum(character.isupper() for character in letters) > 0.6 * len(letters)


def _explains_itself(word: str) -> bool:
    """Roman numerals, names of models and sizes, and letters that stand for any others."""
    return any(pattern.fullmatch(word) for pattern in (_ROMAN, _CODE, _SAME_LETTER))


def _introduced(subject: Subject) -> Iterator[str]:
    """Acronyms behind a word that introduces them, and those at the beginning of an entry."""
    for prose in subject.holding(*_INTRODUCING):
        yield from (found["acronym"] for found in _INTRODUCED.finditer(prose.text))
    for prose in subject.prose:
        if (entry := _ENTRY.match(prose.written)) is not None:
            yield entry["acronym"]


def _spelled(vocabulary_: Vocabulary) -> tuple[Collection[str], str]:
    """The words that stand in small letters, or in one capital; and the initials of all words but the small ones."""
    plain = {word.lower() for word in vocabulary_.written if word[1:].islower()}
    blocks = ("".join(map(itemgetter(0), filterfalse(_SMALL.__contains__, words))) for _, words in vocabulary_.blocks)
    return plain, "\n".join(blocks)


def _stands_in(word: str, initials: str) -> bool:
    """Do capitals of neighbouring words spell it out?"""
    return len(word) >= _SPELLED and word.isalpha() and word in initials


CHECK = Check(
    name="undefined-acronym",
    title={"en": "Undefined acronym", "zh": "未定义的缩写"},
    why="An acronym that is never spelled out means something else to each reader.",
    category="terminology",
    severity=Severity.INFO,
    confidence=0.6,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "“{word}” is never spelled out.", "zh": "缩写“{word}”未给出全称。"},
    suggestions={
        "en": "Spell it out where it first stands, as in “service level objective (SLO)”, or in a glossary.",
        "zh": "请在首次出现处写明全称，例如“服务等级目标（SLO）”，或列入术语表。",
    },
    flags=(
        "The SLO of the service is 99.9 %.",
        "SLO-based alerts are sent when the SLO is missed.",
        "本系统遵循 GDPQ 的要求。",
        "本系统的MTTR应小于1小时。",
        "系统支持SSO集成。",
        "| Id | Text |\n|---|---|\n| R-1 | The SLO shall be met on each day. |",
    ),
    passes=(
        "The service level objective (SLO) is 99.9 %. The SLO is measured daily.",
        "Requests use HTTP and JSON.",
        "See chapter IV and R2D2.",
        "The file is given AS IS. Use ORDER BY. See [CTAP].",
        "AAD = additional authenticated data. AAD is an input.",
        "SLO is an acronym for service level objective. The SLO is measured daily.",
        'The <abbr title="service level objective">SLO</abbr> is measured daily.',
        "| No. | Term | Meaning |\n|---|---|---|\n| 1 | SLO | service level objective |\n\nThe SLO is measured daily.",
        "| Term | Kind | Meaning |\n|---|---|---|\n| SLO | – | service level objective |\n\nThe SLO is measured daily.",
        "服务等级目标（SLO）为 99.9%。SLO 每天统计一次。",
        "采用RBAC（基于角色的访问控制）模型。RBAC 很好。",
        "MTTR意为平均修复时间。MTTR 每天统计一次。",
        "The Service Level Objective is daily. The SLO is met.",
        "- **SLO**: what is promised\n- **MTTR**\tmean time to repair\n\nThe SLO and the MTTR are met.",
        "平均修复时间（以下简称MTTR）每天统计。MTTR 应达标。",
        "The ALARM rings. An alarm is loud. Dates are YYYY.",
    ),
)
