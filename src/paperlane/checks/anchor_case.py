"""Links inside a document that differ from the name they point to by capital letters."""

from collections.abc import Iterator

from paperlane.checks import STYLE_EN, STYLE_ZH, Check, Finding, Scope, Subject
from paperlane.checks.anchors import places
from paperlane.model.documents import Severity


def _find(subject: Subject) -> Iterator[Finding]:
    """What differs by more than case is a broken reference."""
    parsed = subject.document.parsed
    known = set(parsed.anchors)
    folded = {anchor.casefold(): anchor for anchor in parsed.anchors}
    for link, name in places(parsed):
        if name not in known and name.casefold() in folded:
            yield Finding(link.start, link.end, {"target": link.target, "instead": f"#{folded[name.casefold()]}"})


CHECK = Check(
    name="anchor-case",
    title={"en": "Case of a link", "zh": "链接大小写不符"},
    why="Browsers tell capital letters in the name of a place from small ones; such a link works on some sites only.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.DOCUMENT,
    find=_find,
    messages={"en": "“{target}” has other capitals than “{instead}”.", "zh": "“{target}”与“{instead}”大小写不同。"},
    suggestions={"en": "Write {instead}.", "zh": "请改为 {instead}。"},
    flags=("# The end\n\nSee [the end](#The-end).", "# 附录 A\n\n见[附录](#附录-A)。"),
    passes=("# The end\n\nSee [the end](#the-end).", "# 附录 A\n\n见[附录](#附录-a)。"),
    profiles=(STYLE_EN, STYLE_ZH),
)
