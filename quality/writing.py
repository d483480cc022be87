"""Writes a document of pieces as Markdown, as DOCX and as PDF."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

import typst

from paperlane.model.documents import BlockKind, Language
from quality.carriers import Piece

Write = Callable[[Sequence[Piece], Language], bytes]

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)]*)\)")
"""A link or a picture in Markdown: its words and its target."""


def markdown(pieces: Sequence[Piece]) -> tuple[str, list[int]]:
    """The source, and where in it the text of each piece begins."""
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        sharps = f"{'#' * piece.level} " if piece.kind is BlockKind.HEADING else ""
        tight = piece.kind is BlockKind.LIST_ITEM and after is not None and after.kind is BlockKind.LIST_ITEM
        starts.append(at + len(sharps))
        parts.append(sharps + piece.text + ("\n" if tight else "\n\n"))
        at += len(parts[-1])
    return "".join(parts).rstrip("\n") + "\n", starts


def rows_of(table: str) -> list[list[str]]:
    """The cells of a table in Markdown, row by row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")]
    return [row for row in rows if set("".join(row)) - set("- ")]


def linkless(text: str) -> str:
    """The text as a reader sees it: of each link its words."""
    return LINK.sub(r"\2", text)


def docx(pieces: Sequence[Piece], language: Language) -> bytes:
    """A Word file with the built-in heading styles; links keep their targets, pictures are left out."""
    targets: list[str] = []
    body = "".join(_block(piece, targets) for piece in pieces)
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELATIONS.format(
            f'<Relationship Id="r" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>'
        ),
        "word/document.xml": f'<w:document xmlns:w="{_W}" xmlns:r="{_OFFICE}"><w:body>{body}</w:body></w:document>',
        "word/styles.xml": _styles(language),
        "word/_rels/document.xml.rels": _RELATIONS.format(
            f'<Relationship Id="s" Type="{_OFFICE}/styles" Target="styles.xml"/>'
            + "".join(
                f'<Relationship Id="l{n}" Type="{_OFFICE}/hyperlink" Target="{escape(target)}" TargetMode="External"/>'
                for n, target in enumerate(targets)
            )
        ),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(
                zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), f'<?xml version="1.0" encoding="UTF-8"?>{content}'
            )
    return made.getvalue()


_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATIONS = f'<Relationships xmlns="{_PACKAGE}/relationships">{{}}</Relationships>'
_TYPES = (
    f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_MAIN}.document.main+xml"/>'
    f'<Override PartName="/word/styles.xml" ContentType="{_MAIN}.styles+xml"/></Types>'
)


def _styles(language: Language) -> str:
    headings = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        f'<w:basedOn w:val="Normal"/><w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr><w:rPr><w:b/></w:rPr></w:style>'
        for level in range(1, 7)
    )
    locale = {Language.EN: 'w:val="en-GB"', Language.ZH: 'w:eastAsia="zh-CN"'}[language]
    return (
        f'<w:styles xmlns:w="{_W}"><w:docDefaults><w:rPrDefault><w:rPr><w:lang {locale}/></w:rPr></w:rPrDefault>'
        f'</w:docDefaults><w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>'
        f"</w:style>{headings}</w:styles>"
    )


def _block(piece: Piece, targets: list[str]) -> str:
    if piece.kind is BlockKind.TABLE_CELL:
        rows = "".join(
            "<w:tr>" + "".join(f"<w:tc>{_paragraph(cell, targets)}</w:tc>" for cell in row) + "</w:tr>"
            for row in rows_of(piece.text)
        )
        return f"<w:tbl>{rows}</w:tbl>"
    return _paragraph(piece.text, targets, piece.level)


def _paragraph(text: str, targets: list[str], level: int = 0) -> str:
    style = f'<w:pPr><w:pStyle w:val="Heading{level}"/></w:pPr>' if level else ""
    return f"<w:p>{style}{''.join(_runs(text, targets))}</w:p>"


def _runs(text: str, targets: list[str]) -> Iterator[str]:
    at = 0
    for found in LINK.finditer(text):
        yield _run(text[at : found.start()])
        at = found.end()
        target = found[3]
        if target.startswith("#"):
            yield f'<w:hyperlink w:anchor="{escape(target[1:])}">{_run(found[2])}</w:hyperlink>'
        else:
            yield f'<w:hyperlink r:id="l{len(targets)}">{_run(found[2])}</w:hyperlink>'
            targets.append(target)
    yield _run(text[at:])


def _run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>' if text else ""


def pdf(pieces: Sequence[Piece], language: Language) -> bytes:
    """A tagged PDF with an outline, as typst makes it; of links only the words."""
    fonts = {Language.EN: '"Libertinus Serif"', Language.ZH: '("Libertinus Serif", "Noto Serif CJK SC")'}[language]
    head = f'#set text(lang: "{language.value}", font: {fonts}, size: 10.5pt)\n#set page(numbering: "1")\n'
    return typst.compile((head + "\n\n".join(map(_typeset, pieces))).encode())


def _typeset(piece: Piece) -> str:
    if piece.kind is BlockKind.TABLE_CELL:
        rows = rows_of(piece.text)
        cells = ", ".join(_literal(cell) for row in rows for cell in row)
        return f"#table(columns: {len(rows[0])}, {cells})"
    if piece.kind is BlockKind.HEADING:
        return f"#heading(level: {piece.level}, {_literal(linkless(piece.text))})"
    return f"#par({_literal(linkless(piece.text))})"


def _literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


WRITERS: Mapping[str, Write] = {
    "md": lambda pieces, _language: markdown(pieces)[0].encode(),
    "docx": docx,
    "pdf": pdf,
}
"""How each format is written, by its suffix."""
