"""A word that was typed twice: "the the", "的的"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Prose, Scope, Subject
from paperlane.model.documents import BlockKind, Severity

_ENGLISH = re.compile(r"(?<![\w'’./\\-])([A-Za-z]+)(?:[ \t]+|[ \t]*\r?\n[ \t]*)\1(?![\w'’-]|\.\w)", re.IGNORECASE)
_MEANT = frozenset(
    {"that", "had", "bye", "blah", "hear", "knock", "so", "very", "no", "ha", "yada", "tut", "there", "long", "many"}
)
# particles and function words that Chinese never doubles; reduplicated words (常常, 看看) are none of them
_CHINESE = re.compile(r"([的了在是和与及或为被把将从对于并但而且也就])\1|([一-龥]{2,4})\2")
_CHINESE_MEANT = re.compile(r"的的确确|了了|是是非非|在在|和和|从从容容|也也|就就|为为|对对|将将|把把|被被|与与")
_TWO_SYLLABLES = re.compile(
    r"(?:但是|并且|而且|或者|以及|如果|因为|所以|可以|进行|需要|必须|应该|我们|他们|系统|用户|数据|通过|根据|使用|实现|支持|提供|已经|没有|这个|一个|其中|为了|对于|关于|由于)$"
)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if prose.block.kind is BlockKind.TABLE_CELL and len(prose.text) < 20:  # noqa: PLR2004  a cell's two short values
            continue
        yield from _english(prose)
        yield from _chinese(prose)


def _english(prose: Prose) -> Iterator[Finding]:
    for found in _ENGLISH.finditer(prose.text):
        word, again = found[1], found[0].split()[-1]
        single = len(word) == 1 and word.lower() != "a"
        begins = again[0].isupper() and (word[0].isupper() or "\n" in found[0])  # a name, or the next line's thought
        if word.lower() in _MEANT or single or (word.isupper() and len(word) > 1) or begins:
            continue
        yield prose.finding(*found.span(), {"word": word})


def _chinese(prose: Prose) -> Iterator[Finding]:
    for found in _CHINESE.finditer(prose.text):
        word = found[1] or found[2]
        around = prose.text[max(0, found.start() - 2) : found.end() + 2]
        if _CHINESE_MEANT.search(around) and word != "的":
            continue
        if word == "的" and "的的确确" in around:
            continue
        if found[2] and _TWO_SYLLABLES.match(word) is None:
            continue
        yield prose.finding(*found.span(), {"word": word})


CHECK = Check(
    name="doubled-word",
    title={"en": "Doubled word", "zh": "重复的字词"},
    why="A word typed twice is a slip that makes a reader stop, and sometimes hides a missing word.",
    category="language",
    severity=Severity.WARNING,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{word}” stands twice.", "zh": "“{word}”重复出现。"},
    suggestions={"en": "Delete one, or write the word that is missing.", "zh": "请删除多余的一个，或补上遗漏的字词。"},
    flags=("It opens the the door.", "This is is wrong.", "系统的的功能如下。", "用户可以可以登录。"),
    passes=(
        "He said that that was right.",
        "They had had enough.",
        "系统常常需要看看日志。",
        "的的确确如此。",
        "A B B tree has nodes.",
        "Threat description\nDescription of the threat",
    ),
)
