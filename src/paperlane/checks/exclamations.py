"""More than one exclamation in a paragraph."""

import re
from collections.abc import Iterator
from itertools import islice

from paperlane.checks import STYLE_EN, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_MARK = later(r"(?<=[A-Za-z0-9])!(?=\s|$|[\"')”’])", re.ASCII)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if not prose.chinese:
            for found in islice(_MARK.finditer(prose.text), 1, None):
                yield prose.finding(*found.span())


CHECK = Check(
    name="exclamations",
    title={"en": "Several exclamation marks", "zh": "英文中多个感叹号"},
    why="An exclamation mark may warn once in a paragraph; a second one only makes noise.",
    category="style",
    severity=Severity.INFO,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "The paragraph exclaims more than once.", "zh": "该段落有多个感叹号。"},
    suggestions={"en": "End the sentence with a full stop.", "zh": "请改用句号。"},
    flags=("Stop! Do not open it!",),
    passes=("Stop! Do not open it.", "Is a != b?"),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
