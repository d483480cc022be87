"""Tests damaged files through the real sandbox and tells what became of each: python -m tests.formats.mutating."""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter
from tests.formats.mutations import mutated, samples

from paperlane.errors import PaperlaneError
from paperlane.formats import recognise
from paperlane.model.documents import Report, Upload
from paperlane.model.steps import In, Out, Saved, Step
from paperlane.pipeline import test_document
from paperlane.sandboxes import open_sandbox
from paperlane.settings import Settings
from paperlane.work.sandbox import Sandbox

COMPLETED = "completed"
FAULTS = frozenset({"step_crashed", "step_timeout", "step_failed", "task_timeout", "internal_error", "no answer"})
"""What no file may end with, for another attempt would not help."""

_UPLOAD = TypeAdapter(Upload)
_REPORT = TypeAdapter(Report)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one file: `code` is "completed" or an error's; `said` the error's sentence."""

    seed: str
    suffix: str
    code: str
    said: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Run:
    sandbox: Sandbox
    file: BinaryIO

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        self.file.seek(0)
        file = None if step.file is None else self.file
        return Saved(await self.sandbox.run(step.name, value.content, file, lambda _share, _message: None))


async def _answer(sandbox: Sandbox, seed: str, suffix: str, content: bytes) -> Answer:
    begin = time.monotonic()
    code, said = COMPLETED, ""
    try:
        form = recognise(f"a{suffix}", content[:4_096])
        upload = Upload(f"a{suffix}", form.media_type, len(content), sha256(content).hexdigest(), "a")
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            report = await test_document(Saved(_UPLOAD.dump_json(upload)), _Run(sandbox, file))
        if not _REPORT.validate_json(report.content).coverage.tested:
            code = "completed, nothing tested"
    except PaperlaneError as error:
        code, said = error.code, f"{error.message} {error.hint}"
        if not error.hint and code not in FAULTS:
            code = "no answer"
    return Answer(seed, suffix, code, said, time.monotonic() - begin)


async def answers(
    numbers: Sequence[int], corpus: Path | None, largest: int, keep: Path | None = None, seconds: float = float("inf")
) -> Sequence[Answer]:
    """What became of so many damaged files, or of those that `seconds` suffice for.

    Those that end with a fault are written to `keep`.
    """
    until = time.monotonic() + seconds
    whole = samples(corpus, largest)
    found: list[Answer] = []
    left: Iterator[int] = iter(numbers)

    async def worker(sandbox: Sandbox) -> None:
        for number in left:
            if time.monotonic() > until:
                break
            seed = str(number)
            suffix, content = mutated(whole, seed)
            answer = await _answer(sandbox, seed, suffix, content)
            found.append(answer)
            if answer.code in FAULTS and keep is not None:
                (keep / f"{seed}-{answer.code}{suffix}").write_bytes(content)

    async with open_sandbox(Settings()) as sandbox:
        await asyncio.gather(*(worker(sandbox) for _ in range(sandbox.children)))
    return found


def table(found: Sequence[Answer]) -> str:
    """Answers by format, in Markdown."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for answer in found:
        counts[answer.suffix][answer.code] += 1
    codes = sorted({answer.code for answer in found}, key=lambda code: (code != COMPLETED, code))
    lines = ["| format | files | " + " | ".join(codes) + " | slowest |", "|---" * (len(codes) + 3) + "|"]
    for suffix, own in sorted(counts.items()):
        slowest = max(answer.seconds for answer in found if answer.suffix == suffix)
        cells = [suffix, str(own.total()), *(str(own[code]) for code in codes), f"{slowest:.1f} s"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, the slowest files and each fault; exit 1 if there is one."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--files", type=int, default=10_000)
    asked.add_argument("--first", type=int, default=0, help="number of the first one, which is its seed")
    asked.add_argument("--largest", type=int, default=400_000, help="bytes of a sample")
    asked.add_argument("--seconds", type=float, default=float("inf"), help="after which no further file is begun")
    asked.add_argument("--keep", type=Path, help="a folder for the files that end with a fault")
    given = asked.parse_args()
    corpus = os.environ.get("PAPERLANE_CORPUS")
    begin = time.monotonic()
    numbers = range(given.first, given.first + given.files)
    found = asyncio.run(answers(numbers, Path(corpus) if corpus else None, given.largest, given.keep, given.seconds))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    faults = [answer for answer in found if answer.code in FAULTS]
    slow = sorted(found, key=lambda answer: -answer.seconds)[:5]
    lines = [table(found), f"{len(found)} files in {time.monotonic() - begin:.0f} s; the largest child: {peak:.0f} MB"]
    lines += [
        f"seed {one.seed} {one.suffix}: {one.code} in {one.seconds:.1f} s. {one.said}" for one in [*slow, *faults]
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
