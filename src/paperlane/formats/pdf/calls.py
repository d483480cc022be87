"""Pdfium's functions that are asked of every object or letter of a page, in half the time that their wrappers take.

Pages, texts and objects are given as numbers, for which nothing is converted; 0 is none of them.
"""

import ctypes
from typing import Any

import pypdfium2.raw as pdfium

_number, _handle = ctypes.c_int, ctypes.c_void_p
_real, _double = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_double)


def number_of(pointer: Any) -> int:
    """The number behind one of the library's pointers."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _plain(function: Any, gives: Any, *takes: Any) -> Any:
    prototype: Any = ctypes.PYFUNCTYPE(gives, *takes)
    return prototype(number_of(function))


def handle(of: Any) -> int:
    """The number of a page or of its text."""
    return number_of(of.raw)


count_objects = _plain(pdfium.FPDFPage_CountObjects, _number, _handle)
object_at = _plain(pdfium.FPDFPage_GetObject, _handle, _handle, _number)
type_of = _plain(pdfium.FPDFPageObj_GetType, _number, _handle)
count_segments = _plain(pdfium.FPDFPath_CountSegments, _number, _handle)
segment_at = _plain(pdfium.FPDFPath_GetPathSegment, _handle, _handle, _number)
point_of = _plain(pdfium.FPDFPathSegment_GetPoint, _number, _handle, _real, _real)
kind_of = _plain(pdfium.FPDFPathSegment_GetType, _number, _handle)
is_closing = _plain(pdfium.FPDFPathSegment_GetClose, _number, _handle)
matrix_of = _plain(pdfium.FPDFPageObj_GetMatrix, _number, _handle, ctypes.POINTER(pdfium.FS_MATRIX))
mark_of = _plain(pdfium.FPDFPageObj_GetMarkedContentID, _number, _handle)
character_at = _plain(pdfium.FPDFText_GetCharIndexFromTextIndex, _number, _handle, _number)
origin_of = _plain(pdfium.FPDFText_GetCharOrigin, _number, _handle, _number, _double, _double)
bounds_of = _plain(pdfium.FPDFPageObj_GetBounds, _number, _handle, _real, _real, _real, _real)
box_of = _plain(pdfium.FPDFText_GetCharBox, _number, _handle, _number, _double, _double, _double, _double)
text_object_of = _plain(pdfium.FPDFText_GetTextObject, _handle, _handle, _number)
mode_of = _plain(pdfium.FPDFTextObj_GetTextRenderMode, _number, _handle)
has_no_name = _plain(pdfium.FPDFText_HasUnicodeMapError, _number, _handle, _number)
size_of = _plain(pdfium.FPDFText_GetFontSize, ctypes.c_double, _handle, _number)
place_of = _plain(pdfium.FPDFText_GetMatrix, _number, _handle, _number, ctypes.POINTER(pdfium.FS_MATRIX))
font_of = _plain(
    pdfium.FPDFText_GetFontInfo, ctypes.c_ulong, _handle, _number, _handle, ctypes.c_ulong, ctypes.POINTER(_number)
)
count_roots = _plain(pdfium.FPDF_StructTree_CountChildren, _number, _handle)
root_at = _plain(pdfium.FPDF_StructTree_GetChildAtIndex, _handle, _handle, _number)
count_children = _plain(pdfium.FPDF_StructElement_CountChildren, _number, _handle)
child_at = _plain(pdfium.FPDF_StructElement_GetChildAtIndex, _handle, _handle, _number)
child_mark_at = _plain(pdfium.FPDF_StructElement_GetChildMarkedContentID, _number, _handle, _number)
element_type_of = _plain(pdfium.FPDF_StructElement_GetType, ctypes.c_ulong, _handle, _handle, ctypes.c_ulong)
