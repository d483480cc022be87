"""Brackets and quotation marks that are opened and never closed, or closed and never opened."""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Severity

# half- and full-width ones pair with each other; ’ is an apostrophe more often than a quote
_OPENS = {
    "(": "(",
    "（": "(",
    "[": "[",
    "［": "[",
    "{": "{",
    "｛": "{",
    "【": "【",
    "〔": "〔",
    "《": "《",
    "〈": "〈",
    "「": "「",
    "『": "『",
    "“": "“",
    "‘": "‘",
}
_CLOSES = {
    ")": "(",
    "）": "(",
    "]": "[",
    "］": "[",
    "}": "{",
    "｝": "{",
    "】": "【",
    "〕": "〔",
    "》": "《",
    "〉": "〈",
    "」": "「",
    "』": "『",
    "”": "“",
    "’": "‘",
}
_SIGN = later(f"[{re.escape(''.join({**_OPENS, **_CLOSES}))}]")
_SIGNS = (*_OPENS, *_CLOSES, '"')
# what looks like a bracket and is none: in an interval, a face, quotes, a tag or behind a backslash
_NONE = later(
    r"\[\s*-?[\w.∞+]{1,12}\s*[,，;；]\s*[-+]?[\w.∞]{1,12}\s*[)）]|"
    r"[(（]\s*-?[\w.∞+]{1,12}\s*[,，;；]\s*[-+]?[\w.∞]{1,12}\s*\]|"
    r"(?<![\w()])[:;]['’]?-?[()\[\]](?![\w(])|[\"'“‘`][()\[\]{}（）【】][\"'”’`]|\\[()\[\]{}]|"
    r"<[!/?]?[a-zA-Z][^<>]{0,300}>"
)
_LABEL = later(
    r"(?:^|(?P<inside>[\s;；,，、:：。.*_>|]))(?:[A-Za-z]{1,2}|\d{1,3}|[ivxIVX]{1,5}|[一二三四五六七八九十]{1,3}|[#*])$",
    re.MULTILINE,
)
_ITEM = later(r"(?:^|(?<=\s))(?:[A-Za-z]{1,2}|\d{1,3}|[ivxIVX]{1,5}|[一二三四五六七八九十]{1,3}) ?[)）]", re.MULTILINE)
_POINT = later(r"\b(?:points?|items?|letters?|paragraphs?|options?|cases?|steps?|clauses?|parts?|and|or|to)$", re.ASCII)
# of programs, formulas and grammars, whose brackets follow other rules
_FORMAL = later(
    r"[-:(|&=!+<>/*{};\\\[](?:(?<=:)[:=]|(?<=\()\?[^)\s]|(?<=\[):|(?<=\w:)\w+\(|(?<=\|)\||(?<=&)&|(?<==)[>=]|"
    r"(?<=\+)\+|(?<=<)<|(?<=>)>|(?<=-)>|(?<=!)=|(?<=/)\*|(?<=\*)/|(?<=[{};])\s*$|(?<=\w\()\)|(?<=\s=)\s|(?<=\\)\w)",
    re.MULTILINE,
)
_FORMAL_LINE = later(r"^(?:\s*[\[{]+\w+,|\w+\([^()\n]*,\s*$|\s*//|\s*[-+|*/=<>]\s)", re.MULTILINE)

# where it stands decides which half it is, if anything does
_QUOTE = later(
    r"(?:(?P<opens>(?:(?<=[\s(（\[])|^)\"(?=\S))|(?P<closes>(?<=[\w.,!?;)）])\"(?=[\s.,;:!?)）]|$))|\")", re.ASCII
)
_EASTERN = later(r"[“”‘「」『』《》〈〉（）［］｛｝【】〔〕]")
_QUOTES = ("“", "‘")
_NEAR = 4  # blocks in which a bracket may be closed
_SAID = {
    True: {"fault": "is never closed", "fault_zh": "缺少右半部分"},
    False: {"fault": "is never opened", "fault_zh": "缺少左半部分"},
}

_WORDS = later(r"[A-Za-z]{2,}[,;:]?\s[\"“(]?[a-z]{2,}|[\u3400-\u9fff]{2}")
_TITLE = later(r"[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class _Lone:
    """A bracket without its other half, at `text[at]` of its block."""

    prose: Prose
    at: int
    kind: str
    opens: bool


def _find(subject: Subject) -> Iterator[Finding]:
    """A bracket may be closed in one of the next blocks: pages and lines break where they like.

    What is quoted over several paragraphs opens anew in each.
    """
    open_: defaultdict[str, deque[tuple[int, _Lone]]] = defaultdict(deque)  # the last one of a kind is closed first
    for number in subject.reading.rising(*_SIGNS):
        prose = subject.reading.prose[number]
        for held in open_.values():
            while held and held[0][0] + _NEAR < number - 1:
                yield _finding(held.popleft()[1])
        if open_ and prose.text.lstrip()[:1] in _QUOTES:
            for kind in _QUOTES:
                open_.pop(kind, None)
        for lone in _lone(prose):
            if lone.opens:
                open_[lone.kind].append((number, lone))
            elif open_[lone.kind]:
                open_[lone.kind].pop()
            else:
                yield _finding(lone)
    yield from (_finding(lone) for held in open_.values() for _, lone in held)


def _finding(lone: _Lone) -> Finding:
    return lone.prose.finding(
        lone.at, lone.at + 1, {"sign": lone.prose.said(lone.at, lone.at + 1), **_SAID[lone.opens]}
    )


def _lone(prose: Prose) -> Sequence[_Lone]:
    """The brackets and quotes of a block that have no other half in it, in their order."""
    if _even(prose.text):
        return ()
    text = _NONE.sub(lambda found: " " * len(found[0]), prose.text)
    words = _TITLE if prose.block.level else _WORDS
    if not words.search(text) or _FORMAL.search(text) or _FORMAL_LINE.search(text):
        return ()
    held: list[tuple[int, str]] = []
    kinds = Counter[str]()  # of those held: there may be very many
    lone: list[_Lone] = []
    for found in _SIGN.finditer(text):
        if found[0] in _OPENS:
            held.append((found.start(), _OPENS[found[0]]))
            kinds[_OPENS[found[0]]] += 1
            continue
        kind = _CLOSES[found[0]]
        if kinds[kind]:
            while held[-1][1] != kind:
                at, other = held.pop()
                kinds[other] -= 1
                lone.append(_Lone(prose, at, other, opens=True))
            held.pop()
            kinds[kind] -= 1
        elif found[0] != "’" and not _labels(text, found):
            lone.append(_Lone(prose, found.start(), kind, opens=False))
    lone += [_Lone(prose, at, kind, opens=True) for at, kind in held]
    quotes = [one for one in lone if one.kind in _QUOTES]
    straight = [] if quotes else [_Lone(prose, at, '"', opens=opens) for at, opens in _straight(text)]
    rest = [one for one in lone if one.kind not in _QUOTES]
    return sorted([*rest, *quotes[-1:], *straight], key=lambda one: one.at)  # “one typed for the other“ is one slip


def _labels(text: str, found: re.Match[str]) -> bool:
    """Does it close the label of an item? In the midst of a sentence, only where another item is labelled too."""
    label = _LABEL.search(text, max(0, found.start() - 6), found.start())
    if label is None or label["inside"] not in {" ", "\t"} or not text[: label.start()][-1:].isalnum():
        return label is not None
    named = _POINT.search(text, max(0, label.start() - 12), label.start()) is not None
    return found[0] in ")）" and (named or sum(1 for _ in _ITEM.finditer(text)) > 1)


def _even(text: str) -> bool:
    """A quick look: are there as many of each left half as of its right half?"""
    if text.count("(") != text.count(")") or text.count("[") != text.count("]") or text.count("{") != text.count("}"):
        return False
    if text.count('"') % 2:
        return False
    return text.isascii() or _EASTERN.search(text) is None


def _straight(text: str) -> Iterator[tuple[int, bool]]:
    """The straight quote without its other half, where their number is odd; behind a number it may mean inches."""
    if text.count('"') % 2 == 0:
        return
    signs = list(_QUOTE.finditer(text))
    if any(text[found.start() - 1 : found.start()].isdecimal() for found in signs):
        return
    begun = -1
    for found in signs:
        if begun < 0 and found["closes"] is not None:
            yield found.start(), False
            return
        if begun >= 0 and found["opens"] is not None:
            break
        begun = -1 if begun >= 0 else found.start()
    yield (begun, True) if begun >= 0 else (signs[-1].start(), False)


CHECK = Check(
    name="unbalanced-bracket",
    title={"en": "Unbalanced bracket or quote", "zh": "括号或引号不成对"},
    why="Where one half is missing, a reader has to guess what belongs inside.",
    category="language",
    severity=Severity.WARNING,
    confidence=0.8,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "“{sign}” {fault}.", "zh": "“{sign}”{fault_zh}。"},
    suggestions={"en": "Add its other half, or delete it.", "zh": "请补上另一半，或删除它。"},
    flags=(
        "The lamp goes out after 30 min).",
        "扳手规格 17）挂在墙上。",
        "The server (see below shall stop.",
        "The server shall stop) at once.",
        "The values [a, b, c are given.",
        'The state is called "idle here.',
        "The state is called “idle here.",
        "系统（以下简称平台应记录日志。",
        "系统应记录日志）。",
        "按照《用户手册操作。",
        "状态为“空闲。",
        "状态为「空闲。",
        "> 状态（空\n> 闲。",
    ),
    passes=(
        "See point b) of the law.",
        "The server (see below) shall stop [at once].",
        "a) It stops. b) It runs.\n\n1) One.\n\n(2) Two.",
        "The range is [0, 1), or (2, 3].",
        "Well done :-) and ;)",
        "Run `f(` now. The user’s 5\" disk isn't the users’ own.",
        'The states are "idle" and “busy”.',
        "系统（以下简称平台)应记录《日志》。",
        "（1）启动；2）停止；三）结束。",
        "一、状态为“空闲”「或」『忙』【见下】。",
        "“第一段。\n\n“第二段。”",
    ),
)
