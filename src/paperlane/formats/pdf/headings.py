"""The headings of a PDF without an outline: those of its tags, else those that its contents page and looks tell."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from paperlane.formats.pdf.contents import Contents, Entry
from paperlane.formats.pdf.levels import Seen, levels_of
from paperlane.formats.pdf.numbering import Mark, mark_of
from paperlane.formats.pdf.page import Look, Page, Title

_KEY = 60  # letters of a line, by which those that may say a title are looked up
_LARGER = 1.07  # than the text around it
_LONGEST = 120  # columns of a title's line, a Chinese character taking two
_MOST_LINES = 3
_APART = 1.25  # times the usual way from line to line
_TOGETHER = 1.9  # times its letters' size: a title goes on in the next line
_NEXT_COLUMN = 6  # times its letters' size: so much higher than the line before it, a line begins a column
_PROSE = 3  # lines in a row
_RARE = 0.25  # of all letters, the most that a style of headings has
_FEWEST_SIGNATURES = 3
_SIGNATURE = re.compile(r"[A-Za-z_][\w.:'$-]*\s?\((?!.*\)\s*=\s)")
_COLONS = (":", "：")
_WIDE = 0.8  # of the full lines' width
_SENTENCE_ENDS = tuple(".。；;，,、")
_PART = re.compile(
    r"(?:table of )?contents|preface|foreword|abstract|summary|introduction|acknowledge?ments|references|bibliography"
    r"|index|glossary|(?:revision|change|document) (?:history|record|log)"
    r"|目\s*[录錄次]|[内內]\s*容|前\s*言|序\s*言?|引\s*言|[简簡]\s*介|摘\s*要|[参參]考文[献獻]|索\s*引|[术術][语語]表|修[订訂][记記][录錄]"
    r"|致\s*[谢謝]",
    re.IGNORECASE,
)  # what stands beside the chapters without a number
_COVER_LINES = 2
_NO_TITLE_BEGINS = re.compile(r"[^\w(（【\[《“\"'`<]|[a-z]+\b(?!\()")


def headings_from(pages: Sequence[Page], running: Sequence[Collection[int]], contents: Contents) -> Sequence[Title]:
    """The headings in reading order: the tagged ones, else what looks like one; `running` lines of a page are none."""
    return [title for page in pages for title in page.tagged] or _Looking(pages, running, contents).titles()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with letters: its page, its look, what it says, how it is numbered.

    `below` is how many points below the line before it stands, less than 0 for a cell beside the last one, and None
    for the first line of a page or a column.
    """

    page: int
    look: Look
    says: str
    mark: Mark | None
    below: float | None

    @property
    def columns(self) -> float:
        """A Chinese character takes two of them, and three bytes of UTF-8."""
        return (len(self.says) + len(self.says.encode())) / 2

    @property
    def width(self) -> float:
        """About how long the line is, in points, by a letter's usual width."""
        return self.columns * self.look.size / 2

    @property
    def style(self) -> tuple[float, bool]:
        return self.look.size, self.look.bold and self.look.wholly


class _Looking:
    """Finds titles in the looks of a whole document."""

    def __init__(self, pages: Sequence[Page], running: Sequence[Collection[int]], contents: Contents) -> None:
        self._contents = contents
        self._pages = len(pages)
        self._lines = [
            line for number, page in enumerate(pages)
            for line in _lines(number, page, {*running[number], *self._contents.lines[number]})
        ]  # fmt: skip
        letters: Counter[tuple[float, bool]] = Counter()
        for line in self._lines:
            letters[line.style] += len(line.says)
        sizes: Counter[float] = Counter()
        for (size, _), count in letters.items():
            sizes[size] += count
        self._size = max(sizes, key=sizes.__getitem__, default=0.0)
        self._bold = letters[self._size, True] > letters[self._size, False]
        self._letters, self._all = letters, sum(letters.values())
        usual = [
            line.below / self._size
            for line in self._lines if line.below and line.below > 0 and line.look.size == self._size
        ]  # fmt: skip
        self._usual = median(usual) if usual else 0.0
        widths = sorted(line.width for line in self._lines)
        self._full = widths[int(len(widths) * 0.9)] if widths else 0.0
        self._prose = self._styles_of_prose()
        self._rows = set(self._rows_of_prose())

    def titles(self) -> list[Title]:
        promised = self._by_contents()
        found = dict(promised)
        found |= {at: last for at, last in self._by_signature() if at not in found}
        taken = {line for at, last in found.items() for line in range(at, last + 1)}
        at, before = 0, None
        while at < len(self._lines):
            if at not in taken:
                last = self._last(at, taken) if self._stands_out(at) else at if self._counts_on(at, before) else None
                if last is not None and self._ends_title(at, last):
                    found[at] = last
            if at in found:
                before = self._lines[at].mark or before
                at = found[at]
            at += 1
        found = self._without_cover(found)
        firsts = sorted(found)
        seen = [self._seen(at)._replace(promised=at in promised) for at in firsts]
        return [
            Title(
                " ".join(self._lines[line].says for line in range(at, found[at] + 1)), level, self._lines[at].page,
                (self._lines[at].look.line, self._lines[found[at]].look.line),
            )
            for at, level in zip(firsts, levels_of(seen), strict=True)
        ]  # fmt: skip

    def _seen(self, at: int) -> Seen:
        line = self._lines[at]
        size, bold = line.style
        if line.mark is not None:
            return Seen(line.mark.form, line.mark.depth, size, bold)
        return Seen("part" if _PART.fullmatch(line.says) else "", 0, size, bold)

    def _by_contents(self) -> dict[int, int]:
        """The first and last lines that say what an entry promised, where they are next to where it points."""
        begins: defaultdict[str, list[int]] = defaultdict(list)
        for at, line in enumerate(self._lines):
            begins[_folded(line.says)[:_KEY]].append(at)
        places = [self._places(entry, begins) for entry in self._contents.entries]
        shifts = Counter(
            self._lines[at].page - entry.printed
            for entry, found in zip(self._contents.entries, places, strict=True) if entry.printed
            for at, _ in found
        )  # fmt: skip
        shift = max(shifts, key=shifts.__getitem__, default=0)
        located: dict[int, int] = {}
        for entry, found in zip(self._contents.entries, places, strict=True):
            free = [
                (at, last) for at, last in found
                if at not in located and self._may_be_promised(at)
                and (not entry.printed or abs(self._lines[at].page - entry.printed - shift) <= 1)
            ]  # fmt: skip
            if free:
                at, last = max(free, key=lambda place: self._lines[place[0]].style)
                located[at] = last
        return located

    def _places(self, entry: Entry, begins: Mapping[str, Sequence[int]]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for title in dict.fromkeys((entry.title, entry.wrapped)):
            wanted = _folded(title)
            for length in range(min(len(wanted), _KEY), 0, -1):
                key = wanted[:length]
                for at in begins.get(key, ()):
                    said = ""
                    for last in range(at, min(at + _MOST_LINES, len(self._lines))):
                        said += _folded(self._lines[last].says)
                        if said == wanted and self._lines[last].page == self._lines[at].page:
                            found.append((at, last))
        return found

    def _may_be_promised(self, at: int) -> bool:
        size, bold = self._lines[at].style
        return size >= self._size * 0.9 or bold

    def _stands_out(self, at: int) -> bool:
        line = self._lines[at]
        if line.style in self._prose or at in self._rows or not _may_be_title(line):
            return False
        size, bold = line.style
        if size >= self._size * _LARGER:
            return True
        if size < self._size * 0.9 or not bold or self._bold:
            return False
        return self._is_apart(at) and _begins_title(line) and not line.says.endswith(_COLONS)

    def _counts_on(self, at: int, before: Mark | None) -> bool:
        """Does a line that looks like the text around it have the number that comes next?"""
        line = self._lines[at]
        if line.mark is None or not line.mark.follows(before) or line.says.endswith(_COLONS):
            return False
        return line.look.size >= self._size and _may_be_title(line) and self._is_apart(at)

    def _is_apart(self, at: int) -> bool:
        below = self._lines[at].below
        return below is None or below > _APART * self._usual * self._size

    def _last(self, at: int, taken: Collection[int]) -> int:
        """The last line of a title: it goes on while lines look the same, stand close and have no number."""
        last = at
        while last + 1 < len(self._lines) and last + 1 - at < _MOST_LINES:
            line = self._lines[last + 1]
            close = line.below is not None and 0 < line.below <= _TOGETHER * line.look.size
            same = line.style == self._lines[at].style and line.page == self._lines[at].page
            if not (close and same and line.mark is None and last + 1 not in taken):
                break
            last += 1
        return last

    def _ends_title(self, first: int, last: int) -> bool:
        """Does the title end there, rather than go on as text, or announce it?"""
        line = self._lines[last]
        if line.says.endswith(_SENTENCE_ENDS) or (line.says.endswith(_COLONS) and self._lines[first].mark is None):
            return False
        after = self._lines[last + 1] if last + 1 < len(self._lines) else None
        wrapped = after is not None and after.below is not None and after.below <= _TOGETHER * line.look.size
        return not (wrapped and line.width >= _WIDE * self._full and line.look.size < self._size * _LARGER)

    def _rows_of_prose(self) -> Iterator[int]:
        """The lines of rows in one look that are too long for a title, as of a preface in larger letters."""
        first = 0
        for at in range(1, len(self._lines) + 1):
            line, begin = self._lines[at] if at < len(self._lines) else None, self._lines[first]
            if line is None or line.style != begin.style or line.page != begin.page:
                wide = sum(self._lines[row].width >= _WIDE * self._full for row in range(first, at))
                if at - first > _MOST_LINES and 2 * wide >= at - first:
                    yield from range(first, at)
                first = at

    def _styles_of_prose(self) -> Collection[tuple[float, bool]]:
        """The styles whose lines mostly stand in rows of several, or are much of the text."""
        runs: defaultdict[tuple[float, bool], list[int]] = defaultdict(list)
        before: _Line | None = None
        for line in self._lines:
            if before is not None and before.page == line.page and before.style == line.style and line.below:
                runs[line.style][-1] += 1
            else:
                runs[line.style].append(1)
            before = line
        much = {style for style, count in self._letters.items() if count > _RARE * self._all}
        return much | {style for style, found in runs.items() if sum(found) > _PROSE * len(found)}

    def _by_signature(self) -> Iterator[tuple[int, int]]:
        """Manuals of programs list each function by its signature, in letters of one width and apart from the rest."""
        found: list[tuple[int, int]] = []
        at = 0
        while at < len(self._lines):
            line = self._lines[at]
            follows = bool(found) and found[-1][1] == at - 1 and self._lines[at - 1].page == line.page
            if (
                line.look.fixed
                and line.look.size >= self._size
                and _SIGNATURE.match(line.says)
                and (self._is_apart(at) or follows)
            ):
                last = self._end_of_signature(at)
                found.append((at, last))
                at = last
            at += 1
        if len(found) >= _FEWEST_SIGNATURES:
            yield from found

    def _end_of_signature(self, at: int) -> int:
        open_, last = 0, at
        for last in range(at, min(at + 2 * _MOST_LINES, len(self._lines))):
            says = self._lines[last].says
            open_ += says.count("(") - says.count(")")
            if open_ <= 0 and not says.endswith("->"):
                break
        return last

    def _without_cover(self, found: Mapping[int, int]) -> dict[int, int]:
        """Of a first page with hardly any text, only the largest words are a title."""
        wide = sum(
            line.width >= _WIDE * self._full for line in self._lines if line.page == 0 and line.style in self._prose
        )
        if self._pages == 1 or wide > _COVER_LINES:
            return dict(found)
        cover = [at for at in found if self._lines[at].page == 0]
        title = max(cover, key=lambda at: self._lines[at].look.size, default=None)
        return {at: last for at, last in found.items() if self._lines[at].page or at == title}


def _lines(number: int, page: Page, without: Collection[int]) -> Iterator[_Line]:
    if not page.looks:
        return
    said = page.text.split("\n")
    in_cells = {
        line for cell in page.cells
        for line in range(page.text.count("\n", 0, cell.start), page.text.count("\n", 0, cell.end) + 1)
    }  # fmt: skip
    before: Look | None = None
    for look in page.looks:
        if look.line >= len(said):
            break
        if look.line not in without and look.line not in in_cells:
            says = said[look.line].strip()
            below = before.base - look.base if before is not None else None
            if below is not None and below < -_NEXT_COLUMN * look.size:
                below = None
            yield _Line(number, look, says, mark_of(says), below)
        if look.line not in without:
            before = look


def _may_be_title(line: _Line) -> bool:
    says = line.says
    if not any(letter.isalpha() for letter in says[line.mark.end if line.mark else 0 :]):
        return False
    return line.columns <= _LONGEST and not says.endswith(_SENTENCE_ENDS)


def _begins_title(line: _Line) -> bool:
    return _NO_TITLE_BEGINS.match(line.says) is None


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()
