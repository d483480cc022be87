"""Programs that read documents or judge prose, each run by the environment that has it."""

import json
import re
from pathlib import Path

from quality import ROOT

_MEASURED = re.compile(
    r"(codespell|docx2python|markitdown|proselint|pymupdf4llm|pypandoc-binary|python-docx|typos)==(\S+)"
)


def versions() -> dict[str, str]:
    """The versions of what takes part, by the lock files and by npm's package.json."""
    locks = ROOT.glob("requirements/quality-*.txt")
    found = dict(
        match.groups() for lock in locks for line in lock.read_text().splitlines() if (match := _MEASURED.match(line))
    )
    return found | json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]
