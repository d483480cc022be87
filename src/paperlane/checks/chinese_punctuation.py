"""Half-width punctuation and brackets that touch Chinese characters."""

from collections.abc import Iterator

from paperlane.checks import STYLE_ZH, Check, Finding, Scope, Subject
from paperlane.checks.mixed_width import slips
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

_HAN = r"[\u3400-\u9fff]"
# \ufffc stands for inline code or the address of a link, whose bracket is none of the text's
_SIGN = later(
    rf"(?<={_HAN})[,;:!?](?![,;:!?/\\-])|(?<=[）》”」』])[,;!?]|[,;:!?](?={_HAN})(?<![\w/\\&;][,;:!?])|"
    rf"(?<={_HAN})\.(?=\s*$|\n|{_HAN})|(?<=[）》”」』])\.(?=\s*$|\n)|(?<=\ufffc),(?=\s?\ufffc)|"
    rf"(?<={_HAN})\((?!\ufffc)|(?<!\ufffc)\)(?={_HAN})|\((?={_HAN}[^()\n]{{0,60}}）)"
)


def _find(subject: Subject) -> Iterator[Finding]:
    """What the check of widths does not say already."""
    for prose in subject.prose:
        if prose.chinese:
            told = {start for start, _, _ in slips(prose)}
            for found in _SIGN.finditer(prose.text):
                if found.start() not in told:
                    yield prose.finding(*found.span(), {"sign": found[0]})


CHECK = Check(
    name="chinese-punctuation",
    title={"en": "Half-width punctuation in Chinese text", "zh": "中文中的半角标点"},
    why="Chinese text has full-width punctuation (GB/T 15834); half-width signs beside it look like slips.",
    category="style",
    severity=Severity.INFO,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{sign}” is half-width beside Chinese.", "zh": "中文旁的“{sign}”为半角标点。"},
    suggestions={"en": "Write its full-width form.", "zh": "请改用全角标点。"},
    flags=(
        "系统(平台)应记录日志。",
        "如: 日志。",
        "系统（平台）, PDF 等。",
        "系统（平台）好.",
        "提供 `on`, `off` 接口。",
    ),
    passes=("系统（平台）应记录日志。", "比例为 1:2，见 [手册](a.md)一节。", "事件触发器 (event emitter) 接口。"),
    languages=(Language.ZH,),
    profiles=(STYLE_ZH,),
)
