"""Words that no test can decide: "fast", "user-friendly", "适当"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.sentences import sentences
from paperlane.model.documents import Severity

# after INCOSE's Guide to Writing Requirements, rule R7 (avoid vague terms) and R8 (escape clauses)
_ENGLISH = re.compile(
    r"\b(?:user[- ]friendly|easy to use|easily|fast|faster|quick(?:ly)?|rapid(?:ly)?|slow(?:ly)?|efficient(?:ly)?|"
    r"appropriate(?:ly)?|adequate(?:ly)?|reasonable|reasonably|sufficient(?:ly)?|robust|seamless(?:ly)?|intuitive(?:ly)?|"
    r"flexible|as (?:appropriate|necessary|needed|required|soon as possible|far as possible|much as possible)|"
    r"if (?:practical|practicable|possible|necessary)|where (?:possible|appropriate|practicable)|etc\.?|and so on|"
    r"best effort|state[- ]of[- ]the[- ]art|minimi[sz]e|maximi[sz]e|optimal(?:ly)?|timely|in a timely manner|"
    r"approximately|several|various|many|few|normally|usually|generally|typically)(?![\w-])",
    re.IGNORECASE,
)
_OBLIGATION = re.compile(r"\b(?:shall|must|should|will|needs? to|is required to|are required to)\b", re.IGNORECASE)
_CHINESE = re.compile(
    r"尽快|尽可能|尽量|适当|合适的?|合理的?|足够的?|充分的?|必要时|如有必要|酌情|适时|及时|友好的?|易用|方便地?|快速|高效|灵活|"
    r"大约|大概|左右|若干|一些|较[高低大小快慢好多少长短]|良好的?|等等|一般情况下|通常"
)
_CHINESE_OBLIGATION = re.compile(r"应[当该]?(?!用|急|对|答|聘|变|声)|必须|须(?!知)|需要?(?!求)|不得|要求")


def _find(subject: Subject) -> Iterator[Finding]:
    """Only in a statement that obliges somebody: elsewhere such words do no harm."""
    for prose in subject.prose:
        if prose.block.level:
            continue
        for start, end in sentences(prose.text):
            for words, obligation in ((_ENGLISH, _OBLIGATION), (_CHINESE, _CHINESE_OBLIGATION)):
                if obligation.search(prose.text, start, end) is None:
                    continue
                for found in words.finditer(prose.text, start, end):
                    yield prose.finding(*found.span(), {"word": prose.said(*found.span())})


CHECK = Check(
    name="vague-term",
    title={"en": "Vague term", "zh": "含糊的用语"},
    why="A requirement with a word that no measurement decides cannot be tested, and everybody reads it differently.",
    category="ambiguity",
    severity=Severity.WARNING,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{word}” is vague: no test can decide it.", "zh": "“{word}”含义模糊，无法验证。"},
    suggestions={
        "en": "Name a number with its unit and tolerance, a list, or a condition.",
        "zh": "请给出数值、单位与容差，或列出明确的条件。",
    },
    flags=(
        "The system shall respond fast.",
        "The page must be user-friendly.",
        "Logs should be kept as long as necessary, etc.",
        "系统应尽快响应用户请求。",
        "服务器必须具有足够的存储空间。",
    ),
    passes=(
        "The system shall respond within 200 ms.",
        "A fast car passed the house.",
        "系统应在 200 毫秒内响应。",
        "应用程序通常运行在服务器上。",
    ),
)
