"""Sections and long paragraphs that say again what others said, word for word or nearly so."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat, takewhile
from string import ascii_lowercase, digits

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import Block, BlockKind, Section, Severity

_TOKEN = later(r"[a-z0-9]+|[\u3400-\u9fff]")
_APART = bytes(sign if chr(sign) in f"{ascii_lowercase}{digits}" else ord(" ") for sign in range(256))
_HAN = "\u3400"  # Chinese tokens stand behind it
_FEWEST_WORDS, _FEWEST_OF_SECTION = 40, 28
_SHINGLE = 3  # tokens
_MOST_BELOW = 12  # sections that are read with the one above them
_LIKELY = 0.4  # of all shingles, by those that were kept, so that a closer look pays
_NEAREST = 3  # texts that share most are looked at closely: of a section too, and of the one above it
_SAMPLED = 4  # of so many shingles one is kept
_INDEXED = 4  # texts that are kept of those that share a shingle, so that a much repeated one costs no more
_ALIKE = 0.9  # of all tokens
_WITHIN, _LONGER = 0.98, 0.8  # or one is all in the other, which says a little more
_IN_ORDER = 0.5  # of all shingles: one changed word changes three
_PROSE = (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.FOOTNOTE)
_CODE = later(r"(?<!-)->|::|\w\([^)]*\)\W*$")  # functions are described alike


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that may stand twice, below the headings `path`; `title` is what names it."""

    tokens: Sequence[str]
    start: int
    end: int
    path: tuple[str, ...]
    title: str

    def repeats(self, other: "_Text") -> bool:
        """Are most tokens the same, mostly in the same order?

        Where they differ by what their headings differ by, each says the same of something else.
        """
        shorter, longer = sorted((len(self.tokens), len(other.tokens)))
        if 2 * shorter < _LONGER * (shorter + longer):
            return False
        shingles, other_ones = {*_shingles(self.tokens)}, {*_shingles(other.tokens)}
        if len(shingles & other_ones) < _IN_ORDER * len(shingles | other_ones):
            return False
        mine, others = Counter(self.tokens), Counter(other.tokens)
        same = (mine & others).total()
        if 2 * same < (_LONGER if same >= _WITHIN * shorter else _ALIKE) * (shorter + longer):
            return False
        changed = (mine - others).keys() | (others - mine).keys()
        return not changed & (_tokens(self.path) ^ _tokens(other.path))


def _tokens(path: Sequence[str]) -> set[str]:
    return {token for title in path for token in _TOKEN.findall(title.lower())}


def _find(subject: Subject) -> Iterator[Finding]:
    """A section is told of at its heading; what lies in one that was told of is not told again."""
    sections, paragraphs = _texts(subject)
    told: set[tuple[str, ...]] = set()
    for text, other in _repeated(sections):
        if not _is_told(text.path[:-1], told):
            yield Finding(text.start, text.end, {"title": other.title})
        told.add(text.path)
    first: dict[tuple[str, ...], _Text] = {}
    for text in paragraphs:
        other = first.setdefault(tuple(text.tokens), text)
        if other is not text and not _is_told(text.path, told):
            yield Finding(text.start, text.end, {"title": other.title})


def _is_told(path: tuple[str, ...], told: Collection[tuple[str, ...]]) -> bool:
    return any(path[:depth] in told for depth in range(1, len(path) + 1))


def _repeated(texts: Sequence[_Text]) -> Iterator[tuple[_Text, _Text]]:
    """Each text that says nearly what an earlier one says, and that one."""
    index: dict[Hashable, list[int]] = {}
    for at, text in enumerate(texts):
        shingles = list(_shingles(text.tokens))
        shared = Counter(chain.from_iterable(map(index.get, shingles, repeat(()))))
        for shingle in shingles[::_SAMPLED]:
            known = index.setdefault(shingle, [])
            if len(known) < _INDEXED:
                known.append(at)
        fewest = _LIKELY * len(shingles) / _SAMPLED
        if max(shared.values(), default=0) < fewest:
            continue
        near = {
            other: count for other, count in shared.items() if count >= fewest and not _is_above(texts[other], text)
        }
        for other, _ in Counter(near).most_common(_NEAREST):
            if text.repeats(texts[other]):
                yield text, texts[other]
                break


def _shingles(tokens: Sequence[str]) -> Iterator[Hashable]:
    return zip(*(tokens[at:] for at in range(_SHINGLE)), strict=False)


def _is_above(other: _Text, text: _Text) -> bool:
    return len(other.path) < len(text.path) and other.path == text.path[: len(other.path)]


def _texts(subject: Subject) -> tuple[Sequence[_Text], Sequence[_Text]]:
    """All sections, with those below them where they are short themselves, and all paragraphs, that are long enough."""
    blocks, all_sections = subject.document.parsed.blocks, subject.document.sections
    said = {
        prose.block.start: _TOKEN.findall(prose.low) if prose.chinese else _words(prose.low)
        for prose in subject.prose
        if prose.block.kind in _PROSE
    }
    own = [list(_said(said, blocks[section.first : section.last])) for section in all_sections]
    sections: list[_Text] = []
    paragraphs: list[_Text] = []
    for at, section in enumerate(all_sections):
        title = section.path[-1] if section.path else ""
        if _CODE.search(title):
            continue
        for block in blocks[section.first : section.last]:
            tokens = said.get(block.start, [])
            if block.kind is BlockKind.PARAGRAPH and _long(tokens):
                first = " ".join(subject.document.text[block.start :][:60].split())
                paragraphs.append(_Text(tokens, block.start, block.end, section.path, title or first))
        tokens = own[at]
        if not _long(tokens, _FEWEST_OF_SECTION):
            tokens = [*tokens, *_below(all_sections, own, at)]
        if section.heading >= 0 and _long(tokens, _FEWEST_OF_SECTION):
            heading = blocks[section.heading]
            sections.append(_Text(tokens, heading.start, heading.end, section.path, title))
    return sections, paragraphs


def _words(text: str) -> Sequence[str]:
    """The tokens of a text without Chinese: bytes are cut many times faster than by a pattern."""
    return text.encode("ascii", "replace").translate(_APART).decode("ascii").split()


def _below(sections: Sequence[Section], own: Sequence[Sequence[str]], at: int) -> Iterator[str]:
    """The words of the sections below one, where there are several: of one alone, it is the one that is told of."""
    below = takewhile(lambda other: sections[other].level > sections[at].level, range(at + 1, len(own)))
    words = [own[other] for other in islice(below, _MOST_BELOW)]
    return chain.from_iterable(words if len(words) > 1 else ())


def _said(said: Mapping[int, Sequence[str]], blocks: Sequence[Block]) -> Iterator[str]:
    return chain.from_iterable(said.get(block.start, ()) for block in blocks)


def _long(tokens: Sequence[str], fewest: int = _FEWEST_WORDS) -> bool:
    """Has it so many words, or characters of which two count as one?"""
    if not fewest <= len(tokens) < 2 * fewest:
        return len(tokens) >= fewest
    han = 0 if "".join(tokens).isascii() else sum(token >= _HAN for token in tokens)
    return 2 * len(tokens) - han >= 2 * fewest


_EN = (
    "The door opens when a user shows a valid badge to the reader beside it. The reader blinks green for two seconds "
    "and the door stays open for ten. When nobody passes, the door closes by itself and the log tells who had opened "
    "it, at what time and for how long."
)
_ZH = (
    "用户在读卡器上出示有效的门禁卡后，门禁系统打开大门，读卡器绿灯闪烁两秒，大门保持开启十秒。若无人通过，大门自动关闭，"
    "系统在日志中记录开门人、开门时间以及开启时长，管理员可以在后台按日期查询这些记录，也可以导出为表格。"
)

CHECK = Check(
    name="duplicated-section",
    title={"en": "Duplicated section", "zh": "重复的章节"},
    why="What stands twice is changed once; then the two contradict each other.",
    category="consistency",
    severity=Severity.WARNING,
    confidence=0.8,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "This says again what “{title}” says.", "zh": "此处与“{title}”的内容重复。"},
    suggestions={"en": "Keep one of them and refer to it.", "zh": "请保留一处，其余改为引用。"},
    flags=(
        f"# Door\n\n{_EN}\n\n# Window\n\nText.\n\n# Entrance\n\n{_EN}",
        f"# 大门\n\n{_ZH}\n\n# 窗\n\n正文。\n\n# 入口\n\n{_ZH}",
        f"# Door\n\n{_EN}\n\n# Entrance\n\n{_EN.replace('ten', 'twenty').replace('valid', 'proper')}",
        f"# 大门\n\n{_ZH}\n\n# 入口\n\n{_ZH.replace('十秒', '数十秒')}",
        f"# Door\n\nText.\n\n{_EN}\n\n# Window\n\nAnother text.\n\n{_EN}\n\n{_ZH[:70]}",
        f"# Door\n\n## A\n\n{_EN[:120]}\n\n## B\n\n{_EN[120:]}\n\n# Gate\n\n## A\n\n{_EN[:120]}\n\n## B\n\n{_EN[120:]}",
    ),
    passes=(
        f"# Door\n\n{_EN}\n\n# Window\n\nThe window opens as the door does.",
        f"# 大门\n\n{_ZH}\n\n# 窗\n\n窗与大门相同。",
        f"# Door\n\n{_EN}\n\n# Gate\n\n{_EN.replace('door', 'gate')}",
        f"# close(Door) -> ok\n\n{_EN}\n\n# shut(Door) -> ok\n\n{_EN}",
        "# Door\n\nIt opens.\n\n# Window\n\nIt opens.",
    ),
)
