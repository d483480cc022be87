"""`paperlane bench load` as anybody would run it: so many tasks held at once, and what requirements promise of them."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.ledger.databases import Databases
from benchmarks.program import ROOT
from benchmarks.rounds import Rounds, reason, say

KINDS = ("sqlite", "postgresql")
_MEDIAN = 120.0  # seconds of the model: at 60 two cores cannot read documents as quickly as 1,000 tasks end
_BROKEN = 1  # the command's exit code where a promise was broken, which its report tells of


@dataclass(frozen=True, slots=True)
class Held:
    """One run: tasks that are held, for minutes, with a worker killed every so many seconds."""

    tasks: int
    minutes: float
    kill_every: float = 0.0


RUNS: Mapping[str, Held] = {
    "200": Held(200, 3),
    "1000": Held(1_000, 8),  # workers grow until all their slots were used: for two medians, 4 minutes
    "1000, a worker killed every 20 s": Held(1_000, 8, 20),
    "2000": Held(2_000, 3),
}


def measured(kind: str, databases: Databases, rounds: Rounds) -> Sequence[Figure]:
    """Every criterion of every run, each as `load.KIND.RUN.CRITERION`; a run that broke off is told with its reason."""
    found: list[Figure] = []
    for name, held in RUNS.items():
        say(f"  {kind}: {name} tasks held")
        one = Held(held.tasks // 20, 0.2, held.kill_every and 4) if rounds.quick else held
        try:
            found += _figures(f"load.{kind}.{name}", _run(kind, databases, one))
        except RuntimeError as error:
            found.append(Figure(f"load.{kind}.{name}", None, "", note=reason(error)))
    return found


def _run(kind: str, databases: Databases, held: Held) -> Mapping[str, Any]:
    """The command's own report; where it did not come so far, its last words are in what is raised."""
    url = "" if kind == "sqlite" else databases.fresh(kind)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = {
            "--tasks": held.tasks,
            "--minutes": held.minutes,
            "--median": min(_MEDIAN, 60 * held.minutes / 2),
            "--kill-every": held.kill_every,
            "--database": url,
            "--output": report,
        }
        said = [f"{name}={value}" for name, value in options.items() if value]
        command = [sys.executable, "-m", "paperlane", "bench", "load", *said]
        ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if url:
            databases.drop(url)
        if ended.returncode not in {0, _BROKEN} or not report.exists():
            raise RuntimeError(ended.stderr.strip()[-300:])
        return json.loads(report.read_text())


def _figures(name: str, report: Mapping[str, Any]) -> Sequence[Figure]:
    others = f"others used {report['foreign']:.0%} of the machine" if report["foreign"] else ""
    return [
        Figure(f"{name}.{one['name']}", one["measured"], one["unit"], note=_both(one["said"], others))
        for one in report["criteria"]
        if one["measured"] is not None
    ]


def _both(*notes: str) -> str:
    return "; ".join(filter(None, notes))
