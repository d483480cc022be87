"""Words that oblige somebody, in English and Chinese."""

import re

_UNQUOTED = r"(?<![\"“”'‘’])\b(?:{})\b(?![\"”'’])"  # a word in quotes is spoken of

ENGLISH = re.compile(_UNQUOTED.format(r"(?:shall|must)(?:\s+not)?"), re.IGNORECASE | re.ASCII)
"""What must be. `will` and `need` are left out: they tell as often what happens."""

ENGLISH_ADVICE = re.compile(_UNQUOTED.format(r"shall|must|should|(?:is|are)\s+required\s+to"), re.IGNORECASE | re.ASCII)
"""What must be or should be."""

# 应, 须 and 需 are parts of many words that oblige nobody: 响应, 对应, 应用, 应对; 无须, 须知; 按需, 只需.
# 不得不 is no ban.
CHINESE = re.compile(
    r"(?<![“「『\"])(?:必须|应当|应该|不得(?![不已])|(?<![按所无必急刚供仅只])需(?![要求])|(?<![必无毋])须(?!知)|"
    r"(?<![对响相供适反效感呼])(?<![^返]回)应(?![用急答聘变声付届景力季收]|有[的尽]|对(?!.{0,30}?(?:进行|加以|予以))))"
    r"(?![”」』\"])"
)
"""What must be or should be. 需要 and 要求 are left out: they tell as often what somebody wants."""
