"""Reads one file with one program, a process of its own: `python -m quality.peers.readers PROGRAM FILE ROUNDS`.

Prints JSON: `seconds` of each round, `pages`, `peak` memory in bytes, and `headings` as [level, title, page], where a
program knows pages. A program is imported before the clock starts.
"""

import json
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from quality.peers.memory import peak

Heading = tuple[int, str, int]
Read = Callable[[Path], tuple[int, list[Heading]]]
"""Reads a file: its pages, 0 where they are not known, and its headings."""

_MARKDOWN = re.compile(r"^(#{1,6}) +(.+?)[ #]*$", re.MULTILINE)
_INLINE = re.compile(r"[*_`]|\{#[^}]*\}|<[^>]*>|\[([^\]]*)\]\([^)]*\)")
_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)


def _of_markdown(text: str, page: int = 0) -> list[Heading]:
    fenceless = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [(len(found[1]), _INLINE.sub(r"\1", found[2]).strip(), page) for found in _MARKDOWN.finditer(fenceless)]


def _paperlane() -> Read:
    from paperlane.formats import read, recognise
    from paperlane.model.documents import BlockKind, Upload
    from paperlane.work.child import collect_seldom

    collect_seldom()

    def run(path: Path) -> tuple[int, list[Heading]]:
        with path.open("rb") as file:
            form = recognise(path.name, file.read(4096))
            file.seek(0)
            upload = Upload(path.name, form.media_type, path.stat().st_size, "0" * 64, "here")
            parsed = read(upload, file, lambda _share, _message: None)
        found = [block for block in parsed.blocks if block.kind is BlockKind.HEADING]
        return parsed.pages, [(block.level, parsed.text[block.start : block.end], block.page) for block in found]

    return run


def _pdfium() -> Read:
    import pypdfium2

    def run(path: Path) -> tuple[int, list[Heading]]:
        with pypdfium2.PdfDocument(path) as pdf:
            for page in pdf:
                text = page.get_textpage()
                text.get_text_bounded()
                text.close()
                page.close()
            return len(pdf), []

    return run


def _lxml() -> Read:
    from lxml import etree

    def run(path: Path) -> tuple[int, list[Heading]]:
        with zipfile.ZipFile(path) as package:
            content = package.read("word/document.xml")
        for _, element in etree.iterparse(BytesIO(content)):
            element.clear()
        return 0, []

    return run


def _python_docx() -> Read:
    import docx

    def texts(document: Any) -> Iterator[str]:
        for table in document.tables:
            for row in table.rows:
                yield from (cell.text for cell in row.cells)

    def run(path: Path) -> tuple[int, list[Heading]]:
        document = docx.Document(str(path))
        found = [
            (int(style[1]), paragraph.text, 0)
            for paragraph in document.paragraphs
            if paragraph.text.strip() and (style := _STYLE.fullmatch(paragraph.style.name or ""))
        ]
        for _ in texts(document):
            pass
        return 0, found

    return run


def _docx2python() -> Read:
    import docx2python
    from docx2python.iterators import iter_at_depth

    def run(path: Path) -> tuple[int, list[Heading]]:
        with docx2python.docx2python(path) as read:
            found = [
                (int(style[1]), "".join(run.text for run in paragraph.runs), 0)
                for paragraph in iter_at_depth(read.document_pars, 4)
                if (style := re.fullmatch(r"[Hh]eading ?(\d)", paragraph.style or ""))
            ]
        return 0, [heading for heading in found if heading[1].strip()]

    return run


def _markitdown() -> Read:
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)
    return lambda path: (0, _of_markdown(converter.convert_local(str(path)).text_content))


def _pandoc() -> Read:
    import pypandoc

    return lambda path: (0, _of_markdown(pypandoc.convert_file(str(path), "gfm", extra_args=["--wrap=none"])))


def _pymupdf4llm() -> Read:
    import pymupdf4llm

    def run(path: Path) -> tuple[int, list[Heading]]:
        chunks = pymupdf4llm.to_markdown(str(path), page_chunks=True, show_progress=False)
        return len(chunks), [
            heading for number, chunk in enumerate(chunks, 1) for heading in _of_markdown(chunk["text"], number)
        ]

    return run


PROGRAMS: Mapping[str, Callable[[], Read]] = {
    "paperlane": _paperlane,
    "pdfium": _pdfium,
    "lxml iterparse": _lxml,
    "python-docx": _python_docx,
    "docx2python": _docx2python,
    "markitdown": _markitdown,
    "pandoc": _pandoc,
    "pymupdf4llm": _pymupdf4llm,
}
"""How each program is made ready."""


def main() -> None:
    """Read, and tell."""
    program, path, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    run = PROGRAMS[program]()
    seconds: list[float] = []
    pages, headings = 0, list[Heading]()
    for _ in range(rounds):
        began = time.perf_counter()
        pages, headings = run(path)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "pages": pages, "peak": peak(), "headings": headings}))


if __name__ == "__main__":
    main()
