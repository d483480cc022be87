"""Numbers and dates as a workbook shows them, by their number format (ECMA-376 part 1, 18.8.30 and 18.8.31)."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 14: "yyyy-mm-dd",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm", 27: "yyyy-mm-dd", 31: "yyyy-mm-dd", 36: "yyyy-mm-dd", 37: "#,##0", 38: "#,##0",
    39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss", 48: "0.0E+0", 49: "@",
}  # fmt: skip
GENERAL = "General"
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[(?P<bracket>[^\]]*)\]|_.|\*.|(?P<half>(?i:AM/PM|A/P|上午/下午))|'
    r"(?P<date>[yYmMdDhHsSeE]+)|(?P<other>.)",
    re.DOTALL,
)
_LITERALS = re.compile(r'"[^"]*"|\\.|\[(?!h|m|s)[^\]]*\]|_.|\*.', re.IGNORECASE)
_DATE = re.compile(r"[ymdhs]", re.IGNORECASE)
_NUMBER = re.compile(r"[0#?][0#?,]*(?:\.[0#?]*,*)?")
_FIRST_LITERAL = 0xE000  # of the characters that mean nothing of their own
_LITERAL = re.compile("[\ue000-\uf8ff]")
_SCIENTIFIC = re.compile(r"[0#?](?:\.(?P<places>[0#?]*))?[Ee][+-]0+")
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001  a workbook's days are of no zone
_LAST_DAY = 2_958_466  # the end of the year 9999
_FEB_1900 = 60  # the day that was none: before it, days are counted from another one
_LONGEST_WHOLE = 1e15
_SECTIONS, _ZERO = 3, 2


def code_of(number: int, own: Mapping[int, str]) -> str:
    """The format that a number stands for, of the workbook or built in."""
    return own.get(number) or _BUILT_IN.get(number, GENERAL)


def shown(value: float, code: str, *, from_1904: bool = False) -> str:
    """The number as this format shows it; as plainly as it can be where the format is beyond what is known here."""
    sections = _sections(code)
    section = sections[0]
    if value < 0 and len(sections) > 1 and sections[1]:
        section, value = sections[1], -value
    elif value == 0 and len(sections) >= _SECTIONS:
        section = sections[_ZERO]
    if not section or section == GENERAL or "@" in section:
        return _plain(value)
    if _is_date(section):
        return _dated(value, section, from_1904=from_1904)
    return _numbered(value, section)


def _plain(value: float) -> str:
    if value.is_integer() and abs(value) < _LONGEST_WHOLE:
        return str(int(value))
    return f"{value:.10g}"


@lru_cache(maxsize=512)
def _sections(code: str) -> Sequence[str]:
    """The parts for positive numbers, negative ones, zero and text; a semicolon in quotes parts nothing."""
    parts, at = [""], 0
    for found in re.finditer(r'"[^"]*"|\\.|;|[^;"\\]+|.', code, re.DOTALL):
        if found[0] == ";":
            parts.append("")
            at += 1
        else:
            parts[at] += found[0]
    return tuple(parts)


@lru_cache(maxsize=512)
def _is_date(section: str) -> bool:
    return _DATE.search(_LITERALS.sub("", section)) is not None


def _numbered(value: float, section: str) -> str:
    """Digits where the format has places for them, and what stands around."""
    literals: list[str] = []
    frame = "".join(_framed(found, literals) for found in _TOKEN.finditer(section))
    if (scientific := _SCIENTIFIC.search(frame)) is not None:
        written, places = f"{value:.{len(scientific['places'] or '')}E}", scientific
    elif (digits := _NUMBER.search(frame)) is not None and "/" not in frame:
        written, places = _digits(value * 100 ** frame.count("%"), digits[0]), digits
    elif digits is not None:
        return _plain(value)
    else:
        written, places = "", re.match("", frame)
    begin, end = places.span() if places is not None else (0, 0)
    whole = f"{frame[:begin]}{written}{frame[end:]}"
    return _LITERAL.sub(lambda found: literals[ord(found[0]) - _FIRST_LITERAL], whole).strip()


def _framed(found: re.Match[str], literals: list[str]) -> str:
    """A token as it is, or a character that stands for what it shows whatever the number."""
    if plain := found["date"] or found["other"]:
        return plain
    literals.append(found["quoted"] or found["escaped"] or _currency(found["bracket"]) or "")
    return chr(_FIRST_LITERAL + len(literals) - 1)


def _digits(value: float, pattern: str) -> str:
    places = pattern.rstrip(",")
    value /= 1000 ** (len(pattern) - len(places))
    whole, _, decimals = places.partition(".")
    written = f"{value:{',' if ',' in whole else ''}.{len(decimals)}f}"
    for _ in range(len(decimals) - len(decimals.rstrip("#"))):
        written = written.removesuffix("0")
    written = _padded(written.removesuffix("."), whole)
    if written.strip("-0.,"):
        return written
    return written.removeprefix("-") if "0" in places else ""


def _padded(written: str, whole: str) -> str:
    """As many digits before the point as the format has zeros: 7 by 000 is 007."""
    if "," in whole:
        return written
    sign, digits = ("-", written[1:]) if written.startswith("-") else ("", written)
    before, point, after = digits.partition(".")
    return f"{sign}{before.zfill(whole.count('0'))}{point}{after}"


def _currency(bracket: str | None) -> str:
    """What a bracket shows: of [$€-407] the sign."""
    return bracket[1:].partition("-")[0] if bracket and bracket.startswith("$") else ""


def _dated(value: float, section: str, *, from_1904: bool) -> str:
    if not 0 <= value < _LAST_DAY:
        return _plain(value)
    if _ELAPSED.search(section):
        seconds = round(value * 86_400)
        return f"{seconds // 3_600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    epoch = _EPOCH_1904 if from_1904 else _EPOCH
    early = 0 < value < _FEB_1900 and not from_1904
    when = epoch + timedelta(days=int(value) + early, seconds=round(value % 1 * 86_400))
    tokens = list(_TOKEN.finditer(section))
    halves = any(found["half"] for found in tokens)
    said: list[str] = []
    for at, found in enumerate(tokens):
        if found["half"]:
            said.append("AM" if when.hour < 12 else "PM")  # noqa: PLR2004  noon
        elif found["date"]:
            said.append(_part(found["date"].lower(), when, minutes=_is_minute(tokens, at), halves=halves))
        else:
            said.append(found["quoted"] or found["escaped"] or found["other"] or "")
    return "".join(said).strip()


def _is_minute(tokens: list[re.Match[str]], at: int) -> bool:
    """Of "m" after hours, or before seconds, are minutes meant."""
    before = next((one["date"] for one in reversed(tokens[:at]) if one["date"]), "")
    after = next((one["date"] for one in tokens[at + 1 :] if one["date"]), "")
    return before[:1].lower() == "h" or after[:1].lower() == "s"


def _part(letters: str, when: datetime, *, minutes: bool, halves: bool) -> str:
    hour = when.hour if not halves else (when.hour + 11) % 12 + 1
    match letters[0], len(letters):
        case "y" | "e", width:
            return f"{when.year % 100:02}" if width <= 2 and letters[0] == "y" else str(when.year)  # noqa: PLR2004
        case "m", 1 | 2 as width if minutes:
            return f"{when.minute:0{width}}"
        case "m", 1 | 2 as width:
            return f"{when.month:0{width}}"
        case "m", width:
            return _MONTHS[when.month - 1][: 3 if width == 3 else None]  # noqa: PLR2004  mmm is Jan
        case "d", 1 | 2 as width:
            return f"{when.day:0{width}}"
        case "d", width:
            return _DAYS[when.weekday()][: 3 if width == 3 else None]  # noqa: PLR2004  ddd is Mon
        case "h", width:
            return f"{hour:0{min(width, 2)}}"
        case _, width:
            return f"{when.second:0{min(width, 2)}}"
