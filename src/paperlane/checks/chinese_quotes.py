"""Quotation marks in Chinese text: straight ones, and two kinds in one document."""

import re
from collections import Counter
from collections.abc import Iterator

from paperlane.checks import STYLE_ZH, Check, Finding, Scope, Subject
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_HAN = r"[\u3400-\u9fff]"
_STRAIGHT = later(r"\"[^\"\n]{1,80}\"|(?<![A-Za-z0-9])'[^'\n]{1,80}'(?![A-Za-z])", re.ASCII)
_BESIDE = later(rf"{_HAN}\s?$")
_TOUCHED = later(rf"\s?{_HAN}")
_INSIDE = later(_HAN)
_OPENING = later(rf"[“「](?=[^”」\n]{{0,80}}{_HAN})")


def _find(subject: Subject) -> Iterator[Finding]:
    """Each pair of straight ones; of two kinds the first mark of the rarer one."""
    kinds: Counter[str] = Counter()
    firsts: dict[str, Finding] = {}
    for prose in subject.prose:
        if not prose.chinese:
            continue
        for found in _STRAIGHT.finditer(prose.text):
            if _is_chinese(prose, *found.span()):
                yield prose.finding(*found.span(), {"sign": found[0][0], "instead": "“”"})
        for found in _OPENING.finditer(prose.text):
            other = "“”" if found[0] == "「" else "「」"
            kinds[found[0]] += 1
            firsts.setdefault(found[0], prose.finding(*found.span(), {"sign": found[0], "instead": other}))
    if len(kinds) > 1:
        yield firsts[kinds.most_common()[-1][0]]


def _is_chinese(prose: Prose, start: int, end: int) -> bool:
    """Does it hold Chinese characters, or stand beside them?"""
    text = prose.text
    return bool(
        _INSIDE.search(text, start, end) or _BESIDE.search(text, max(0, start - 2), start) or _TOUCHED.match(text, end)
    )


CHECK = Check(
    name="chinese-quotes",
    title={"en": "Kind of quotation marks", "zh": "引号形式"},
    why="Chinese text has quotation marks of its own, and one document uses one kind of them.",
    category="style",
    severity=Severity.INFO,
    confidence=0.8,
    scope=Scope.DOCUMENT,
    find=_find,
    messages={"en": "The quotation mark is {sign} here.", "zh": "此处的引号为 {sign}。"},
    suggestions={"en": "Write {instead}.", "zh": "请改用{instead}。"},
    flags=('系统称为"平台"。', "返回 'title' 的值。", "他说“好”，又说“是”，再说「不」。"),
    passes=("系统称为“平台”。", "他说“好”，又说“是”。", "执行 `'title'` 命令。"),
    languages=(Language.ZH,),
    profiles=(STYLE_ZH,),
)
