"""Office files written part by part, for tests that read them."""

import io
import zipfile

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://r" xmlns:mc="http://mc"'
A = 'xmlns:a="http://a" xmlns:p="http://p" xmlns:r="http://r" xmlns:mc="http://mc"'
SPACES = " ".join(f'xmlns:{name}="http://{name}"' for name in ("office", "text", "table", "style", "draw", "xlink"))
ODT = "application/vnd.oasis.opendocument.text"


def package(parts: dict[str, str | bytes]) -> bytes:
    """A package of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def relations(**targets: str) -> str:
    """What a part refers to: the name of the id and its kind, and the target; an address, and nothing, is outside."""
    outside = {True: 'TargetMode="External"', False: ""}
    made = "".join(
        f'<Relationship Id="{name}" Type="http://t/{name.rstrip("0123456789")}" Target="{target}" '
        f"{outside['://' in target or not target]}/>"
        for name, target in targets.items()
    )
    return f"<Relationships>{made}</Relationships>"


def docx(body: str, styles: str = "", numbering: str = "", **parts: str) -> bytes:
    """A Word document; further parts by their names with __ for the slash."""
    return package(
        {
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {W}>{styles}</w:styles>",
            "word/numbering.xml": f"<w:numbering {W}>{numbering}</w:numbering>",
            **{name.replace("__", "/"): content for name, content in parts.items()},
        }
    )


def odt(body: str, automatic: str = "", styles: str = "", **parts: str) -> bytes:
    """An OpenDocument text."""
    return package(
        {
            "mimetype": ODT,
            "content.xml": f"<office:document-content {SPACES}>"
            f"<office:automatic-styles>{automatic}</office:automatic-styles>"
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {SPACES}>{styles}</office:document-styles>",
            **{name.replace("__", "/"): content for name, content in parts.items()},
        }
    )


def pptx(*slides: str, **parts: str) -> bytes:
    """A presentation, its slides named in the order in which they are shown: the last one's part is the first."""
    count = len(slides)
    targets = {f"slide{at}": f"slides/slide{count - at}.xml" for at in range(count)}
    shown = "".join(f'<p:sldId id="{256 + at}" r:id="slide{at}"/>' for at in range(count))
    made: dict[str, str | bytes] = {
        "ppt/presentation.xml": f"<p:presentation {A}><p:sldIdLst>{shown}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(**targets),
    }
    for at, shapes in enumerate(slides):
        tree = f"<p:sld {A}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        made[f"ppt/slides/slide{count - at}.xml"] = tree
    return package({**made, **{name.replace("__", "/"): content for name, content in parts.items()}})


def xlsx(
    *sheets: str, strings: str = "", styles: str = "", book: str = "", names: str = "A B C", **parts: str
) -> bytes:
    """A workbook of sheets with these names, a space between; `book` is what its part holds beside them."""
    listed = "".join(
        f'<sheet name="{name}" r:id="worksheet{at}"/>'
        for at, name in zip(range(len(sheets)), names.split(), strict=False)
    )
    targets = {f"worksheet{at}": f"worksheets/{at}.xml" for at in range(len(sheets))}
    return package(
        {
            "xl/workbook.xml": f'<workbook xmlns:r="http://r">{book}<sheets>{listed}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(**targets),
            "xl/sharedStrings.xml": f"<sst>{strings}</sst>",
            "xl/styles.xml": f"<styleSheet>{styles}</styleSheet>",
        }
        | {
            f"xl/worksheets/{at}.xml": f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
            for at, rows in enumerate(sheets)
        }
        | {name.replace("__", "/"): content for name, content in parts.items()}
    )
