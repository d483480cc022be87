"""Links and images that cannot lead anywhere: no address, a misspelt one, or one that was to be filled in later.

Only what the document itself tells; nothing is ever fetched.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from urllib.parse import urlsplit

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.anchors import ESCAPED, MARKDOWN
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Block, BlockKind, Link, Severity

_HTML = "text/html"
_MISSING = {"en": "has no address", "zh": "没有地址"}
_MISSPELT = {"en": "has a misspelt address", "zh": "的地址书写有误"}
_OPEN = {"en": "has a placeholder for an address", "zh": "的地址仍是占位符"}
_LOCAL = {"en": "leads to a place on its author's computer", "zh": "指向作者本机上的位置"}
_UNDEFINED = {"en": "names an address that the document does not define", "zh": "引用了文档中未定义的地址"}
_REVERSED = {"en": "has its brackets the wrong way round", "zh": "的方括号与圆括号写反了"}

_RIGHT = later(r"(?:https?|ftps?|sftp|ssh|git|wss?)://(?![/\s])", re.IGNORECASE)
_SCHEME = later(
    r"h{0,2}t{1,3}p{1,2}s{0,2}(?:[:：;]+[/\\]*|//:?|:/)(?=\S)|f{1,2}tp(?:;//|//:?|:/(?!/))|https?[:：]?[/\\]{1,3}\S",
    re.IGNORECASE,
)
_WITHOUT_SCHEME = later(r"www\d?\.[\w-]+\.[a-z]", re.IGNORECASE)
_PLACEHOLDER = later(
    r"(?:https?://)?(?:www\.)?(?:(?:todo|tbd|tba|tbc|fixme|xxx+|placeholder|changeme|to-?be-?(?:added|defined|determined)|"
    r"your-?(?:domain|site|url|link|company)|(?:insert|add)-?(?:link|url)(?:-?here)?|待定|待补充)(?:[./#?].*)?|"
    r"link|url|address|path|target|链接|地址|网址|\.{2,}|…+|\?+|_+|-+|#)",
    re.IGNORECASE,
)
_RESERVED = later(r"\.(?:invalid|example|test)$", re.IGNORECASE)  # RFC 2606: nobody has such an address
_OWN = later(r"file:|[a-z]:[\\/]|\\\\\w|/(?:home|Users)/\w", re.IGNORECASE)
_SIGNS = later(r"[\s。，；：！？、（）《》“”‘’\\]|%(?![0-9a-f]{2})", re.IGNORECASE)
_HOST = later(r"(?:[\w.~%!$&'()*+,;=-]*@)?(?:\[[0-9a-f:.]+\]|(?!-)[\w-]+(?:\.[\w-]+)*\.?)(?::\d{1,5})?", re.IGNORECASE)
_TITLE = later(r"\s*(?:\"[^\"]*\"|'[^']*'|=\d*x\d*|\{[^{}]*\})?\s*\)?")
_BARE = later(
    r"(?<![\w/.:@#&=?(\[<\"'-])(?:h?t{1,3}ps?(?:;//|//:?|:/(?!/)|：//|:\\\\)|(?:htp|htps|htttp|htttps|hhtp|hhtps|ttps?|httpp|httpss)://)"
    r"[\w-]+\.[^\s<>()（）【】，。；\"]+",
    re.IGNORECASE | re.ASCII,
)
_NO_TARGET = later(r"<(?:a|img)\s(?:[^<>]*?\s)?(?:href|src)\s*=\s*(?:\"\s*\"|'\s*')[^<>]*>", re.IGNORECASE)
_TURNED = later(r"\((?:https?://|www\.)[^()\s]+\)\[[^\[\]\n]+\](?!\()", re.IGNORECASE)
_NAMED = later(r"(?<![\w\])\\!])!?\[(?P<text>[^\[\]\n]{2,200})\]\[(?P<label>[^\[\]\n]{0,80})\](?![\[(])")
_USED = later(r"!?\[(?P<text>[^\[\]\n]{1,200})\](?:\[(?P<label>[^\[\]\n]{0,80})\])?(?![\[(:])")
_DEFINED = later(r"^[ \t>]*\[(?P<label>[^\[\]]+)\]:", re.MULTILINE)
_ADDED_LATER = 4
_LETTER = later(r"[^\W\d_]{2}")


def _find(subject: Subject) -> Iterator[Finding]:
    parsed = subject.document.parsed
    marked = parsed.media_type == MARKDOWN
    nowhere: set[str] = set()
    for link in parsed.links:
        written = parsed.text[link.start : link.end]
        defines = _DEFINED.match(written) if marked else None
        if link.target.strip() == "#":
            if parsed.media_type == _HTML:  # it leads to the top there, or a script takes it
                continue
            if defines is not None:  # who uses it is told
                nowhere.add(_label(defines["label"]))
                continue
        reason = _fault(link.target, written, marked=marked and defines is None)
        if reason and not (reason is _MISSING and _is_anchor(link, parsed.text)):
            yield _finding(link, parsed.text, reason)
    for block in parsed.blocks:
        written = parsed.text[block.start : block.end]
        if "<" in written or "/" in written:
            yield from _written(parsed.text, block, marked=marked)
    if marked:
        yield from _undefined(subject)
        yield from _to_nowhere(subject, nowhere)


def _is_anchor(link: Link, text: str) -> bool:
    """`[](){#name}` shows nothing and is only there to be pointed to."""
    return not link.image and text.startswith("[]", link.start)


def _finding(link: Link, text: str, reason: Mapping[str, str]) -> Finding:
    shown = " ".join((link.target or text[link.start : link.end]).split())[:100]
    severity = Severity.ERROR if reason is _MISSING else None
    return Finding(link.start, link.end, {"target": shown, **reason}, severity)


def _fault(target: str, written: str, *, marked: bool) -> Mapping[str, str]:
    """Why a link leads nowhere; empty where it may lead somewhere."""
    target = target.strip()
    if not target:
        return _MISSING
    if _PLACEHOLDER.fullmatch(target):
        return _OPEN
    if _OWN.match(target):
        return _LOCAL
    if _RIGHT.match(target):
        return _fault_of(target) if _spaced(target, written, marked=marked) is None else _MISSPELT
    if _SCHEME.match(target) or _WITHOUT_SCHEME.match(target):
        return _MISSPELT
    if target.lower().startswith("mailto:"):
        return {} if "@" in target else _MISSPELT
    return (
        _MISSPELT
        if "\\" in (ESCAPED.sub("", target) if marked else target) or _spaced(target, written, marked=marked)
        else {}
    )


def _fault_of(address: str) -> Mapping[str, str]:
    try:
        host = urlsplit(address).netloc
    except ValueError:
        return _MISSPELT
    if _RESERVED.search(host):
        return _OPEN
    return {} if _HOST.fullmatch(host) and ".." not in host and not _SIGNS.search(address) else _MISSPELT


def _spaced(target: str, written: str, *, marked: bool) -> str | None:
    """What stands behind the address of a Markdown link and is no title: the rest of an address with spaces."""
    if not marked or target not in written:
        return None
    rest = written[written.rindex(target) + len(target) :].removeprefix(">")
    return None if _TITLE.fullmatch(rest) else rest


def _written(text: str, block: Block, *, marked: bool) -> Iterator[Finding]:
    """Addresses as they stand in the text, and tags."""
    if block.kind is BlockKind.CODE and text[block.start] != "<":
        return
    if marked and "<" in text[block.start : block.end]:
        for found in _NO_TARGET.finditer(text, block.start, block.end):
            if not text.startswith("`", found.start() - 1):
                yield Finding(*found.span(), {"target": found[0][:100], **_MISSING}, Severity.ERROR)
    if block.kind is BlockKind.CODE or (
        "//" not in text[block.start : block.end] and ":/" not in text[block.start : block.end]
    ):
        return
    for pattern, reason in ((_BARE, _MISSPELT), (_TURNED, _REVERSED)):
        for found in pattern.finditer(text, block.start, block.end):
            if not any(start <= found.start() < end for start, end in block.code):
                yield Finding(*found.span(), {"target": found[0][:100], **reason})


def _undefined(subject: Subject) -> Iterator[Finding]:
    """`[text][label]` where nothing says what the label stands for: its reader sees the brackets.

    Where many are missing, a program adds them when it shows the document.
    """
    known = {_label(found["label"]) for found in _DEFINED.finditer(subject.document.text)}
    missing: defaultdict[str, list[Finding]] = defaultdict(list)
    for prose in subject.prose:
        for found in _NAMED.finditer(prose.text) if "][" in prose.text else ():
            label = found["label"] or found["text"]
            if _label(label) not in known and _LETTER.search(found["text"]) and not _is_quoted(prose, found):
                target = prose.said(*found.span())[:100]
                missing[_label(label)].append(prose.finding(*found.span(), {"target": target, **_UNDEFINED}))
    if len(missing) <= _ADDED_LATER:
        yield from chain.from_iterable(missing.values())


def _to_nowhere(subject: Subject, labels: Collection[str]) -> Iterator[Finding]:
    """`[text][label]`, `[label][]` or `[label]`, where the label stands for no address; unused, it is a comment."""
    for prose in subject.prose if labels else ():
        for found in _USED.finditer(prose.text):
            if _label(found["label"] or found["text"]) in labels:
                target = prose.said(*found.span())[:100]
                yield prose.finding(*found.span(), {"target": target, **_OPEN})


def _label(label: str) -> str:
    return " ".join(label.casefold().split())


def _is_quoted(prose: Prose, found: re.Match[str]) -> bool:
    """Is it a reference to literature, as in [Smith][1999a, p. 3]?"""
    return "," in found["label"] or found["label"].startswith("^") or "\ufffc" in found[0] or prose.block.level > 0


CHECK = Check(
    name="broken-link",
    title={"en": "Broken link or image", "zh": "失效的链接或图片"},
    why="A link or an image without a right address keeps back what its reader was promised.",
    category="consistency",
    severity=Severity.WARNING,
    worse="an error where there is no address at all",
    confidence=0.9,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "“{target}” {en}.", "zh": "“{target}”{zh}。"},
    suggestions={"en": "Write the whole address, or take the link out.", "zh": "请填写完整地址，或删除该链接。"},
    flags=(
        "See [the manual]().",
        "参见[手册]()。",
        "![The layout]()",
        "See [the manual](http//example.org/manual).",
        "See [the manual](htp://example.org/manual).",
        "See [the manual](https:/example.org/manual).",
        "See [the manual](www.example.org/manual).",
        "See [the manual](TODO), or [this](https://todo).",
        "参见[手册](待补充)。",
        "参见[手册](https://example.org/手册。)",
        "See [the manual](user manual.md).",
        "![布局](C:\\\\图\\\\布局.png)",
        "![The layout](file:///tmp/layout.png)",
        "See [the manual](https://manual.invalid/a).",
        "See [the manual][manual].",
        "See [the manual][manual], or [manual].\n\n[manual]: #",
        "See [the manual][manual].\n\n[manual]: htp://example.org",
        'See <a href="">the manual</a>.',
        "The manual is at htps://example.org/manual.",
        "手册见 http:/example.org/manual 。",
        "See (https://example.org)[the manual].",
        "See [the manual](mailto:nobody).",
    ),
    passes=(
        "See [the manual](https://example.org/manual?a=b#c), or [that](manual.md).",
        "参见[手册](https://example.org/手册)，或 https://example.org/manual。",
        "![The layout](images/layout.png 'The layout')",
        "See [the manual][manual].\n\n[manual]: https://example.org",
        "See [the manual](mailto:help@example.org), or <https://example.org>.",
        "Write `[text]()` and `http//`; the value of a[i][j] and of [a][0].",
        "See [the page](https://en.wikipedia.org/wiki/Door_(gate)).",
        "# The end [](){#end}",
        "See [the end](#end).\n\n# End\n\nText.",
        "See [the manual]( manual.md ), or [this](a\\_b.md\n'A title').",
        "[//]: # (A comment)\n\nSee [the manual][a].\n\n[a]: https://example.org (Its title)",
    ),
)
