"""Half-width punctuation in Chinese sentences, full-width in English ones, and full-width letters."""

import re
from collections.abc import Iterator

from paperlane.checks import SOUND, STYLE_ZH, Check, Finding, Scope, Subject
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Severity

_WIDE = later(r"[Ａ-Ｚａ-ｚ０-９]+(?:[．：][０-９]+)?％?")
_WIDE_SIGN = later(r"[、。！-～]")
# only what no house style asks for: a space behind the sign may be a style, numbers and names have signs of their own
_IN_CHINESE = later(
    r"[,;:?!.](?:(?<=[\u3400-\u9fff）》”」][,;:?!])(?=[\u3400-\u9fff（《“「])|(?<=[\u3400-\u9fff]{2}[,;?!])(?=[A-Za-z])|"
    r"(?<=[A-Za-z\d][,;])(?=[\u3400-\u9fff]{2})|"
    r"(?<=[\u3400-\u9fff]{2}\.)(?=\s*$)|(?<=[\u3400-\u9fff]{4}\.)(?=\n)|"
    r"(?<=[\u3400-\u9fff]{2}\.)(?=[\u3400-\u9fff]{4}[^.\n]*[。.]\s*$)(?![^.\n]{0,12}\.[\u3400-\u9fff]))"
)
_ENTITY = later(r"&(?:#\d+|#x[\da-f]+|[a-z]\w*);$", re.IGNORECASE | re.ASCII)
_LONGEST_ENTITY = 32  # &CounterClockwiseContourIntegral; is one
_SPACED = later(r"[,;](?<=[\u3400-\u9fff].)(?=\s[\u3400-\u9fff])")
_FULL_STOPS = later(r"[，。；]")
_PAIR = later(r"（[^（）()\n]{1,80}\)|\([^（）()\n]{1,80}）")
_NARROW = later(r"\((?<=[\u3400-\u9fff].)[\u3400-\u9fff][^（）()\n]{0,78}[\u3400-\u9fff]\)(?=[\u3400-\u9fff，。；])")
_RARE = 5  # full-width brackets for one half-width
_IN_ENGLISH = later(r"(?<=[A-Za-z\d%])[，。；：？！、）％]|（(?=[A-Za-z\d])")
_EASTERN = later(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7a3]")
_SENTENCE = later(r"[A-Za-z]{2,}(?:(?:[，；：、。（）]\s?|[,;:]?\s)[a-z]{2,}){2}", re.ASCII)


def _find(subject: Subject) -> Iterator[Finding]:
    narrow = _narrow_slips(subject.of or subject)
    for prose in subject.prose:
        if not prose.text.isascii():
            found = [*slips(prose), *(_narrow(prose) if narrow else ())]
            for start, end, to in sorted(found):
                yield prose.finding(start, end, {"sign": prose.said(start, end), **_TO[to]})


def _narrow_slips(whole: Subject) -> bool:
    """Are half-width brackets around Chinese words rare enough in the document to be slips, not its style?"""
    if "narrow" not in whole.kept:
        chinese = [prose for prose in whole.prose if prose.chinese]
        narrow = sum(1 for prose in chinese for _ in _NARROW.finditer(prose.text))
        wide = sum(prose.text.count("（") for prose in chinese)
        whole.kept["narrow"] = 0 < narrow <= max(1, wide // _RARE)
    found: bool = whole.kept["narrow"]
    return found


def _narrow(prose: Prose) -> Iterator[tuple[int, int, str]]:
    for found in _NARROW.finditer(prose.text) if prose.chinese else ():
        yield found.start(), found.start() + 1, "full"
        yield found.end() - 1, found.end(), "full"


def slips(prose: Prose) -> Iterator[tuple[int, int, str]]:
    """Where they stand, and the width that they should have."""
    text = prose.text
    yield from ((*found.span(), "half") for found in _WIDE.finditer(text))
    if prose.chinese:
        for found in _IN_CHINESE.finditer(text):
            if found[0] != ";" or not _ENTITY.search(text, max(0, found.start() - _LONGEST_ENTITY), found.end()):
                yield *found.span(), "full"
        if _FULL_STOPS.search(text):
            yield from ((*found.span(), "full") for found in _SPACED.finditer(text))
        for found in _PAIR.finditer(text):
            at = found.start() if found[0][0] == "(" else found.end() - 1
            yield at, at + 1, "full"
    elif _WIDE_SIGN.search(text) and _SENTENCE.search(text) and not _EASTERN.search(text):
        yield from ((*found.span(), "half") for found in _IN_ENGLISH.finditer(text))


_TO = {"half": {"width": "half-width", "width_zh": "半角"}, "full": {"width": "full-width", "width_zh": "全角"}}

CHECK = Check(
    name="mixed-width",
    title={"en": "Wrong width of a character", "zh": "全角半角混用"},
    why="A sign of the wrong width is a slip of the keyboard; searches, tables and programs take it for another sign.",
    category="language",
    severity=Severity.INFO,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=_find,
    profiles=(*SOUND, STYLE_ZH),
    messages={"en": "“{sign}” should be {width} here.", "zh": "此处的“{sign}”应使用{width}。"},
    suggestions={"en": "Write its {width} form.", "zh": "请改用{width}形式。"},
    flags=(
        "The scale is 1：50 in all drawings.",
        "水泵停机.",
        "打印标签(一式两份)并盖章。",
        "系统应记录日志,并通知用户。",
        "系统应记录日志;管理员应审核.",
        "系统应记录日志, 并通知用户。",
        "系统支持导出PDF,并通知用户。",
        "超时为１２秒。",
        "系统（以下简称平台)应记录日志。",
        "The server shall log each request，and answer it.",
        "The server shall stop（at once）.",
        "系統應記錄日誌,並通知用戶。",
    ),
    passes=(
        "打印标签(一式两份)并盖章，标签(一式三份)除外。",
        "系统应记录日志，并通知用户。",
        "系统支持 PDF, DOCX 和 HTML；比例为 1:2，时间为 12:30。",
        "版本号为主版本号.次版本号.修订号。",
        "作者：张三, 李四, 王五",
        "支持 PDF，DOCX。",
        "系统应记录日志，&nbsp;无法判断时停机。",
        "The server shall log each request, and answer it.",
        "The term 系统（平台） stands for the system.",
    ),
)
