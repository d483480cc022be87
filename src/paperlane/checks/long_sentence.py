"""English sentences of more words than a reader can hold."""

from collections.abc import Iterator

from paperlane.checks import STYLE_EN, Check, Finding, Scope, Subject
from paperlane.checks.sentences import sentences
from paperlane.model.documents import BlockKind, Language, Severity

_MOST = 40  # words
_LEAST_OF_A_WORD = 3  # characters, on average: less are numbers or formulas


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if prose.chinese or prose.block.kind is BlockKind.TABLE_CELL:
            continue
        for start, end in sentences(prose.text):
            words = [word for word in prose.text[start:end].split() if word[:1].isalpha() or word[1:2].isalpha()]
            if len(words) > _MOST and sum(map(len, words)) > _LEAST_OF_A_WORD * len(words):
                yield prose.finding(start, end, {"words": str(len(words)), "most": str(_MOST)})


CHECK = Check(
    name="long-sentence",
    title={"en": "Very long sentence", "zh": "英文句子过长"},
    why="Who reaches the end of a very long sentence has forgotten how it began.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "The sentence has {words} words.", "zh": "该句有 {words} 个单词。"},
    suggestions={"en": "Part it; {most} words are enough.", "zh": "请拆分该句，每句不超过 {most} 个单词。"},
    flags=("The system writes a message " + "and then another longer one " * 8 + "at last.",),
    passes=(
        "The system writes a message " + "and then another longer one " * 6 + "at last.",
        "The system writes a message. " * 20,
    ),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
