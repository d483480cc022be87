"""The article that does not fit the sound behind it: "a error", "an server"."""

import re
from collections.abc import Iterator

from paperlane.checks import STYLE_EN, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

# Only words in small letters, of which the letters tell the sound; and no word that may follow the letter a itself.
_BEFORE = r"(?<![\w.,'’*/&)(-])"
_A = later(
    rf"{_BEFORE}(?P<word>[Aa])[ \t](?!(?:and|as|at|are|also|after|above|again|always|in|is|if|into|instead|it|of|on|or|"
    r"one|once|ones|oneself|ouija|ourselves|over|out|only|other|else|each|either|every|even|exist)\b|one-|once-|e[uw])"
    r"(?:[aeio][a-z]{2,}(?![\w(/=-]|\.\w)|un(?!i|a)[a-z]{3,}|upd[a-z]+|upp[a-z]+|ugly|umbrella|ultra[a-z]*|"
    r"(?:8|11|18)(?![\d.,/])[a-z-]?)",
    re.ASCII,
)
_AN = later(
    rf"{_BEFORE}(?P<word>[Aa]n)[ \t](?!hour|honest|hono|heir|herb|histor|habitual|hotel|hors\b)"
    r"(?:[bcdgjkpqtvwz](?:[aeiouy]|[lrhw][aeiouy])[a-z]+|[flmnrh][aeiou][a-z]{2,}|y[aeo][a-z]+|f[lr][aeiou][a-z]+|"
    r"s(?:[aeiouy]|[chklmnptqw]{1,2}[aeiou]|[cpt]r[aeiou])[a-z]{2,}|"
    r"(?:unique|unit|united|uniform|union|universal|user|useful)\b)(?![\w(/=-]|\.\w)",
    re.ASCII,
)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if not prose.chinese:
            for pattern, instead in ((_A, "an"), (_AN, "a")):
                for found in pattern.finditer(prose.text):
                    params = {"article": found["word"], "instead": instead}
                    yield prose.finding(*found.span(), params)


CHECK = Check(
    name="wrong-article",
    title={"en": "Wrong indefinite article", "zh": "英文冠词错误"},
    why="The article goes by the sound of the next word; the wrong one makes a reader stumble.",
    category="style",
    severity=Severity.INFO,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{article}” does not fit the word behind it.", "zh": "冠词“{article}”与后面的词不符。"},
    suggestions={"en": "Write “{instead}”.", "zh": "请改为“{instead}”。"},
    flags=("It writes a error.", "It is an server.", "It is a unknown state.", "It is an unique name."),
    passes=(
        "It writes an error to a server.",
        "It takes an hour, a unit, a user, a one-time code and a European plug.",
        "It is an nginx server, an f-string, an sql file, an x-ray and an ssh key.",
        "See option a in the list, or a and b.",
    ),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
