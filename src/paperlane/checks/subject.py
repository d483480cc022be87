"""What a check looks at: the prose of a document, as patterns read it, and where the few words of it stand."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate, chain, pairwise
from operator import itemgetter
from typing import Any

from paperlane.checks.obligations import OF_ADVICE, Clause, duties, obliges
from paperlane.checks.sentences import clauses
from paperlane.compiling import later
from paperlane.model.documents import Block, BlockKind, Document, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that a check found, in characters of the document's text; `params` fill the check's sentences.

    `anywhere` says that the place is one of several where the same fault could have been found.
    """

    start: int
    end: int
    params: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    anywhere: bool = False


def lowered(text: str) -> str:
    """A text in lower case and as long, so that places are the same."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(letter.lower()[0] for letter in text)


@dataclass(frozen=True)
class Prose:
    """A block of prose as the patterns of checks read it.

    In `text` code and addresses are blanked out, traditional characters stand as simplified ones, and a line break
    inside a Chinese sentence is left out. `written` is as long, in the document's own characters. `lines` tells where
    each of the joined lines begins: in `text`, and in the document. `lead` is the text, in lower case, that introduces
    the list in which the block is an item, "" elsewhere.
    """

    block: Block
    text: str
    written: str
    lines: Sequence[tuple[int, int]]
    lead: str = ""

    @cached_property
    def chinese(self) -> bool:
        """Is there a Chinese character in it?"""
        return not self.text.isascii() and _HAN.search(self.text) is not None

    @cached_property
    def low(self) -> str:
        """The text in lower case, for English patterns; its places are the same."""
        return lowered(self.text)

    @cached_property
    def clauses(self) -> Sequence[tuple[int, int]]:
        """The spans of its clauses in `text`."""
        return clauses(self.text)

    @cached_property
    def duties(self) -> Sequence[Clause]:
        """Its clauses that oblige somebody; a heading has none."""
        if self.block.level or not obliges(self.low, self.lead):
            return ()
        return duties(self.low, self.clauses, self.lead)

    def finding(
        self, start: int, end: int, params: Mapping[str, str] | None = None, severity: Severity | None = None
    ) -> Finding:
        """What a check found at `text[start:end]`, at its place in the document."""
        return Finding(self._place(start), self._place(end - 1) + 1, params or {}, severity)

    def said(self, start: int, end: int) -> str:
        """What stands at `text[start:end]` in the document's characters, on one line."""
        return " ".join(self.written[start:end].split())

    def _place(self, at: int) -> int:
        begin, place = self.lines[bisect_right(self.lines, at, key=itemgetter(0)) - 1]
        return place + at - begin


class Reading:
    """All prose of a document, to look at once for what few of its blocks hold. They are told by their numbers, from 0.

    `text` is that of all blocks, each behind a line break; block n begins there at `begins[n]`, whose last is the end,
    and in the document's text at `starts[n]`.
    """

    def __init__(self, prose: Sequence[Prose]) -> None:
        self.prose = prose
        self.starts = [one.block.start for one in prose]
        self.text = "\n".join(["", *[one.text for one in prose], ""])
        self.begins = list(accumulate((len(one.text) + 1 for one in prose), initial=1))
        self._held: dict[Sequence[str], Sequence[int]] = {}

    @cached_property
    def obliging(self) -> Sequence[int]:
        """The blocks that oblige somebody, in reading order."""
        led = {number for number, prose in enumerate(self.prose) if prose.lead}
        return [number for number in sorted(led.union(self.rising(*OF_ADVICE))) if self.prose[number].duties]

    @cached_property
    def numbered(self) -> AbstractSet[int]:
        """The blocks with a figure."""
        return self.matching(_FIGURE)

    def holding(self, *words: str) -> AbstractSet[int]:
        """The blocks that hold one of these words or signs, in lower case and with a blank for each line break."""
        return {*self.rising(*words)}

    def rising(self, *words: str) -> Sequence[int]:
        """The same in reading order, looked for once."""
        if words not in self._held:
            low, begins = self._low
            found = (_following(partial(low.find, word), begins) for word in words)
            self._held[words] = sorted({*chain.from_iterable(found)})
        return self._held[words]

    def matching(self, sign: re.Pattern[str]) -> AbstractSet[int]:
        """The blocks in whose text a pattern is found, which does not look over their edges."""
        text = self.text
        return {*_following(lambda start: found.start() if (found := sign.search(text, start)) else -1, self.begins)}

    def at(self, numbers: Iterable[int]) -> Sequence[Prose]:
        """These blocks, in reading order."""
        return [self.prose[number] for number in sorted(numbers)]

    @cached_property
    def _low(self) -> tuple[str, Sequence[int]]:
        """All of it in lower case with single blanks, each block behind a line break, and where they begin."""
        low = lowered(self.text)
        blocks = [" ".join(low[start:end].split()) for start, end in pairwise(self.begins)]
        return "\n".join(["", *blocks, ""]), list(accumulate((len(block) + 1 for block in blocks), initial=1))


def _following(find: Callable[[int], int], begins: Sequence[int]) -> Iterator[int]:
    """The blocks of what is found behind a start again and again; in each of them one place is enough."""
    place = find(0)
    while place >= 0:
        block = bisect_right(begins, place) - 1
        yield block
        place = find(begins[block + 1])


@dataclass(frozen=True)
class Subject:
    """What a check looks at: a document, and the blocks `first` to `last` of it.

    What is a part `of` the whole shares its reading, which is done once.
    """

    document: Document
    first: int
    last: int
    of: "Subject | None" = None

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What one check found out about all of it and others want too, by a name."""
        return {}

    @cached_property
    def reading(self) -> Reading:
        """All prose of the document."""
        if self.of is not None:
            return self.of.reading
        blocks = self.document.parsed.blocks[self.first : self.last]
        return Reading(list(_written_for_people(self.document.text, blocks)))

    @cached_property
    def prose(self) -> Sequence[Prose]:
        """The blocks that are written for people, headings included."""
        return self.reading.prose[self._begin : self._end]

    @cached_property
    def obliging(self) -> Sequence[Prose]:
        """The blocks with clauses that oblige somebody."""
        return self._own(self.reading.obliging)

    @property
    def duties(self) -> Iterator[tuple[Prose, Clause]]:
        """These clauses, each with its block."""
        return ((prose, clause) for prose in self.obliging for clause in prose.duties)

    def holding(self, *words: str) -> Sequence[Prose]:
        """The blocks that hold one of these words, given in lower case."""
        return self._own(self.reading.rising(*words))

    def _own(self, numbers: Sequence[int]) -> Sequence[Prose]:
        """Of the blocks of these numbers, which rise, its own."""
        prose = self.reading.prose
        begin, end = bisect_left(numbers, self._begin), bisect_left(numbers, self._end)
        return [prose[number] for number in numbers[begin:end]]

    @cached_property
    def _begin(self) -> int:
        return self._number(self.first)

    @cached_property
    def _end(self) -> int:
        return self._number(self.last)

    def _number(self, at: int) -> int:
        """The number of the block of prose that is a block of the document, or the next one."""
        blocks = self.document.parsed.blocks
        place = blocks[at].start if at < len(blocks) else len(self.document.text)
        return bisect_left(self.reading.starts, place)


def _written_for_people(text: str, blocks: Iterable[Block]) -> Iterator[Prose]:
    """Each block that is no code; what ends in a colon before the items of a list is their lead."""
    lead = ""
    for block in blocks:
        if block.kind is BlockKind.CODE:
            continue
        item = block.kind is BlockKind.LIST_ITEM
        prose = _prose(text[block.start : block.end], block, lead if item else "")
        if not item:
            lead = prose.low if prose.text[-8:].rstrip("*_ \t\r\n").endswith((":", "：")) else ""
        yield prose


_FIGURE = later(r"[0-9０-９一二两三四五六七八九十]")
_HAN = later(r"[\u3400-\u9fff]")
# an address begins at a border and gives nothing back, or a long word without one would take its length squared
_ADDRESS = later(
    r"(?:https?://|www\.|mailto:)[^\s<>()\[\]（）【】，。；]+|(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.]+|"
    r"(?<![\w./-])(?:[\w.-]*+/){2,}[\w.-]+",
    re.ASCII,
)
_MARGIN = later(r"(?<=\n)[ \t]*>[> \t]*")  # of a quoted block
_BROKEN = later(r"(?<=[\u3400-\u9fff])[ \t]*+\r?\n[ \t]*+(?=[\u3400-\u9fff])")
_BLANK = "\ufffc"  # what stands for an object in text: neither a word nor a space

# Patterns are written in simplified Chinese with plain spaces. One character stands for one, so no place moves; only
# those that the patterns use are here.
_READ_AS = str.maketrans(
    "萬與業丟兩嚴個箇為麼義習爭於產億僅從們價眾優會體儲剋關茲內寫決況準幾齣則剛別彆製辦務區韆昇陞協單佔壓釐參蔘發髮變"
    "隻檯臺颱號閤衕後嚮曏噸員週響迴團糰圍圖場塊壯聲處備復複夠頭學實寬對壽將爾儘盡侷層屆屬佈帶幫冪乾幹榦並併庫應開異彈"
    "強歸噹當彔錄徑態總慣戶執擴護擁據攜攝數無時顯暫朮術機來極構標覈檔檢歐沒註潔溫溼濕滿潛靈點狀環現電暢蓋盤碼確離種積"
    "穩簡類係繫約級組細織終經結給絕統續維編緣縫網緻節範葯藥營慮補錶裝見觀規視計認討許論設証證評話該詳誤說請諸讀貝質購"
    "費資輪軟較邊達過運還這進遲適埰寀採裡鍾鐘錯長門問間閱閾隊際麵頁項順須鬚顧頓預領頻額風飛馬驗魯齡\xa0\u3000"
    "換連線輸啟閉鑰訊選擇題權觸測試鏈鎖餘緩衝鍵聯熱燈顏裏買貨訂記詢調",
    "万与业丢两严个个为么义习争于产亿仅从们价众优会体储克关兹内写决况准几出则刚别别制办务区千升升协单占压厘参参发发变"
    "只台台台号合同后向向吨员周响回团团围图场块壮声处备复复够头学实宽对寿将尔尽尽局层届属布带帮幂干干干并并库应开异弹"
    "强归当当录录径态总惯户执扩护拥据携摄数无时显暂术术机来极构标核档检欧没注洁温湿湿满潜灵点状环现电畅盖盘码确离种积"
    "稳简类系系约级组细织终经结给绝统续维编缘缝网致节范药药营虑补表装见观规视计认讨许论设证证评话该详误说请诸读贝质购"
    "费资轮软较边达过运还这进迟适采采采里钟钟错长门问间阅阈队际面页项顺须须顾顿预领频额风飞马验鲁龄  "
    "换连线输启闭钥讯选择题权触测试链锁余缓冲键联热灯颜里买货订记询调",
)
_READ_OTHERWISE = later(f"[{''.join(map(chr, _READ_AS))}]")


def _prose(written: str, block: Block, lead: str) -> Prose:
    plain = written.isascii() or _READ_OTHERWISE.search(written) is None
    content = _blanked(written if plain else written.translate(_READ_AS), block)
    breaks = list(_BROKEN.finditer(content)) if "\n" in content and not content.isascii() else ()
    if not breaks:
        return Prose(block, content, written, ((0, block.start),), lead)
    begins = [0, *(found.end() for found in breaks)]
    ends = [*(found.start() for found in breaks), len(content)]
    joined = accumulate((end - begin for begin, end in zip(begins, ends, strict=True)), initial=0)
    return Prose(
        block,
        "".join(content[begin:end] for begin, end in zip(begins, ends, strict=True)),
        "".join(written[begin:end] for begin, end in zip(begins, ends, strict=True)),
        [(at, block.start + begin) for at, begin in zip(joined, begins, strict=False)],
        lead,
    )


def _blanked(content: str, block: Block) -> str:
    """As long as it was: what is no prose is blanked out, and so are the margins of a quoted block."""
    if block.code:
        content = "".join(_uncoded(content, block))
    if content.count("/") > 1 or "@" in content or "www." in content or "mailto:" in content:
        content = _ADDRESS.sub(_blank, content)
    return _MARGIN.sub(lambda found: " " * len(found[0]), content) if ">" in content and "\n" in content else content


def _uncoded(content: str, block: Block) -> Iterator[str]:
    at = 0
    for start, end in block.code:
        yield content[at : start - block.start]
        yield _BLANK * (end - start)
        at = end - block.start
    yield content[at:]


def _blank(found: re.Match[str]) -> str:
    return _BLANK * len(found[0])
