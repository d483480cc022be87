"""More than one space between two words or sentences."""

from paperlane.checks import STYLE_EN, Check, Scope
from paperlane.checks.patterns import everywhere
from paperlane.compiling import later
from paperlane.model.documents import Language, Severity

# wider gaps are columns
_SPACES = later(r"(?<=[\w,.;:!?\"')”’]) {2,3}(?=[\w\"'(“‘])")

CHECK = Check(
    name="repeated-space",
    title={"en": "Repeated space", "zh": "英文中多余的空格"},
    why="One space parts words and sentences; a second one is a slip or a habit of the typewriter.",
    category="style",
    severity=Severity.INFO,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=everywhere(_SPACES, chinese=False),
    messages={"en": "There is more than one space.", "zh": "此处有多个空格。"},
    suggestions={"en": "Leave one space.", "zh": "请只保留一个空格。"},
    flags=("It stops.  It starts.", "It  stops."),
    passes=("It stops. It starts.", "It stops  \nand starts.", "Run `a  b` now."),
    languages=(Language.EN,),
    profiles=(STYLE_EN,),
)
