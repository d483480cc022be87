"""Signs of the typewriter where print has its own: straight quotes, three dots, (c), x for times."""

import re
from collections.abc import Iterator

from paperlane.checks import STYLE_EN, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_SIGNS = (
    (later(r"(?<![\w\"])\"(?=[^\s\"])[^\"\n]{1,200}(?<=[^\s])\"(?![\w\"])", re.ASCII), "“ ”"),
    (later(r"(?<=[A-Za-z])\.\.\.(?=\s|$)", re.ASCII), "…"),
    (later(r"(?<=[\s.!?])\([cC]\)(?=\s*$|\s(?:[A-Z]|\d{4}))", re.ASCII | re.MULTILINE), "©"),
    (later(r"(?<=\w)\s?\((?:tm|TM)\)", re.ASCII), "™"),
    (later(r"(?<=\w)\s?\((?:R|r)\)(?=[\s,.]|$)", re.ASCII), "®"),
    (later(r"(?<=\d)\s?x\s?(?=\d)(?<!0x)", re.ASCII), "×"),
)


def _find(subject: Subject) -> Iterator[Finding]:
    """The first place of each kind of sign, which stands for all."""
    left = dict(_SIGNS)
    for prose in subject.prose:
        if prose.chinese:
            continue
        for pattern, instead in list(left.items()):
            if (found := pattern.search(prose.text)) is not None:
                del left[pattern]
                yield prose.finding(*found.span(), {"sign": prose.said(*found.span()), "instead": instead})


CHECK = Check(
    name="typewriter-sign",
    title={"en": "Typewriter sign", "zh": "英文中的打字机符号"},
    why="Print has signs of its own; a document that mixes both kinds looks unfinished.",
    category="style",
    severity=Severity.INFO,
    confidence=0.8,
    scope=Scope.DOCUMENT,
    find=_find,
    messages={"en": "“{sign}” is written as on a typewriter.", "zh": "“{sign}”为打字机写法。"},
    suggestions={"en": "Write {instead}, here and elsewhere.", "zh": "请在全文中改用 {instead}。"},
    flags=(
        'It is called "server" here.',
        "It waits...",
        "All rights reserved. (c) 2020",
        "It is 2 x 3 wide.",
        "The Door(tm)",
    ),
    passes=(
        "It is called “server” here.",
        "It waits…",
        "See item (c) of the list.",
        "It is 0x30.",
        'A 19" rack and a 21" one.',
    ),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
