"""What the manifests of the corpus say of its files, for tests that have them tested one way or another."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CODES = ("not_a_pdf", "no_text", "low_text", "repaired", "damaged_file")
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a file: the codes of its warnings or its error, how many passages were tested, an error's hint."""

    completed: bool
    codes: frozenset[str]
    tested: int = 0
    hint: str = ""


def files_of(corpus: Path) -> list[Path]:
    """The documents, and the awkward ones."""
    paths = [path for folder in ("documents", "hostile") for path in sorted((corpus / folder).iterdir())]
    return [path for path in paths if path.name != "manifest.csv"]


def said_of(corpus: Path) -> dict[str, str]:
    """What a good service says of each awkward file."""
    with (corpus / "hostile/manifest.csv").open() as rows:
        return {row["file"]: row["a good service says"] for row in csv.DictReader(rows)}


def assert_as_said(corpus: Path, endings: Mapping[str, Ending]) -> None:
    """Each file has ended as its manifest says, in kind; `endings` go by the files' names."""
    said = said_of(corpus)
    assert endings.keys() == {path.name for path in files_of(corpus)}
    for name, ending in endings.items():
        _assert_one(name, ending, said.get(name, "completed"))


def _assert_one(name: str, ending: Ending, said: str) -> None:
    """The sentence of one file, in kind."""
    if ending.completed:
        assert ending.tested > 0 or "no_text" in ending.codes, name
    else:
        assert ending.codes, name
        assert ending.hint, name
    wanted = {code for code in _CODES if code in said}
    if said.startswith("failed: damaged or encrypted"):
        wanted = {"damaged_file", "password_required"}
    if "password_required" in said:
        wanted = {"password_required"}
    assert not wanted or ending.codes & wanted, (name, said, ending)
    if said.startswith("failed") and "partial text" not in said:
        assert not ending.completed, (name, said, ending)
    if said.startswith(("completed", "open", "decoded", "text")):
        assert ending.completed, (name, said, ending)


def assert_decoded(path: Path, said: str, encoding: str, text: str) -> None:
    """A text whose manifest names its encoding was read in it, and its Chinese is what stands in the file."""
    if found := re.match(r"decoded as (\w+)", said):
        assert encoding == found[1].lower(), path.name
        chinese = "".join(_HAN.findall(text))
        assert chinese, path.name
        assert chinese in "".join(_HAN.findall(path.read_bytes().decode(encoding))), path.name
