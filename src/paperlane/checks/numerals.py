"""Whole numbers as headings and references write them: 12, 十二."""

_DIGITS = "零一二三四五六七八九"
_HUNDRED = 100


def value_of(numeral: str) -> int:
    """The number that Arabic or Chinese digits write, up to 999. ValueError for anything else."""
    numeral = numeral.replace("〇", "零")
    if numeral.isdecimal():
        return int(numeral)
    total = digit = 0
    for letter in numeral:
        if letter in "十百":
            total += (digit or 1) * (_HUNDRED if letter == "百" else 10)
            digit = 0
        else:
            digit = 10 * digit + _DIGITS.index(letter)
    return total + digit


def in_chinese(number: int) -> str:
    """Chinese digits for a number from 1 to 99: 十二, 二十; others stay as they are."""
    if not 0 < number < _HUNDRED:
        return str(number)
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else f"{_DIGITS[tens]}十") + (_DIGITS[ones] if ones else "")
