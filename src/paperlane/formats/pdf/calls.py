"""Pdfium's functions that are asked of every object or letter of a page, in a quarter of the time of their wrappers.

They have no prototypes, so that nothing is converted: a number is an `int` of C, a page or its text goes by reference,
and so does what a function fills; what one gives is a Handle. Of a structure's elements only the number is given, or
None, for most stand on other pages. What is filled is kept for the next call, so that one thread reads, as in a
sandbox's child.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct, calcsize
from typing import Any

import pypdfium2.raw as pdfium


class Handle(ctypes.c_void_p):
    """An object, an element or a mark that pdfium gives; false for none."""


def reference(pointer: Any) -> Any:
    """One of the library's pointers as it is given to these functions."""
    return ctypes.byref(pointer.contents)


class Numbers:
    """Room for the numbers that a function fills in: "4f" for four floats, "2d" for two doubles.

    Each is passed by its place; `read` gives all of them.
    """

    def __init__(self, kind: str) -> None:
        layout = Struct(kind)
        self._room = ctypes.create_string_buffer(layout.size)
        self.places = [ctypes.byref(self._room, at) for at in range(0, layout.size, calcsize(kind[-1]))]
        self.read: Callable[[], Sequence[float]] = partial(layout.unpack, self._room)


def _plain(function: Any, gives: Any = ctypes.c_int) -> Any:
    prototype: Any = ctypes.PYFUNCTYPE(gives)
    return prototype(ctypes.cast(function, ctypes.c_void_p).value)


count_objects = _plain(pdfium.FPDFPage_CountObjects)
object_at = _plain(pdfium.FPDFPage_GetObject, Handle)
type_of = _plain(pdfium.FPDFPageObj_GetType)
count_inside = _plain(pdfium.FPDFFormObj_CountObjects)
inside_at = _plain(pdfium.FPDFFormObj_GetObject, Handle)
count_segments = _plain(pdfium.FPDFPath_CountSegments)
segment_at = _plain(pdfium.FPDFPath_GetPathSegment, Handle)
point_of = _plain(pdfium.FPDFPathSegment_GetPoint)
kind_of = _plain(pdfium.FPDFPathSegment_GetType)
is_closing = _plain(pdfium.FPDFPathSegment_GetClose)
matrix_of = _plain(pdfium.FPDFPageObj_GetMatrix)
mark_of = _plain(pdfium.FPDFPageObj_GetMarkedContentID)
character_at = _plain(pdfium.FPDFText_GetCharIndexFromTextIndex)
origin_of = _plain(pdfium.FPDFText_GetCharOrigin)
bounds_of = _plain(pdfium.FPDFPageObj_GetBounds)
box_of = _plain(pdfium.FPDFText_GetCharBox)
text_object_of = _plain(pdfium.FPDFText_GetTextObject, Handle)
mode_of = _plain(pdfium.FPDFTextObj_GetTextRenderMode)
letter_at = _plain(pdfium.FPDFText_GetUnicode, ctypes.c_uint)
has_no_name = _plain(pdfium.FPDFText_HasUnicodeMapError)
size_of = _plain(pdfium.FPDFText_GetFontSize, ctypes.c_double)
place_of = _plain(pdfium.FPDFText_GetMatrix)
font_of = _plain(pdfium.FPDFText_GetFontInfo, ctypes.c_ulong)
count_roots = _plain(pdfium.FPDF_StructTree_CountChildren)
root_at = _plain(pdfium.FPDF_StructTree_GetChildAtIndex, ctypes.c_void_p)
count_children = _plain(pdfium.FPDF_StructElement_CountChildren)
child_at = _plain(pdfium.FPDF_StructElement_GetChildAtIndex, ctypes.c_void_p)
child_mark_at = _plain(pdfium.FPDF_StructElement_GetChildMarkedContentID)
element_type_of = _plain(pdfium.FPDF_StructElement_GetType, ctypes.c_ulong)
first_mark = _plain(pdfium.FPDFBookmark_GetFirstChild, Handle)
next_mark = _plain(pdfium.FPDFBookmark_GetNextSibling, Handle)
target_of = _plain(pdfium.FPDFBookmark_GetDest, Handle)
page_of = _plain(pdfium.FPDFDest_GetDestPageIndex)
title_of = _plain(pdfium.FPDFBookmark_GetTitle, ctypes.c_ulong)
