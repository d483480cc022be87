"""Punctuation that stands twice: "!!", "。。"."""

from paperlane.checks import STYLE_EN, STYLE_ZH, Check, Scope
from paperlane.checks.patterns import everywhere
from paperlane.compiling import later
from paperlane.model.documents import Severity

_TWICE = later(
    r"(?<=[\w\"'”’)）\u3400-\u9fff])(?:[!?！？]{2,}|(?<![。])。。(?!。)|，{2,}|、{2,}|；{2,}|：{2,}|,{2,}(?=\s|$)|"
    r";{2,}(?=\s|$)|\.\.(?=\s[A-Z]|\s*$))"
)

CHECK = Check(
    name="repeated-punctuation",
    title={"en": "Repeated punctuation", "zh": "重复的标点"},
    why="A sign that stands twice is a slip, or louder than a document should be.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=everywhere(_TWICE),
    messages={"en": "“{sign}” is more than one sign.", "zh": "标点“{sign}”重复。"},
    suggestions={"en": "Write one sign.", "zh": "请只保留一个标点。"},
    flags=(
        "It works!!",
        "What is it?!",
        "It stops.. Then it starts.",
        "It stops,, and starts.",
        "系统停止！！",
        "系统停止。。",
    ),
    passes=("It works! What is it?", "It waits ... and stops.", "See ../manual.", "系统停止！", "系统等待……"),
    profiles=(STYLE_EN, STYLE_ZH),
)
