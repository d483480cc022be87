"""Spaces beside full-width punctuation, which brings its own room."""

from paperlane.checks import STYLE_ZH, Check, Scope
from paperlane.checks.patterns import everywhere
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_BEFORE = later(r"(?<=\S)[ \t]{1,3}[，。；：？！、）》】」』](?![ \t])")
_BEHIND = later(r"(?<![ \t])[，。；：？！、（《【「『][ \t]{1,3}(?=[^\s{<>|/\\-])")
_BOTH = later(r"(?<=\S)[ \t]{1,3}[，。；：？！、][ \t]{1,3}(?=\S)")

CHECK = Check(
    name="punctuation-spacing",
    title={"en": "Space beside full-width punctuation", "zh": "全角标点旁有空格"},
    why="A full-width sign is as wide as a character and needs no space; one beside it tears a hole into the line.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=everywhere(_BEFORE, _BEHIND, _BOTH, chinese=True),
    messages={"en": "There is a space beside “{sign}”.", "zh": "“{sign}”旁有多余的空格。"},
    suggestions={"en": "Delete the space.", "zh": "请删除空格。"},
    flags=("系统应记录日志 ，并通知用户。", "系统应记录日志， 并通知用户。", "系统 、 用户。", "系统（ 平台）。"),
    passes=("系统应记录日志，并通知用户。", "支持 PDF、DOCX。", "为 true 时（见 A 节）返回。"),
    languages=(Language.ZH,),
    profiles=(STYLE_ZH,),
)
