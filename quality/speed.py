"""How fast documents are read and judged, beside other programs, in turn and in one run."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import OURS, Figure, Reading, compared, median
from benchmarks.program import OWN, Failed
from benchmarks.rounds import say

from benchmarks import machine
from quality import ROOT

_ROUNDS = 3
_PATIENCE = 240.0  # seconds of one turn
_FOREIGN = 0.15  # of the machine, that others may use meanwhile
OFFICE, PYMUPDF = (ROOT / f"build/quality-{name}/bin/python" for name in ("office", "pymupdf"))
_PROSE, _NPM = ROOT / "build/quality-prose/bin", ROOT / "build/quality-npm/node_modules/.bin"
_MEMORY = 2**20
_LARGE = 500_000  # bytes, left out of a short run
_SLOW = frozenset({"pymupdf4llm"})  # takes a minute where others take a second: one turn is enough


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one program: seconds, the peak of its memory in bytes, and what else it told."""

    seconds: float
    peak: int
    told: Mapping[str, Any]


Take = Callable[[Path], Turn]


def reads(program: str, python: Path = OWN) -> Take:
    """Reads a file three times in one process; the quickest counts, for what a process loads first is no reading."""
    return partial(_read, program, python)


def _read(program: str, python: Path, path: Path) -> Turn:
    rounds = "1" if program in _SLOW else "3"
    told = _json([str(python), "-m", "quality.peers.readers", program, str(path), rounds])
    return Turn(min(told["seconds"]), told["peak"], told)


def _judges(path: Path) -> Turn:
    """What all checks take of a file, the quickest of three times in one process; of a folder's files, once."""
    told = _json([str(OWN), "-m", "quality.peers.judging", str(path), "1" if path.is_dir() else "3"])
    return Turn(min(told["seconds"]), told["peak"], told)


def runs(*command: str | Path) -> Take:
    """Runs a command on a file in a folder of its own, from its start to its end; it may complain of the file."""
    return partial(_run, [str(word) for word in command])


def _run(command: Sequence[str], path: Path) -> Turn:
    if not Path(command[0]).exists():
        raise Failed(f"{Path(command[0]).name} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        told = _json([str(OWN), "-m", "quality.peers.running", *command, path.name], Path(folder))
    if told["code"] < 0:
        raise Failed(f"it ended with {told['code']}")
    return Turn(told["seconds"], told["peak"], told)


def _json(command: Sequence[str], folder: Path = ROOT) -> Mapping[str, Any]:
    if not Path(command[0]).exists():
        raise Failed(f"its environment {Path(command[0]).parents[1].name} is missing")
    try:
        done = subprocess.run(
            command, cwd=folder, env=_environment(), capture_output=True, check=False, text=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done in {_PATIENCE:.0f} s") from None
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


@dataclass(frozen=True, slots=True)
class Contest:
    """Programs that do the same with one file. A figure is `amount` a second, or seconds where there is no unit."""

    name: str
    file: str
    programs: Mapping[str, Take]
    unit: str
    amount: Callable[[Turn], float] | None = None


_CHECK = runs(OWN, "-m", "paperlane", "check", "--fail-on", "never")


def _pages(turn: Turn) -> float:
    return turn.told["pages"]


def _characters(turn: Turn) -> float:
    return turn.told["characters"]


CONTESTS: Sequence[Contest] = (
    Contest(
        "speed.pdf.en", "erlang_crypto.pdf",
        {OURS: reads("paperlane"), "pdfium, text alone": reads("pdfium"),
         "markitdown": reads("markitdown", OFFICE), "pymupdf4llm": reads("pymupdf4llm", PYMUPDF)},
        "pages/s", _pages,
    ),
    Contest(
        "speed.pdf.zh", "openchain_spec_2.1_zh.pdf",
        {OURS: reads("paperlane"), "pdfium, text alone": reads("pdfium"),
         "markitdown": reads("markitdown", OFFICE), "pymupdf4llm": reads("pymupdf4llm", PYMUPDF)},
        "pages/s", _pages,
    ),
    Contest(
        "speed.pdf.large", "erlang_stdlib_large.pdf",
        {OURS: reads("paperlane"), "pdfium, text alone": reads("pdfium")},
        "pages/s", _pages,
    ),
    Contest(
        "speed.docx", "cfe_requirements.docx",
        {OURS: reads("paperlane"), "lxml iterparse, nothing else": reads("lxml iterparse"),
         **{name: reads(name, OFFICE) for name in ("python-docx", "docx2python", "markitdown", "pandoc")}},
        "s",
    ),
    Contest("speed.rules.all", "", {OURS: _judges}, "characters/s", _characters),
    Contest("speed.rules.en", "eudi_hlr_by_topic.md", {OURS: _judges}, "characters/s", _characters),
    Contest("speed.rules.zh", "paddle_phi_design_zh.md", {OURS: _judges}, "characters/s", _characters),
    Contest(
        "speed.command.en", "eudi_hlr_by_topic.md",
        {OURS: _CHECK, "write-good": runs(_NPM / "write-good"), "proselint": runs(_PROSE / "proselint", "check"),
         "codespell": runs(_PROSE / "codespell"), "typos": runs(_PROSE / "typos"),
         "markdownlint": runs(_NPM / "markdownlint-cli2")},
        "s",
    ),
    Contest(
        "speed.command.zh", "paddle_phi_design_zh.md",
        {OURS: _CHECK, "zhlint": runs(_NPM / "zhlint"), "autocorrect": runs(_NPM / "autocorrect", "--lint"),
         "markdownlint": runs(_NPM / "markdownlint-cli2")},
        "s",
    ),
    Contest(
        "speed.command.1 MB", "angular_cli_changelog_1mb.md",
        {OURS: _CHECK, "markdownlint": runs(_NPM / "markdownlint-cli2")},
        "s",
    ),
)  # fmt: skip
_LARGEST = "erlang_stdlib_large.pdf"


def measured(corpus: Path, *, quick: bool = False) -> list[Figure]:
    """Each contest in interleaved rounds, with the ratio of ours to theirs, and the peaks of memory."""
    figures: list[Figure] = []
    for contest in CONTESTS:
        path = corpus / "documents" / contest.file
        if not (quick and (path.is_dir() or path.stat().st_size > _LARGE)):
            say(f"  {contest.name}: {', '.join(contest.programs)}")
            figures += _contest(contest, path, 1 if quick else _ROUNDS, _SLOW if quick else frozenset())
    if not quick:
        turn = _judges(corpus / "documents" / _LARGEST)
        figures.append(Figure("memory.largest", turn.peak / _MEMORY, "MiB", settings=f"{_LARGEST}, read and judged"))
    return figures


def _contest(contest: Contest, path: Path, rounds: int, without: Collection[str]) -> list[Figure]:
    taken: dict[str, list[Reading]] = {name: [] for name in contest.programs}
    peaks: dict[str, float] = {}
    failed = {name: "left out of a short run" for name in contest.programs if name in without}
    amount = 1.0
    for number in range(rounds):
        for name, take in contest.programs.items():
            if name in failed or (number and name in _SLOW):
                continue
            try:
                with machine.watched() as load:
                    turn = take(path)
            except Failed as why:
                failed[name] = str(why)
                continue
            if name == OURS:  # by which all are counted, for not each program knows pages
                amount = contest.amount(turn) if contest.amount else 1.0
            value = amount / turn.seconds if contest.amount else turn.seconds
            taken[name].append(Reading(value, disturbed=load.foreign > _FOREIGN))
            peaks[name] = max(peaks.get(name, 0.0), turn.peak / _MEMORY)
    ours = taken.pop(OURS)
    others = {name: values for name, values in taken.items() if values}
    figures = compared(contest.name, contest.unit, ours, others, {OURS: contest.file or "all documents"}, failed)
    memory = contest.name.replace("speed", "memory", 1)
    figures += [median(memory, "MiB", [peaks[name]], peer=name) for name in contest.programs if name in peaks]
    return figures
