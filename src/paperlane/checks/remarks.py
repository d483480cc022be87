"""What a file's own comments say of checks: "paperlane: ignore vague-term".

`ignore NAME, ...` holds for the block that the comment stands in or before, of a table for the row; `ignore-file NAME,
...` for the document; `off NAME, ...` until the next `on`, both of all checks where none is named.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from operator import itemgetter

from paperlane.compiling import later
from paperlane.model.documents import Block, BlockKind, Document, Notice, Remark

_WORD = later(r"[^\s,，、]+")
_NAMELESS = {"off", "on"}
_SPANS = {"ignore", "ignore-file"}
_MOST_NOTICES = 20
_LONGEST = 80  # characters of a comment that a notice quotes

Span = tuple[int, int]


class Remarks:
    """The comments of a document that speak of checks, by these names; `notices` tell of those not understood."""

    def __init__(self, document: Document, names: Collection[str]) -> None:
        self._document = document
        self._names = names
        self._begins = [block.start for block in document.parsed.blocks]
        self._rows: dict[tuple[int, int], Span] | None = None
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._switches: dict[str, Sequence[tuple[int, bool]]] = {}
        self._said: list[tuple[int, bool, frozenset[str]]] = []
        self._notices: list[Notice] = []
        for remark in sorted(document.parsed.remarks, key=lambda remark: remark.at):
            self._hear(remark)
        for rule, spans in self._spans.items():
            self._spans[rule] = _joined(spans)

    @property
    def notices(self) -> Sequence[Notice]:
        """Warnings of comments that were not understood, the first ones, and how many more there are."""
        if len(self._notices) <= _MOST_NOTICES:
            return self._notices
        more = len(self._notices) - _MOST_NOTICES
        said = f"{more} more comments to Paperlane were not understood."
        return [*self._notices[:_MOST_NOTICES], Notice("more_remarks", said, {"count": str(more)})]

    def cover(self, rule: str, at: int) -> bool:
        """Does a comment say that this check is to be passed by where its finding begins?"""
        spans = self._spans.get(rule, ())
        before = bisect_right(spans, at, key=itemgetter(0)) - 1
        if before >= 0 and at < spans[before][1]:
            return True
        switches = self._of(rule)
        last = bisect_right(switches, at, key=itemgetter(0)) - 1
        return last >= 0 and switches[last][1]

    def _of(self, rule: str) -> Sequence[tuple[int, bool]]:
        """Where this check is switched off, and where on again."""
        if rule not in self._switches:
            self._switches[rule] = [(at, off) for at, off, rules in self._said if not rules or rule in rules]
        return self._switches[rule]

    def _hear(self, remark: Remark) -> None:
        verb, *names = _WORD.findall(remark.words) or [""]
        if verb not in _NAMELESS | _SPANS or (verb in _SPANS and not names):
            what = "names no check" if verb in _SPANS else "is not understood"
            self._warn("unknown_remark", remark, f"The comment {{remark}} in line {{line}} {what}.", {})
            return
        known = [name for name in names if name in self._names]
        for name in names:
            if name not in self._names:
                near = get_close_matches(name[:_LONGEST], self._names, 1)
                meant = f" Did you mean {near[0]}?" if near else ""
                said = f"The comment {{remark}} in line {{line}} names {{check}}, which is no check.{meant}"
                self._warn(
                    "unknown_check_in_remark", remark, said, {"check": _short(name), "meant": next(iter(near), "")}
                )
        if verb in _NAMELESS and (known or not names):
            self._said.append((remark.at, verb == "off", frozenset(known)))
        elif verb == "ignore-file":
            self._add(known, (0, len(self._document.text) + 1))
        elif verb == "ignore":
            self._add(known, self._span(remark.at))

    def _add(self, rules: Sequence[str], span: Span) -> None:
        for rule in rules:
            self._spans[rule].append(span)

    def _span(self, at: int) -> Span:
        """The block at a place, or the next one; of a cell its whole row. An empty span behind the last one."""
        blocks = self._document.parsed.blocks
        number = bisect_right(self._begins, at) - 1
        if number < 0 or at >= blocks[number].end:
            number += 1
        if number >= len(blocks):
            return at, at
        block = blocks[number]
        start, end = block.start, block.end
        if block.kind is BlockKind.TABLE_CELL:
            start, end = self._row(block)
        return min(at, start), end

    def _row(self, cell: Block) -> Span:
        if self._rows is None:
            self._rows = {}
            for block in self._document.parsed.blocks:
                if block.kind is BlockKind.TABLE_CELL:
                    key = block.table, block.row
                    self._rows[key] = self._rows.get(key, (block.start, block.end))[0], block.end
        return self._rows[cell.table, cell.row]

    def _warn(self, code: str, remark: Remark, said: str, more: dict[str, str]) -> None:
        if len(self._notices) > _MOST_NOTICES:  # it is only counted
            self._notices.append(self._notices[-1])
            return
        line = len(re.findall(r"\r\n|\r|\n", self._document.text[: remark.at])) + 1
        params = {"remark": _short(remark.words), "line": str(line), **more}
        self._notices.append(Notice(code, said.format_map({**params, "remark": f"“{params['remark']}”"}), params))


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= _LONGEST else f"{folded[:_LONGEST]}…"


def _joined(spans: Sequence[Span]) -> list[Span]:
    """The same places in spans that do not overlap, in order."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined
