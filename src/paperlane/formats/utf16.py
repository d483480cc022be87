"""UTF-16 that carries no mark: told from other bytes by its zeros and by how Chinese it reads."""

import codecs

from paperlane.compiling import later
from paperlane.formats.chinese import likeness

_SAMPLE = 4096
_NO_TEXT = later(r"[\0-\x08\x0e-\x19\x1b-\x1f\ue000-\uf8ff\ufffe\uffff]")  # no honest text holds these


def without_mark(content: bytes) -> str | None:
    """Python's name of the UTF-16 that the bytes begin as, in Latin or in Chinese words; None for anything else."""
    sample = content[:_SAMPLE]
    if b"\0" not in sample:
        return None  # also Chinese has its line ends, digits or spaces, or it is told by its score
    for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
        if _is_latin(sample, zeros) or _is_chinese(sample, name):
            return name
    return None


def _is_latin(sample: bytes, zeros: bytes) -> bool:
    """In Latin text every other byte is zero, and no zero pair stands in any text."""
    return b"\0\0\0" not in sample and zeros.count(0) > len(zeros) // 3


def _is_chinese(sample: bytes, name: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)  # the sample may end inside a character
    except UnicodeDecodeError:
        return False
    return _NO_TEXT.search(text) is None and likeness(text) > 0
