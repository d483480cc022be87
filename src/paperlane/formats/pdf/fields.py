"""What was filled into the fields of a page's form; it is no part of the page's text."""

import ctypes
from collections.abc import Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.formats.pdf.page import MOST_OBJECTS

_FILLED = {pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX}
_HIDDEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_PASSWORD = 1 << 13  # ISO 32000-1, table 228


def values_of(page: pypdfium2.PdfPage) -> Iterator[str]:
    """The words in the fields of a page that are shown, in the order of the file."""
    if (form := page.formenv) is None:
        return
    for at in range(min(pdfium.FPDFPage_GetAnnotCount(page), MOST_OBJECTS)):
        field = pdfium.FPDFPage_GetAnnot(page, at)
        if not field:
            continue
        try:
            if _is_shown(form, field) and (value := _value(form, field).strip()):
                yield value
        finally:
            pdfium.FPDFPage_CloseAnnot(field)


def _is_shown(form: object, field: object) -> bool:
    return (
        pdfium.FPDFAnnot_GetFormFieldType(form, field) in _FILLED
        and not pdfium.FPDFAnnot_GetFlags(field) & _HIDDEN
        and not pdfium.FPDFAnnot_GetFormFieldFlags(form, field) & _PASSWORD
    )


def _value(form: object, field: object) -> str:
    length = pdfium.FPDFAnnot_GetFormFieldValue(form, field, None, 0)
    if length <= 2:  # noqa: PLR2004  its closing zero
        return ""
    buffer = (ctypes.c_ushort * (length // 2 + 1))()
    pdfium.FPDFAnnot_GetFormFieldValue(form, field, buffer, length)
    return bytes(buffer)[: length - 2].decode("utf-16-le", "replace")
