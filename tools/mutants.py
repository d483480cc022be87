"""Puts faults into copies of the ledger, one each, and shows what catches them: `make mutants ARGS="-k fence"`."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")
LEDGER = "src/paperlane/ledger"
STORIES = 8
PATIENCE = 240.0  # seconds that tests may take; a mutant that makes them hang is caught as well
SIMULATION = ("-m", "tests.ledger.simulation", "--most", str(STORIES), "--shrink", "0")
_QUIET = ("-m", "pytest", "-x", "-q", "--no-header", "--timeout", "60", "-p", "no:cacheprovider")
TESTS = (
    *(*_QUIET, "tests/ledger", "--ignore", "tests/ledger/test_mutants.py"),
    *("-k", "not memory and not postgresql and not mariadb and not no_story"),
)
_LOCKING = ("concurrency", "retention", "semaphore", "unknown_commits")
LOCKS = (*_QUIET, *(f"tests/ledger/test_{of}.py" for of in _LOCKING))
"""What is asked of those that survive the others: it starts real servers."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: `old` becomes `new` in one file of the ledger."""

    name: str
    file: str
    old: str
    new: str

    def applied(self, root: Path) -> str:
        """The file's text with the fault. ValueError when `old` does not stand there exactly once."""
        text = (root / LEDGER / self.file).read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.name!r}: its text stands {found} times in {self.file}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: the first test that failed, and what the simulation said; "" where nothing did."""

    mutant: Mutant
    test: str
    story: str
    seconds: float

    @property
    def survived(self) -> bool:
        return not self.test and not self.story


def mutants() -> list[Mutant]:
    """All of the list."""
    return [Mutant(**entry) for entry in tomllib.loads(LIST.read_text())["mutant"]]


def copy_of_tree(place: Path) -> Path:
    """What tests need, without what was built."""
    for name in ("src", "tests", "tools", "pyproject.toml"):
        source = ROOT / name
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
        (shutil.copytree(source, place / name, ignore=unwanted) if source.is_dir() else shutil.copy(source, place))
    return place


def run(command: Iterable[str], place: Path) -> tuple[int, str]:
    """Exit code and words of a program in a tree; 124 when it had to be ended."""
    environment = {**os.environ, "PYTHONPATH": f"{place / 'src'}:{place}", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        words, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 124, ""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, words


def fate_of(mutant: Mutant | None) -> Fate:
    """Try the tests on a copy with this fault, or with none."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        place = copy_of_tree(Path(folder))
        if mutant is not None:
            (place / LEDGER / mutant.file).write_text(mutant.applied(place))
        code, words = run(SIMULATION, place)
        story = "" if code == 0 else _first(r"^seed \d+: (.{0,60})", words, code)
        code, words = run(TESTS, place)
        if code == 0 and not story:
            code, words = run(LOCKS, place)
        test = "" if code == 0 else _first(r"^(?:FAILED|ERROR) \S*?(\w+\.py[^\s\[]*)", words, code)
    return Fate(mutant or Mutant("none", "", "", ""), test.replace("::", " "), story, time.monotonic() - begun)


def _first(pattern: str, words: str, code: int) -> str:
    found = re.search(pattern, words, re.MULTILINE)
    return "took too long" if code == 124 else found[1] if found else f"exit {code}"  # noqa: PLR2004


def main() -> int:
    """A table; 1 when a mutant survived, or the tests fail without any."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("-k", default="", help="only mutants with this in their name")
    asked.add_argument("-j", type=int, default=os.cpu_count() or 1, help="how many at once")
    given = asked.parse_args()
    chosen = [mutant for mutant in mutants() if given.k in mutant.name]
    for mutant in chosen:
        mutant.applied(ROOT)
    if not (healthy := fate_of(None)).survived:
        print(f"without a mutant the tests fail: {healthy.test} {healthy.story}")
        return 1
    print("| mutant | first test that fails | simulation | seconds |\n| --- | --- | --- | --- |", flush=True)
    with ThreadPoolExecutor(given.j) as threads:
        fates = []
        for fate in threads.map(fate_of, chosen):
            fates.append(fate)
            story = fate.story.replace("|", "/")
            test = fate.test or ("SURVIVED" if fate.survived else "")
            print(f"| {fate.mutant.name} | {test} | {story} | {fate.seconds:.0f} |", flush=True)
    caught = [fate for fate in fates if not fate.survived]
    told = sum(bool(fate.story) for fate in fates)
    print(f"\n{len(caught)} of {len(fates)} caught, {told} of them also by {STORIES} stories of the simulation")
    return int(len(caught) < len(fates))


if __name__ == "__main__":
    sys.exit(main())
