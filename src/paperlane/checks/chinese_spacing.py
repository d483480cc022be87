"""Latin words and numbers that stand in Chinese text without a space."""

import re
from collections.abc import Iterator

from paperlane.checks import STYLE_ZH, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_HAN = r"[\u3400-\u9fff]"
_WORD = later(
    rf"(?P<before>{_HAN}?)(?P<word>[A-Za-z\d](?:[A-Za-z\d_.+#%/-]*[A-Za-z\d_+#%])?)(?P<after>{_HAN}?)", re.ASCII
)
_NUMBER = later(r"[\d.,/%-]+", re.ASCII)
# what is written close to a number: units and counters behind it, ordinals and titles of figures before it
_UNITS = frozenset("年月日天号时分秒点度个次条项章节款级版页行列位名人台套件种类层步倍元万亿千百后前内代期周")
_LABELS = frozenset("第图表共约之前后近每")


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if not prose.chinese:
            continue
        for found in _WORD.finditer(prose.text):
            before, word, after = found.group("before", "word", "after")
            number = _NUMBER.fullmatch(word) is not None
            begin = found.start("word" if number and before in _LABELS else "before")
            end = found.end("word" if number and after in _UNITS else "after")
            if end - begin > len(word):
                yield prose.finding(begin, end, {"word": prose.said(*found.span("word"))})


CHECK = Check(
    name="chinese-spacing",
    title={"en": "No space between Chinese and Latin characters", "zh": "中西文之间缺少空格"},
    why="A narrow gap around Latin words and numbers makes Chinese text easier to read; many house styles ask for it.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=_find,
    messages={
        "en": "“{word}” stands close to Chinese characters.",
        "zh": "“{word}”与相邻的中文之间没有空格。",
    },
    suggestions={"en": "Set a space beside “{word}”.", "zh": "请在“{word}”与中文之间加一个空格。"},
    flags=("系统支持PDF 文件。", "系统支持 PDF文件。", "用foo打开 bar。", "系统最多支持100 用户。"),
    passes=(
        "系统支持 PDF 文件。",
        "2019年06月26日，第3章，图2，共5个。",
        "使用`code`命令。",
        "支持 PDF、DOCX。",
        "它是（PDF）文件。",
    ),
    languages=(Language.ZH,),
    profiles=(STYLE_ZH,),
)
