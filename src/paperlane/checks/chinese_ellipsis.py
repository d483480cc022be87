"""Ellipses in Chinese text that are not the six dots of the standard."""

from paperlane.checks import STYLE_ZH, Check, Scope
from paperlane.checks.patterns import everywhere
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_HAN = r"[\u3400-\u9fff]"
_DOTS = later(
    rf"(?<={_HAN})\s?\.{{3,}}|\.{{3,}}(?={_HAN})(?<!\w\.\.\.)|(?<!。)。{{3,}}|(?<=[\u3400-\u9fff，、])…(?!…)|"
    rf"(?<!…)…(?={_HAN})"
)

CHECK = Check(
    name="chinese-ellipsis",
    title={"en": "Form of the ellipsis", "zh": "省略号形式"},
    why="The Chinese ellipsis is six dots as wide as two characters (GB/T 15834); other dots break the line's rhythm.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=everywhere(_DOTS, chinese=True),
    messages={"en": "“{sign}” is no Chinese ellipsis.", "zh": "“{sign}”不是规范的省略号。"},
    suggestions={"en": "Write ……", "zh": "请写作“……”。"},
    flags=("日志、告警...", "日志、告警。。。", "日志、告警…", "等待...完成"),
    passes=("日志、告警……", "版本为 1.2.3。", "运行 `a ... b` 命令。", "等待 try...catch 完成。"),
    languages=(Language.ZH,),
    profiles=(STYLE_ZH,),
)
