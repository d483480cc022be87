"""Several words that were written twice in a row, or one three times."""

import re

from paperlane.checks import STYLE_EN, Check, Scope
from paperlane.checks.patterns import everywhere
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

# at most five words of at most 30 letters, so that each place is looked at in bounded time
_AGAIN = later(
    r"(?<![\w'’.-])(?:([A-Za-z]{1,30}(?:\s[A-Za-z]{1,30}){1,4})\s\1|([A-Za-z]{2,30})\s\2\s\2)(?![\w'’-])",
    re.ASCII | re.IGNORECASE,
)

CHECK = Check(
    name="repeated-phrase",
    title={"en": "Repeated phrase", "zh": "英文中重复的短语"},
    why="A phrase that follows itself was pasted or typed twice.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=everywhere(_AGAIN, chinese=False),
    messages={"en": "“{sign}” says the same again.", "zh": "“{sign}”重复。"},
    suggestions={"en": "Delete what stands again.", "zh": "请删除重复的部分。"},
    flags=("It opens the door the door.", "He knows that that that is wrong."),
    passes=("It opens the door, the door of the house.", "He knows that that is wrong."),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
