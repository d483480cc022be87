"""Words that no test can decide: "fast", "user-friendly", "适当"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.obligations import CHINESE, ENGLISH_ADVICE
from paperlane.checks.sentences import clauses
from paperlane.model.documents import Severity

# after INCOSE's Guide to Writing Requirements, rule R7 (avoid vague terms) and R8 (escape clauses)
_ENGLISH = re.compile(
    r"(?<![\w-])(?:user[-\s]friendly|easy\s+to\s+use|easily|fast|faster|quick(?:ly)?|rapid(?:ly)?|slow(?:ly)?|"
    r"efficient(?:ly)?|appropriate(?:ly)?|adequate(?:ly)?|reasonable|reasonably|sufficient(?:ly)?|robust|seamless(?:ly)?|"
    r"intuitive(?:ly)?|flexible|scalable|acceptable(?!\s+to\b)|graceful(?:ly)?|significant(?:ly)?|effectively|"
    r"as\s+(?:appropriate|necessary|needed|required|\w+\s+as\s+(?:possible|practical|practicable))|"
    r"if\s+(?:practical|practicable|possible|necessary)|where\s+(?:possible|appropriate|practicable)|etc\.?|and\s+so\s+on|"
    r"best\s+effort|state[-\s]of[-\s]the[-\s]art|minimi[sz]e|maximi[sz]e|optimal(?:ly)?|timely|in\s+a\s+timely\s+manner|"
    r"approximately|several|various|(?<!how\s)(?<!as\s)(?<!so\s)many|few|normally|usually|generally|typically)(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_CHINESE = re.compile(
    r"尽快|尽可能|尽量|适当|合适的?|合理的?|足够的?|充分的?|必要时|如有必要|酌情|适时|及时|友好的?|易用|方便地?|快速|高效|灵活|"
    r"大约|大概|(?:(?<=[\d个十百千万%％])|(?<=[\d个十百千万%％] )|(?<=[天年月周时钟秒米]))左右|若干|一些|"
    r"比?较[高低大小快慢好多少长短强弱](?!者)|良好的?|等等(?!待)|一般情况下|通常"
)


def _find(subject: Subject) -> Iterator[Finding]:
    """Only in a statement that obliges somebody: elsewhere such words do no harm."""
    for prose in subject.prose:
        if prose.block.level:
            continue
        for start, end in clauses(prose.text):
            for words, obligation in ((_ENGLISH, ENGLISH_ADVICE), (_CHINESE, CHINESE)):
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
        "The page must be easy to\nuse, and load as quickly as possible.",
        "> The page must load as\n> soon as possible.",
        "系统shall be fast。",
        "系统应尽\n快响应。",
        "系統應儘快回應，並應記錄日誌。",
        "系统应在5秒左右响应，负载较高时也应如此。",
    ),
    passes=(
        "The system shall respond within 200 ms.",
        "A fast car passed the house.",
        "系统应在 200 毫秒内响应。",
        "应用程序通常运行在服务器上。",
        "The system shall support one-to-many transfers, and say how many there are.",
        "The server shall stop; the page is fast.",
        "Programs will usually need to do this.",
        "系统应检查左右括号，以较长者为准。",
        "系统响应快速。",
        "用户需要快速上手。",
    ),
)
