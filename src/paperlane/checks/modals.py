"""Words that leave open whether a statement binds, in documents whose requirements say `shall` or 应."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from paperlane.checks import Subject
from paperlane.checks.obligations import CHINESE, ENGLISH
from paperlane.checks.subject import Prose
from paperlane.compiling import later

_SUBJECT = (  # a noun, not what stands for one
    r"(?!(?:it|this|that|there|these|those|they|you|we|i|he|she|one|which|who|what|note|if|when|where|while|although|"
    r"because|since|unless|until|as|for\s+example)\b)[a-z0-9][^.,:;!?()\"“”]{1,70}?"
)
_ENGLISH = later(
    rf"(?:^|[,:\])]\s+)(?:the\s+|an?\s+|each\s+|every\s+|all\s+|any\s+)?(?P<subject>{_SUBJECT})\s"
    r"(?P<verb>should|may|might|could|can|would|ought\s+to)(?=\s+(?:not\s+|also\s+|only\s+|always\s+|\w+ly\s+)?[a-z]{2,})"
    r"(?!\s+(?:be\s+(?:noted|seen|found|thought)|have)\b)",
    re.ASCII,
)
# what binds no more than these, but tells as often what happens, so that it does not show a document's way
_SOFT = later(
    r"(?:^|[,:\])]\s+)(?:it\s+(?:is|would\s+be|should\s+be)\s+(?:\w+ly\s+)?(?P<impersonal>recommended|desirable|desired|advisable|"
    r"preferable|preferred|suggested|expected|intended|hoped|encouraged|advised|possible|permissible|envisaged|planned|"
    r"best|useful|helpful|beneficial|good\s+practice)(?=\s+(?:that|to|for|if)\b)|"
    rf"(?:the\s+|an?\s+|each\s+|every\s+|all\s+|any\s+)?(?P<subject>{_SUBJECT})\s(?P<verb>"
    r"(?:is|are)\s+(?:(?:intended|supposed|expected|meant|designed|encouraged|advised|recommended|invited|urged|likely|able|allowed|permitted|"
    r"free|welcome|planned|desired|hoped)\s+to|(?:in)?capable\s+of)|"
    r"(?:will|would)\s+be\s+(?:able\s+to|capable\s+of)|ha(?:s|ve)\s+the\s+(?:ability|capability|capacity|option|possibility|means)\s+(?:to|of)|"
    r"(?:needs?|aims?|tr(?:y|ies)|strives?|seeks?|attempts?|hopes?|tends?)\s+to)(?=\s+(?:not\s+|also\s+)?[a-z]{2,}))",
    re.ASCII,
)
_OF_ITSELF = later(
    r"\b(?:document|section|chapter|clause|table|figure|annex|appendix|standard|guide|manual|specification|text|"
    r"requirement|purpose|goal|aim|rule)s?\b",
    re.ASCII,
)
_SUBORDINATE = later(
    r"\b(?:if|whether|how|what|when|where|which|that|who|whose|why|until|unless|because|since|so|while|as|than)\b",
    re.ASCII,
)
_WEAK = ("should", "may", "might", "could", "can", "would", "ought")
_WORDS = later(rf"\b(?:{'|'.join(_WEAK)})\b", re.ASCII)
_SOFT_WORDS = (
    "is ", "are ", "will be ", "has the ", "have the ", "need", "aim", "try", "tries", "strive", "seek", "attempt",
    "hope", "tend", "it would", "it should",
)  # fmt: skip
_CHINESE = later(
    r"(?:^|[，,])\s*(?!如果|若|当|因|由于|例如|比如|这|那|其|它|您|你|我|他|也|则|但|并|所以|因此|从而|否则|此时|以便)"
    r"(?P<subject>[^，。；、：:,;？?！“”（）\n]{2,24}?)(?<![许认不即均未无尚方亦只便就才都还皆将仍且])"
    r"(?P<verb>可以|可能|可(?![能以用靠见行信选读视变观知逆控测达惜是否])|(?<![适合便相权时])不?宜(?![居家人])|最好(?!的)|建议(?![书稿的])|推荐(?![书信的])|希望|期望|能够?(?![力量源动])|会(?![议员话])|不妨|理应|愿意|有可能|或可|"
    r"也许|或许)(?![一-龥]{1,5}[的性])(?=\s?[一-龥A-Za-z])"
)
_SOFT_ZH = later(
    r"(?:^|[，,])\s*(?:(?P<first>建议|最好|希望|推荐|期望|不妨|可以?(?=[对通将由在])|宜)(?![书稿的信：:])(?=[一-龥]{2})|"
    r"(?!如果|若|当|因|由于|例如|比如|这|那|其|它|您|你|我|他|也|则|但|并|所以|因此|从而|否则|此时|以便)"
    r"(?P<subject>[^，。；、：:,;？?！“”（）\n]{1,24}?)(?<![许认不即均未无尚方亦只便就才都还皆将仍且])"
    r"(?P<verb>可以|可能|能够|可选择|可用(?![性户率])|有能力|不妨|理[应当]|旨在|预[期计](?![的值结收])|拟(?![定议制合人真态])|鼓励|提倡|倡导|力[求争图]|争取|"
    r"尝试|试图|努力|尽力(?!而)|致力于|打算|计划(?=[在于将])|有望|需要(?=[一-龥]{2})|具[备有](?=[^，。；：:]{1,20}(?:能力|功能)(?:[，。；]|$)))"
    r"(?=\s?[一-龥A-Za-z\d])(?![一-龥]{1,5}[的性](?![一-龥A-Za-z\d ]{1,6}(?:[，。；]|$))))"
)
_OF_CHINESE = later(
    r"[可宜好许望能会拟]|建议|推荐|不妨|理[应当]|愿意|旨在|预[期计]|鼓励|倡导|提倡|力[求争图]|争取|尝试|试图|努力|尽力|致力|打算|计划|需要|具[备有]"
)
_LETTERS_ZH = "可宜好许望能会拟建推妨理愿旨预鼓倡提力争尝试努尽致打计需具"  # one of them stands in each such word
_BINDS_ZH = later(rf"(?<!理)(?:{CHINESE.pattern})")
_CONDITION_ZH = later(r"如果|若|当|除非|因为|是否|的[一-龥]{0,3}$")
_EXPLAINED = later(
    r"\brfc\s?2119\b|[\"“'‘*`](?:should|may)[\"”'’*`]|[“「](?:可以?|宜|可能)[”」]|\bshould\b[^.\n]{0,40}\bare\s+to\s+be\s+interpreted"
)
_OF_EXPLAINED = ("2119", "should", "may", "可", "宜")  # quickly looked for
_FEWEST = 3  # binding statements of a document that is written in them
_TIMES = 2  # as many of them as of others, at least
_SHARE = 0.12  # of all that it says
_SHORTEST = 10  # characters of what says something


@dataclass(frozen=True, slots=True)
class _Binding:
    """Is it the document's way, by language, to bind by `shall` and 应?"""

    english: bool
    chinese: bool
    advises: bool  # by 宜, which is only said where something binds


def loose(subject: Subject) -> Iterator[tuple[Prose, int, int]]:
    """The words of main clauses that bind nobody, in a document where nearly all others bind.

    One that explains what its modal verbs mean has none.
    """
    way = binding(subject)
    if way.english or way.chinese or way.advises:
        for prose in _texts(subject, *_WEAK, *_SOFT_WORDS, *_LETTERS_ZH):
            yield from ((prose, start, end) for start, end in _unbound(prose, way))


def _unbound(prose: Prose, way: _Binding) -> Iterator[tuple[int, int]]:
    if way.advises and not way.chinese and "宜" in prose.low:
        spans = _loose(prose, english=False, chinese=True)
        yield from ((start, end) for start, end in spans if prose.low[end - 1] == "宜")
    if way.english or way.chinese:
        yield from _loose(prose, english=way.english, chinese=way.chinese)
        yield from _soft(prose, english=way.english, chinese=way.chinese)


def binding(subject: Subject) -> _Binding:
    """What is so in the whole document, looked at once."""
    whole = subject.of or subject
    found: _Binding | None = whole.kept.get("binding")
    if found is None:
        found = whole.kept["binding"] = _binding(whole)
    return found


def _binding(whole: Subject) -> _Binding:
    strong = sum(1 for prose in _texts(whole, "shall", "must") for _ in ENGLISH.finditer(prose.low))
    strong_zh = sum(1 for prose in _texts(whole, *"必应不需须") for _ in CHINESE.finditer(prose.text))
    weak = (span for prose in _texts(whole, *_WEAK) for span in _loose(prose, english=True, chinese=False))
    weak_zh = (span for prose in _texts(whole, *_LETTERS_ZH) for span in _loose(prose, english=False, chinese=True))
    english, chinese = _outweighs(strong, weak, whole), _outweighs(strong_zh, weak_zh, whole)
    advises = strong_zh >= _FEWEST
    if (english or advises) and any(_EXPLAINED.search(prose.low) for prose in _texts(whole, *_OF_EXPLAINED)):
        return _Binding(english=False, chinese=False, advises=False)
    return _Binding(english, chinese, advises)


def _texts(subject: Subject, *words: str) -> Iterator[Prose]:
    """The blocks that hold one of these words and are no headings, looked for when the first is asked for."""
    for prose in subject.holding(*words):
        if not prose.block.level:
            yield prose


def _outweighs(strong: int, weak: Iterable[object], whole: Subject) -> bool:
    if strong < _FEWEST or _outnumber(weak, _TIMES, strong):
        return False
    clauses = (span for prose in whole.prose if not prose.block.level for span in prose.clauses)
    return not _outnumber((1 for start, end in clauses if end - start >= _SHORTEST), _SHARE, strong)


def _outnumber(many: Iterable[object], weight: float, few: int) -> bool:
    """Are there, weighed so, more of them? They are counted only until that is known."""
    return any(weight * number > few for number, _ in enumerate(many, start=1))


def _loose(prose: Prose, *, english: bool, chinese: bool) -> Iterator[tuple[int, int]]:
    low = prose.low
    english = english and _WORDS.search(low) is not None
    chinese = chinese and prose.chinese and _OF_CHINESE.search(low) is not None
    for start, end in prose.clauses if english or chinese else ():
        found = _main(low[start:end]) if english and _WORDS.search(low, start, end) else None
        if found is None and chinese:
            found = _main_zh(low[start:end])
        if found is not None:
            yield start + found.start("verb"), start + found.end("verb")


def _soft(prose: Prose, *, english: bool, chinese: bool) -> Iterator[tuple[int, int]]:
    low = prose.low
    english = english and any(map(" ".join(low.split()).__contains__, _SOFT_WORDS))
    chinese = chinese and prose.chinese and _OF_CHINESE.search(low) is not None
    for start, end in prose.clauses if english or chinese else ():
        clause = low[start:end]
        found = _SOFT.search(clause) if english and not (ENGLISH.search(clause) or _ENGLISH.search(clause)) else None
        if (
            found is not None
            and found["subject"]
            and (_SUBORDINATE.search(found["subject"]) or _OF_ITSELF.search(found["subject"]))
        ):
            found = None
        if found is None and chinese and not (_BINDS_ZH.search(clause) or _CHINESE.search(clause)):
            found = _SOFT_ZH.search(clause)
            if found is not None and found["subject"] and _CONDITION_ZH.search(found["subject"]):
                found = None
        if found is not None:
            yield start + found.start(found.lastgroup or 0), start + found.end(found.lastgroup or 0)


def _main(clause: str) -> re.Match[str] | None:
    """The first modal verb of a clause that does not bind otherwise, but not one that is subordinate."""
    found = None if ENGLISH.search(clause) else _ENGLISH.search(clause)
    return None if found is None or _SUBORDINATE.search(found["subject"]) else found


def _main_zh(clause: str) -> re.Match[str] | None:
    found = None if _BINDS_ZH.search(clause) else _CHINESE.search(clause)
    return None if found is None or _CONDITION_ZH.search(found["subject"]) else found
