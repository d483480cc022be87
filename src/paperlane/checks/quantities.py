"""Values with their units in statements, and what they are said of, in words that compare."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from paperlane.checks.numerals import value_of
from paperlane.compiling import later

_SCALES: Mapping[str, Mapping[str, float]] = {
    "time": {
        "ns": 1e-9, "μs": 1e-6, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millisecond": 1e-3,
        "milliseconds": 1e-3, "microsecond": 1e-6, "microseconds": 1e-6, "s": 1, "sec": 1, "secs": 1, "second": 1,
        "seconds": 1, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hrs": 3600,
        "hour": 3600, "hours": 3600, "day": 86400, "days": 86400, "week": 604800, "weeks": 604800, "month": 2629800,
        "months": 2629800, "year": 31557600, "years": 31557600, "毫秒": 1e-3, "微秒": 1e-6, "秒钟": 1, "秒": 1,
        "分钟": 60, "个小时": 3600, "小时": 3600, "天": 86400, "个工作日": 86400.5, "工作日": 86400.5, "周": 604800,
        "个星期": 604800, "星期": 604800, "个月": 2629800,
    },
    "size": {
        "bit": 0.125, "bits": 0.125, "byte": 1, "bytes": 1, "B": 1, "kB": 1e3, "KB": 1e3, "kilobytes": 1e3, "MB": 1e6,
        "megabyte": 1e6, "megabytes": 1e6, "GB": 1e9, "gigabyte": 1e9, "gigabytes": 1e9, "TB": 1e12, "KiB": 1024,
        "MiB": 1048576, "GiB": 1073741824, "TiB": 1099511627776, "字节": 1, "兆字节": 1e6, "兆": 1e6,
    },
    "share": {"%": 1, "％": 1, "percent": 1, "per cent": 1},
    "rate": {"bps": 1, "kbps": 1e3, "Kbps": 1e3, "Mbps": 1e6, "Mbit/s": 1e6, "Gbps": 1e9, "Gbit/s": 1e9, "MB/s": 8e6},
    "frequency": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "calls": {"QPS": 1, "qps": 1, "TPS": 1, "tps": 1, "rps": 1},
    "length": {
        "nm": 1e-9, "μm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1, "km": 1e3, "meter": 1, "meters": 1,
        "metre": 1, "metres": 1, "millimetres": 1e-3, "millimeters": 1e-3, "kilometres": 1e3, "kilometers": 1e3,
        "ft": 0.3048, "feet": 0.3048, "inch": 0.0254, "inches": 0.0254,
        "毫米": 1e-3, "厘米": 1e-2, "米": 1, "千米": 1e3, "公里": 1e3,
    },
    "area": {"m²": 1, "cm²": 1e-4, "mm²": 1e-6, "平方米": 1, "平方厘米": 1e-4},
    "volume": {
        "ml": 1e-3, "mL": 1e-3, "cl": 1e-2, "l": 1, "L": 1, "litre": 1, "litres": 1, "liter": 1, "liters": 1, "m³": 1e3,
        "升": 1, "毫升": 1e-3, "立方米": 1e3,
    },
    "flow": {
        "l/min": 6e-2, "L/min": 6e-2, "l/h": 1e-3, "ml/h": 1e-6, "mL/h": 1e-6, "m³/h": 1, "m³/s": 3600, "m³/min": 60,
        "升/分钟": 6e-2, "立方米/小时": 1,
    },
    "speed": {"m/s": 3.6, "km/h": 1, "mm/s": 3.6e-3, "kn": 1.852, "米/秒": 3.6, "公里/小时": 1, "千米/小时": 1},
    "turns": {"rpm": 1, "r/min": 1, "转/分": 1, "转/分钟": 1},
    "pressure": {
        "Pa": 1, "hPa": 1e2, "kPa": 1e3, "MPa": 1e6, "mbar": 1e2, "bar": 1e5, "psi": 6894.76, "帕": 1, "千帕": 1e3,
        "兆帕": 1e6, "巴": 1e5,
    },
    "force": {"N": 1, "kN": 1e3, "牛": 1, "千牛": 1e3},
    "torque": {"Nm": 1, "N·m": 1, "kNm": 1e3, "牛米": 1, "牛·米": 1},
    "brightness": {"cd/m²": 1, "lx": 1.5, "lux": 1.5, "勒克斯": 1.5},
    "sound": {"dB": 1, "dB(A)": 1.001, "分贝": 1},
    "gain": {"dBi": 1, "dBm": 1.001},
    "resistance": {"Ω": 1, "kΩ": 1e3, "MΩ": 1e6, "欧": 1, "欧姆": 1, "千欧": 1e3, "兆欧": 1e6},
    "energy": {"kWh": 3.6e6, "Wh": 3.6e3, "J": 1, "kJ": 1e3, "MJ": 1e6, "千瓦时": 3.6e6, "焦耳": 1},
    "charge": {"mAh": 1, "Ah": 1e3, "毫安时": 1, "安时": 1e3},
    "dose": {"mGy": 1e-3, "Gy": 1, "mSv": 1.001e-3, "Sv": 1.001},
    "mass": {
        "mg": 1e-3, "g": 1, "kg": 1e3, "t": 1e6, "tonnes": 1e6, "tons": 1e6, "千克": 1e3, "公斤": 1e3, "克": 1,
        "毫克": 1e-3, "吨": 1e6,
    },
    "temperature": {"°C": 1, "℃": 1, "摄氏度": 1, "度": 1},
    "voltage": {"伏": 1, "千伏": 1e3, "毫伏": 1e-3, "mV": 1e-3, "V": 1, "kV": 1e3},
    "current": {"安": 1, "毫安": 1e-3, "安培": 1, "mA": 1e-3, "A": 1},
    "power": {"mW": 1e-3, "W": 1, "kW": 1e3, "MW": 1e6, "瓦": 1, "千瓦": 1e3, "兆瓦": 1e6},
    "money": {"元": 1, "万元": 1e4, "USD": 1, "EUR": 1},
}  # fmt: skip
_UNITS = {unit: (dimension, factor) for dimension, units in _SCALES.items() for unit, factor in units.items()}
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12,
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100,
}  # fmt: skip
_MANY = {"万": 1e4, "千": 1e3, "百": 1e2, "亿": 1e8, "million": 1e6, "thousand": 1e3, "k": 1e3}
_anyof = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_FIGURES = "0-9一二两三四五六七八九十"
_APART_FROM = r"(?<![\w.#/@:$~^−-].)(?<!\d[,，].)"  # looked for behind the first sign, which is found many times faster
_BEGINS = later(rf"[−{_FIGURES}-]{_APART_FROM}", re.ASCII)
_BEGINS_IN_WORDS = later(rf"[−{_FIGURES}{''.join({word[0] for word in _NUMBERS})}-]{_APART_FROM}", re.ASCII)
_VALUE = later(
    rf"(?:(?P<figures>(?:(?<=\s)[-−])?\d+(?:,\d{{3}})*(?:\.\d+)?)"
    rf"(?P<many>\s?(?:million|thousand)\b|[万千百亿])?|"
    rf"\b(?P<word>{'|'.join(_NUMBERS)})\b(?=[\s-])|"
    rf"(?P<han>[一二两三四五六七八九十]{{1,3}})(?=\s*(?:毫秒|秒|分钟|个?小时|天|个月|周|次)))"
    rf"(?:[ \t\xa0-]?(?P<unit>{_anyof})(?![A-Za-z0-9_/(]|²|[-](?!\s)(?![a-z]+\b)))?(?![\w.]*\d|[A-Za-z_/:~–]|\.\d|-\d)",
    re.ASCII,
)
FIGURE = later(rf"[{_FIGURES}]")
NUMBERS = frozenset(_NUMBERS)
"""One of these, alone or before a hyphen, or a figure, is in each text that claims anything."""

_LABELS = later(
    r"(?:第|图|表|附录|版本|章节|步骤|步|阶段|类型|级别|#|No\.?|"
    r"\b(?:chapters?|sections?|clauses?|articles?|tables?|figures?|fig\.|steps?|versions?|v|phases?|types?|annex|appendix|"
    r"parts?|"
    r"pages?|items?|rules?|releases?|RFC|ISO|IEC|IEEE|EN|GB/T|topics?|stages?|notes?|equations?|lines?|class|categor(?:y|ies)|"
    r"options?|groups?|methods?|number|examples?|cases?|level|layers?|python|java|node|http|tls|ipv|module|act|mode|unit|day|"
    r"issues?|questions?|principles?|points?|paragraphs?|columns?|rows?|bits?|bytes?|channels?|slots?|"
    r"ports?)[ \t]*)\s*$",
    re.IGNORECASE,
)
_NAMED = later(r"\S\s+[A-Z][\w./]*[ \t]$")  # Python 3
_ITEM = later(r"\s*[.)）、>】]")
_APART = later(r"\b(?!than\b|with\b|from\b|plus\b|times\b|down\b)[a-z]{4,}|[，,].*[\u3400-\u9fff]{2}", re.ASCII)
_CODE = later(r"\{|\}|\||\\|\ufffc|<<|->|=>|==|::|\((?<=\w.)|_(?<=\w.)(?=\w)")
_DATE = later(r"\s*(?:年|月|日|号|时|点|[章节]|st\b|nd\b|rd\b|th\b|[-/.]\d)")


class Bound(StrEnum):
    """How a value limits what it is said of."""

    EXACT = "exact"
    MOST = "most"
    LEAST = "least"


_INSIDE = r"\B[a-z]"  # where none of these begins, which tells most places at once
_MOST = later(
    rf"(?!{_INSIDE})(?:"
    r"\b(?:at\s+most|no(?:t)?\s+(?:be\s+)?(?:more|longer|later|greater|larger|higher)\s+than|(?:not|never)\s+(?:to\s+)?"
    r"exceed(?:s|ing)?|"
    r"within|(?<!no )(?<!not )(?<!not be )(?:less|shorter|lower|smaller|fewer|faster)\s+than|under|below|up\s+to|"
    r"maximum(?:\s+of)?|max\.?|maximal|limited\s+to|limit(?:\s+of)?|upper)\b|"
    r"≤|<=?|不(?:得|能|应|可)?(?:超过|超出|大于|高于|多于|晚于|长于)|"
    r"(?<![不得])(?:小于|低于|少于|短于)|最大值?|最多|最长|最高|上限|至多|以[内下]|之内|内(?![部容存网置建]))",
)
_LEAST = later(
    rf"(?!{_INSIDE})(?:"
    r"\b(?:at\s+least|no(?:t)?\s+(?:be\s+)?(?:less|fewer|shorter|lower|smaller)\s+than|minimum(?:\s+of)?|min\.?|minimal|"
    r"(?<!no )(?<!not )(?<!not be )(?:more|greater|longer|larger|higher)\s+than|"
    r"(?<!not )(?<!never )(?<!to )exceed(?:s|ing)?|over|above)\b|"
    r"≥|>=?|至少|不(?:得|能|应|可)?(?:少于|低于|小于|短于)|(?<![不得])(?:大于|高于|多于|超过|超出)|最小值?|最少|最短|最低|下限|以上|达到)",
)
_STOP = frozenset({
    "a", "an", "the", "this", "that", "these", "those", "its", "their", "his", "her", "our", "your", "of",
    "to", "in", "on", "at", "by", "for", "from", "with", "as", "is", "are", "was", "were", "be", "been",
    "being", "shall", "must", "should", "will", "would", "can", "could", "may", "might", "do", "does", "did",
    "has", "have", "had", "having", "and", "or", "it", "they", "which", "who", "whose", "there", "then",
    "than", "so", "such", "each", "every", "any", "all", "per", "via", "set", "sets", "equal", "equals",
    "equivalent", "default", "defaults", "value", "values", "configured", "about", "service", "services",
    "approximately", "around", "roughly", "typically", "exactly", "only", "also", "not", "system",
    "application", "software", "product", "solution", "platform", "provide", "provides", "provided", "support",
    "supports", "supported", "ensure", "ensures", "allow", "allows", "allowed", "able", "capable",
    "requirement", "required", "take", "takes", "last", "lasts", "always", "no", "more", "less", "if", "when",
    "after", "before",
})  # fmt: skip
_CONDITION = later(
    r"\s*(?:if|when|whenever|while|for|in|during|under|at|on|with|without|unless|until|by|after|before|where|once|except|as\s+long|"
    r"within)\b|\s*(?:当|在|若|如果?|对于?|除|每|从|自)|.*(?:时|下|后|前|中|期间|情况)\s*$",
    re.IGNORECASE,
)
_ASIDE = later(
    r"\s*(?:\b(?:after\s+which|which|so\s+that|because|since|in\s+order\s+to|to\s+ensure|according\s+to|see|such\s+that|i\.e\.|"
    r"as\s+(?:defined|specified|described|measured|stated|required|shown|given|set\s+out))\b|[(（]).*",
    re.IGNORECASE | re.DOTALL,
)
_EXAMPLE = later(
    rf"(?!{_INSIDE})(?:"
    r"\b(?:e\.g|for\s+example|for\s+instance|such\s+as|example|suppose)\b|例如|比如|譬如|假设|示例|反例|正例)",
)
_ID = later(r"\b[A-Z][A-Za-z]{0,11}(?:[-_.][A-Za-z0-9]{1,12}){0,4}[-_]\d+[a-z]?\b")
_SAME = {
    "kept": "keep", "retain": "keep", "stored": "keep", "store": "keep", "preser": "keep", "retent": "keep",
    "storag": "keep", "expira": "expire", "expiry": "expire", "delete": "remove", "erased": "remove",
}  # fmt: skip
_MOST_VALUES = 3  # longer lists are tables in words
_COUNTS = frozenset({"number", "numbers", "count", "amount", "total"})
_QUANTITY = {
    "time": frozenset({"time", "durati", "period"}),
    "size": frozenset({"size"}),
    "length": frozenset({"length"}),
}
_WORD = later(r"(?<![\w.-])[a-z][\w-]+(?:\.[\w-]+)+|[a-z]+(?:[-'][a-z]+)*|\d[\w.]*|#\d+|[\u3400-\u9fff]+")
_HAN_STOP = later(
    r"本?系统|平台|应当|应该|必须|需要?|不得|可以|能够|设置|设定|设为|配置|规定|默认|缺省|要求|支持|提供|保证|确保|控制|约|大约|一般|通常|数?值|"
    r"(?<![响对适供反效感相])应|[的为是在须得将可能会被把与和于由其即至到]|(?<![一核比])对(?!应)"
)
_HAN_QUANTITY = {"time": later(r"时间|时长|期限|周期"), "size": later(r"大小"), "length": later(r"长度")}
_TAIL = later(
    r"\b(?=(?:under|for|in|during|on|at|when|if|while|with|without|unless|until|per|from|by)\b)", re.IGNORECASE
)
_TIMEOUT = later(r"\btim(?:es?|ed|ing)[\s-]+out\b")
_PIECES = later(r"[,，、](?!\d{3})|\s[–—]\s")


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement that something has certain values: `key` are the words of what and when, without their order.

    `when` are those of them that tell a condition. `weight` counts the words (Chinese: pairs of characters) that say
    what has the values. `limits` is what may limit a single one, in lower case. `start:end` is the place of the first
    value in the text, `said` all of them as they stand.
    """

    key: frozenset[str]
    when: frozenset[str]
    dimensions: tuple[str, ...]
    limits: str
    values: tuple[float, ...]
    weight: float
    start: int
    end: int
    said: str

    @property
    def bound(self) -> Bound:
        """How the value limits what it is said of."""
        if _MOST.search(self.limits) is not None:
            return Bound.MOST
        return Bound.EXACT if _LEAST.search(self.limits) is None else Bound.LEAST

    def contradicts(self, other: "Claim") -> bool:
        """Can the two not both be true? They say it of the same; of several values one may differ."""
        differ = [
            one for one, another in zip(self.values, other.values, strict=True) if abs(one - another) > 1e-9 * abs(one)
        ]
        if len(differ) != 1:
            return False
        if self.bound is other.bound:
            return True
        if len(self.values) > 1:
            return False
        low, high = (self, other) if self.bound is Bound.LEAST or other.bound is Bound.MOST else (other, self)
        return low.values[0] > high.values[0]


def claims(text: str, start: int, end: int, about: str = "", *, in_words: bool = True) -> Iterator[Claim]:
    """What the statement `text[start:end]` claims, none for most; `about` is what stands before it elsewhere.

    Numbers are read in words, too, where there may be any `in_words`.

    Of several values the first one is also claimed alone, where more than a word parts it from the next one.
    """
    statement = text[start:end]
    values = (one for one in _values(statement, in_words=in_words) if _is_value(statement, one))
    found = list(islice(values, _MOST_VALUES + 1))
    if not 0 < len(found) <= _MOST_VALUES or _CODE.search(statement) or _EXAMPLE.search(statement.lower()):
        return
    if len(found) > 1 and found[0]["unit"] and _APART.search(statement, found[0].end(), found[1].start()):
        yield from claims(text, start, start + found[0].end(), about, in_words=in_words)
    kept, when = (_ID.sub(" ", part).lower() for part in _kept(statement, found))
    words = f"{about.lower()} {kept} {when}"
    measured = [_measured(one) for one in found]
    dimensions = tuple(dimension for dimension, _ in measured)
    limits = f"{about} {statement}".lower() if len(found) == 1 else ""
    key, weight = _key(_LEAST.sub(" ", _MOST.sub(" ", words)), dimensions)
    conditions, _ = _key(when, dimensions) if when else (frozenset[str](), 0.0)
    first = found[0]
    yield Claim(
        key, conditions, dimensions, limits, tuple(value for _, value in measured), weight,
        start + first.start(), start + first.end(), ", ".join(" ".join(one[0].split()) for one in found),
    )  # fmt: skip


def _values(statement: str, *, in_words: bool) -> Iterator[re.Match[str]]:
    end = 0
    for sign in (_BEGINS_IN_WORDS if in_words else _BEGINS).finditer(statement):
        if sign.start() >= end and (found := _VALUE.match(statement, sign.start())) is not None:
            yield found
            end = found.end()


def _is_value(statement: str, found: re.Match[str]) -> bool:
    if found["unit"] is None and _DATE.match(statement, found.end()) is not None:
        return False
    if found["unit"] is not None:
        return not found[0].endswith("-bit")  # which names a kind
    before = (statement, max(0, found.start() - 16), found.start())
    item = found.start() == 0 or (statement[found.start() - 1] in "(（" and _ITEM.match(statement, found.end()))
    return (
        not item
        and found["word"] != "one"
        and not found[0].endswith(".0")
        and not (_LABELS.search(*before) or _NAMED.search(*before))
    )


def _measured(found: re.Match[str]) -> tuple[str, float]:
    if found["figures"]:
        number = float(found["figures"].replace(",", "").replace("−", "-")) * _MANY.get(
            (found["many"] or "").strip(), 1
        )
    elif found["word"]:
        number = float(_NUMBERS[found["word"]])
    else:
        number = float(value_of(found["han"].replace("两", "二")))
    dimension, factor = _UNITS.get(found["unit"] or "", ("number", 1.0))
    return dimension, number * factor


def _kept(statement: str, found: list[re.Match[str]]) -> tuple[str, str]:
    """The part that holds the values, without them, and the conditions around it."""
    blank = list(statement)
    for one in found:
        blank[one.start() : one.end()] = "\0" * (one.end() - one.start())
    kept: list[str] = []
    when: list[str] = []
    for piece in _PIECES.split("".join(blank)):
        if "\0" in piece:
            before, _, after = piece.rpartition("\0")
            plain, *conditions = _TAIL.split(_ASIDE.sub("", after), maxsplit=1)
            kept.append(f"{before} {plain}")
            when += conditions
        elif _CONDITION.match(piece) and not _ASIDE.match(piece):
            when.append(piece)
    return " ".join(kept).replace("\0", " "), " ".join(when)


def _key(words: str, dimensions: tuple[str, ...]) -> tuple[frozenset[str], float]:
    key: set[str] = set()
    weight = 0.0
    for word in _WORD.findall(_TIMEOUT.sub("timeout", words)):
        if word[0] >= "\u3400":
            bare = _HAN_STOP.sub("", word)
            weight += len(bare) / 2
            for dimension in dimensions:
                if dimension in _HAN_QUANTITY:
                    bare = _HAN_QUANTITY[dimension].sub("", bare)
            key.update(bare)
        elif word in _COUNTS:
            weight += 1
        elif "." in word and word[0].isalpha():  # a dotted name is one, whole; it says as much as its parts
            weight += word.count(".") + 1
            key.add(word)
        elif word not in _STOP and (len(word) > 1 or word.isdigit()):
            stem = _stem(word)
            weight += 1
            if not any(stem in _QUANTITY.get(dimension, ()) for dimension in dimensions):
                key.add(stem)
    return frozenset(key), weight


def _stem(word: str) -> str:
    """So much of a word that its forms are alike: response, respond, responds."""
    short = word.removesuffix("s") if len(word) > 4 and not word.endswith("ss") else word  # noqa: PLR2004  is, was, bus
    return _SAME.get(short[:6], short[:6])
