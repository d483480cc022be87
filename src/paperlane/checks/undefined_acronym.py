"""Acronyms that the document uses and never spells out."""

import re
from collections.abc import Iterator
from dataclasses import replace

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.model.documents import BlockKind, Severity

# "ORDER BY" is two words in capitals; [CTAP] is the name of a reference
_ACRONYM = re.compile(
    r"(?<![\w$@#/.&-])(?<![A-Z]{2} )(?!(?<=\[)[A-Z0-9]+\])[A-Z][A-Z0-9]{1,5}s?(?![\w/-]|\.\w|\(|['’]\w| [A-Z]{2,}\b)",
    re.ASCII,
)
_KNOWN = frozenset({
    "SHALL", "MUST", "SHOULD", "MAY", "WILL", "CAN", "ON", "OFF", "HERE", "OUR", "YOUR", "THIS", "THAT", "ANY", "EACH",
    "TRUE", "FALSE", "NULL", "NONE", "README", "NEVER", "ALWAYS", "ONLY", "NOTE", "TIP", "YES", "DO", "NO", "BE",
    "IS", "TO", "IN",
    "AI", "ALL", "AM", "AND", "API", "APIs", "ASCII", "AWS", "BSD", "CA", "CD", "CEO", "CI", "CLI", "CPU", "CSS",
    "CSV", "DB", "DNS", "DOC", "DOCX", "EN", "END", "EOF", "EU", "FAQ", "FTP", "GB", "GBK", "GCC", "GET", "GIF",
    "GIT", "GMT", "GPL", "GPU", "GUI", "HTML", "HTTP", "HTTPS", "ID", "IDE", "IDs", "IEC", "IEEE", "IF", "INFO",
    "IO", "IP", "IPV4", "IPV6", "ISO", "IT", "JPEG", "JPG", "JSON", "KB", "LAN", "LTD", "MB", "MIT", "NASA", "NEW",
    "NOT", "OK", "OR", "OS", "PC", "PDF", "PHP", "PIN", "PM", "PNG", "POST", "PR", "PRs", "PUT", "QA", "RAM",
    "REST", "RFC", "ROM", "SDK", "SET", "SMS", "SQL", "SSD", "SSH", "SSL", "SVG", "TB", "TBD", "TCP", "THE", "TLS",
    "TODO", "TXT", "UDP", "UI", "UK", "UN", "URI", "URIs", "URL", "URLs", "US", "USA", "USB", "UTC", "UTF", "UUID",
    "VAT", "VM", "VMs", "WAN", "WIFI", "WWW", "XML", "YAML", "YML", "ZIP",
})  # fmt: skip
_ROMAN = re.compile(r"[IVXLCDM]+")
_CODE = re.compile(r"[A-Z]{1,3}\d\w*")


def _find(subject: Subject) -> Iterator[Finding]:
    """The first use of each; where most letters are capitals, and in cells, they may be any words."""
    known = {*subject.document.acronyms, *subject.document.brief.terms}
    for prose in subject.prose:
        if prose.block.kind is BlockKind.TABLE_CELL:
            continue
        for found in _ACRONYM.finditer(prose.text):
            word = found[0]
            base = word.removesuffix("s")
            if word in known or base in known or word in _KNOWN or base in _KNOWN:
                continue
            if _ROMAN.fullmatch(word) or _CODE.fullmatch(word):
                continue
            if _shouted(prose.text):
                break
            known |= {word, base}
            yield replace(prose.finding(*found.span(), {"word": word}), anywhere=True)


def _shouted(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return sum(character.isupper() for character in letters) > 0.6 * len(letters)


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
    ),
)
