"""The parts of an Office package, and how they belong together (ECMA-376 part 2; OpenDocument 1.3 part 2)."""

import zipfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from posixpath import dirname, join, normpath
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module

from paperlane.errors import DocumentError
from paperlane.formats.gathering import Gathering
from paperlane.formats.guard import part
from paperlane.model.documents import Notice, Parsed, Upload

Element = Any  # lxml ships no types

_SAFELY = {"resolve_entities": False, "no_network": True, "huge_tree": False}
_TYPES = "[Content_Types].xml"
_MIMETYPE = "mimetype"
_LONGEST_TYPE = 200
_USUAL = {"DOCX": "word/document.xml", "PPTX": "ppt/presentation.xml", "XLSX": "xl/workbook.xml"}
_KINDS = {  # parts of content types, the longer ones first: what the document is, and how it is better saved
    "ms-excel.sheet.binary": "binary workbook", "opendocument.text": "ODT", "opendocument.spreadsheet": "ODS",
    "opendocument.presentation": "ODP", "wordprocessingml": "DOCX", "ms-word": "DOCX", "spreadsheetml": "XLSX",
    "ms-excel": "XLSX", "presentationml": "PPTX", "ms-powerpoint": "PPTX",
}  # fmt: skip
_BETTER = {"binary workbook": ".xlsx", "ODS": ".xlsx", "ODP": ".pptx"}
_TOO_DEEP = "Excessive depth"  # how libxml2 tells of more than 256 elements in one another
_FEWEST_LETTERS = 40  # for each picture, in a document that is no scan


@contextmanager
def depth_told() -> Generator[None]:
    """Inside, RecursionError is raised where elements of a part stand in one another without end."""
    try:
        yield
    except etree.XMLSyntaxError as error:
        if _TOO_DEEP in str(error):
            raise RecursionError from error
        raise


def parsed(content: bytes) -> Element:
    """The root of a part."""
    return etree.fromstring(content, etree.XMLParser(**_SAFELY))


def passed(content: bytes, names: Iterable[str]) -> Iterator[tuple[str, Element]]:
    """Starts and ends of a part's elements of these names, in whatever namespace, while it is parsed."""
    return etree.iterparse(BytesIO(content), events=("start", "end"), tag=[f"{{*}}{name}" for name in names], **_SAFELY)


def forget(element: Element) -> None:
    """Give up what is read: the element's content, and what stands before it in the same parent."""
    element.clear()
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]


class _Names(dict[str, str]):
    """The names of elements without their namespace, each found once."""

    def __missing__(self, tag: object) -> str:
        name = self[tag] = tag.rpartition("}")[2] if isinstance(tag, str) else ""  # pyright: ignore[reportArgumentType]
        return name


class _Spaces(dict[str, str]):
    """The namespaces of elements, in braces."""

    def __missing__(self, tag: object) -> str:
        space = self[tag] = "".join(tag.rpartition("}")[:2]) if isinstance(tag, str) else ""  # pyright: ignore[reportArgumentType]
        return space


local = _Names().__getitem__
_space = _Spaces().__getitem__


def value_of(element: Element, name: str = "val") -> str:
    """An attribute by its name in whatever namespace, the element's own first; "" for none."""
    value = element.get(_space(element.tag) + name)
    if value is None:
        value = next((value for key, value in element.items() if key.rpartition("}")[2] == name), "")
    return value


def reference_of(element: Element) -> str:
    """The id of the relation that an element names; some have an id of their own beside."""
    return next((value for key, value in element.items() if key.endswith("}id")), "")


def child_of(element: Iterable[Element], name: str) -> Element | None:
    """The first child of this name."""
    return next((child for child in element if local(child.tag) == name), None)


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to: the last word of its `kind`, and the part's name, or an address outside."""

    kind: str
    target: str
    outside: bool


def relations(package: zipfile.ZipFile, name: str) -> Mapping[str, Relation]:
    """What the part refers to ("" the package itself), by the ids that it is called there."""
    folder, _, own = name.rpartition("/")
    beside = f"{folder}/_rels/{own}.rels".lstrip("/")
    if beside not in package.NameToInfo:
        return {}
    return {
        element.get("Id", ""): _relation(element, folder)
        for element in parsed(part(package, beside))
        if isinstance(element.tag, str)
    }


def _relation(element: Element, folder: str) -> Relation:
    target, outside = element.get("Target", ""), element.get("TargetMode") == "External"
    if not outside:
        target = target.lstrip("/") if target.startswith("/") else normpath(join(folder, target))
    return Relation(element.get("Type", "").rpartition("/")[2], target, outside)


def related(package: zipfile.ZipFile, referred: Mapping[str, Relation], kind: str) -> Iterator[str]:
    """The parts of this kind among those that are referred to, as far as they are there."""
    there = package.NameToInfo
    for relation in referred.values():
        if relation.kind == kind and not relation.outside and relation.target in there:
            yield relation.target


def beside(name: str, other: str) -> str:
    """Another part in the same folder."""
    return join(dirname(name), other)


def main_part(package: zipfile.ZipFile, form: str) -> str:
    """Where the document stands; the package's relations may say otherwise than everybody does.

    DocumentError `unsupported_type` where the package is another format than `form`.
    """
    usual = _USUAL[form]
    main = next(related(package, relations(package, ""), "officeDocument"), usual)
    require(form, _kind_of(package, main))
    if main not in package.NameToInfo:
        raise no_document(form)
    return main


def require(form: str, kind: str) -> None:
    """DocumentError `unsupported_type` where a package is known to be of another kind than `form`."""
    if kind in {form, ""}:
        return
    if kind in _BETTER:
        hint = f"Save it as {_BETTER[kind]} and upload that."
    else:
        hint = f"Give its name the ending .{kind.lower()} and upload it again."
    raise DocumentError(f"The file is named {form} but holds a document of another type ({kind}).",
                        code="unsupported_type", hint=hint)  # fmt: skip


def no_document(form: str) -> DocumentError:
    """The package is one, and holds nothing to read."""
    return DocumentError(f"The file holds no {form} document.", code="damaged_file",
                         hint="Check that the right file was chosen.")  # fmt: skip


def _kind_of(package: zipfile.ZipFile, main: str) -> str:
    """What the package is by what it says of its main part, else by a part that all call so; "" for unknown."""
    if said := declared(package):
        return _kind(said)
    if _TYPES in package.NameToInfo:
        for element in parsed(part(package, _TYPES)):
            if element.get("PartName", "").lstrip("/") == main:
                return _kind(element.get("ContentType", ""))
    return next((kind for kind, name in _USUAL.items() if name in package.NameToInfo), "")


def declared(package: zipfile.ZipFile) -> str:
    """What an OpenDocument package calls itself, "" for none."""
    entry = package.NameToInfo.get(_MIMETYPE)
    if entry is None or entry.file_size > _LONGEST_TYPE:
        return ""
    return package.read(entry).decode("ascii", "replace").strip()


def kind_of(package: zipfile.ZipFile) -> str:
    """What the package is, as far as it says; "" for unknown."""
    return _kind_of(package, next(related(package, relations(package, ""), "officeDocument"), ""))


def _kind(content_type: str) -> str:
    return next((kind for sign, kind in _KINDS.items() if sign in content_type), "")


def gathered(
    made: Gathering, upload: Upload, *, anchors: Iterable[str] = (), pages: int = 0, pictures: int = 0, chunks: int = 0
) -> Parsed:
    """What was read of a package. Its `chunks`, documents inside it, are unread, and so are pictures without text.

    Those are all its pictures, where there is hardly any text beside them.
    """
    text = made.text
    unread = pictures if sum(map(len, text.split())) < _FEWEST_LETTERS * pictures else 0
    return Parsed(
        upload.name, upload.media_type, text, tuple(made.blocks), tuple(made.links), tuple(anchors),
        notices=tuple(_notices(unread, chunks)), pages=pages, unread=unread + chunks, remarks=tuple(made.remarks),
    )  # fmt: skip


def _notices(pictures: int, chunks: int) -> Iterator[Notice]:
    if pictures:
        message = f"There is hardly any text beside {pictures} pictures; they need text recognition (OCR) first."
        yield Notice("pictures_unread", message, {"count": str(pictures)})
    if chunks:
        message = f"The document holds other documents ({chunks}), which were not read."
        yield Notice("parts_unread", message, {"count": str(chunks)})
