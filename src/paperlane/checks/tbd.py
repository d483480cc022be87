"""Places that somebody meant to fill in later: TBD, TODO, 待定."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.model.documents import Severity

_OPEN = re.compile(
    r"(?<![\w-])(?:TBD|TBC|TBA|TBS|TBR|TODO|FIXME|XXX)(?![\w-])|"
    r"\bto be (?:determined|defined|decided|confirmed|specified|announced)\b|"
    r"待定(?!义)|待确认|待补充|待完善|待明确|待讨论|(?<!完)待填写|\?{3,}|？{3,}"
)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        for found in _OPEN.finditer(prose.text):
            place = prose.start + found.start()
            yield Finding(place, place + len(found[0]), {"word": found[0]})


CHECK = Check(
    name="tbd",
    title={"en": "Open point", "zh": "待定内容"},
    why="What is still to be determined cannot be built or tested, and is easily forgotten.",
    category="completeness",
    severity=Severity.ERROR,
    confidence=0.95,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{word}” marks a point that is still open.", "zh": "“{word}”表明此处内容尚未确定。"},
    suggestions={
        "en": "Decide it, or name who decides it and by when.",
        "zh": "请补全内容，或注明由谁在何时确定。",
    },
    flags=("The time-out is TBD.", "Retention: to be determined.", "超时时间：待定。", "数据格式待补充。"),
    passes=("The time-out is 5 s.", "The todos of a user are listed.", "等待定义完成后再开始。", "超时时间为 5 秒。"),
)
