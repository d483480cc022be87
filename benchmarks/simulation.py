"""`paperlane simulate` as anybody would run it: a million tasks, and a prediction beside a run that is really held."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.ledger.databases import Databases
from benchmarks.machine import watched
from benchmarks.program import ROOT
from benchmarks.rounds import Rounds, say

TASKS, USERS = 1_000_000, 100_000
_LOAD = {"--workers": 20, "--slots": 10, "--system-limit": 200, "--heavy-users": 100, "--heavy": 0.5}
_HELD = {"--tasks": 60, "--users": 8, "--minutes": 5, "--median": 20, "--queued": 1}
_BROKEN = 1  # the exit code of `bench load` where a promise was broken
_NOTED = 0.01
_MEGABYTE = 1 << 10  # KiB, as the system counts the memory of a process


@dataclass(frozen=True, slots=True)
class _Ran:
    words: Mapping[str, Any]
    seconds: float
    cpu: float
    megabytes: float


def million(_databases: Databases, rounds: Rounds) -> Sequence[Figure]:
    """How long a large simulation takes, and how much memory."""
    tasks, users = (TASKS // 50, USERS // 50) if rounds.quick else (TASKS, USERS)
    say(f"  {tasks} tasks of {users} users")
    with watched() as machine:
        ran = _run("simulate", {"--tasks": tasks, "--users": users, **_LOAD})
    (found,) = ran.words["settings"]
    said = ", ".join(f"{name.removeprefix('--')} {value}" for name, value in _LOAD.items())
    if machine.foreign >= _NOTED:
        said += f"; others used {machine.foreign:.0%} of the machine"
    return [
        Figure("simulation.million.seconds", ran.seconds, "s", settings=f"{tasks} tasks of {users} users; {said}"),
        Figure("simulation.million.processor", ran.cpu / tasks * 1e6, "us/task"),
        Figure("simulation.million.memory", ran.megabytes, "MB"),
        Figure("simulation.million.tasks completed", found["tasks"], "tasks"),
        Figure("simulation.million.light users' wait, mean", found["light_wait"]["mean"], "s"),
        Figure("simulation.million.heavy users' wait, mean", found["heavy_wait"]["mean"], "s"),
    ]


def like(_databases: Databases, rounds: Rounds) -> Sequence[Figure]:
    """How far off the prediction of a load is that is really held then."""
    held = {**_HELD, "--minutes": 0.5, "--median": 3} if rounds.quick else _HELD
    said = ", ".join(f"{name.removeprefix('--')} {value}" for name, value in held.items())
    say(f"  a real load beside its prediction: {said}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "held.json"
        _run("bench load", {**held, "--output": report})
        foreign = json.loads(report.read_text())["foreign"]
        words = _run("simulate", {"--like": report}).words
    note = f"others used {foreign:.0%} of the machine" if foreign else ""
    figures: list[Figure] = []
    for name, unit in (("mean_wait", "s"), ("throughput", "tasks/s")):
        of = words[name]
        shown = f"simulation.like.{name.replace('_', ' ')}"
        figures += [
            Figure(f"{shown}, predicted", of["predicted"], unit, settings=said),
            Figure(f"{shown}, measured", of["measured"], unit, note=note),
            Figure(f"{shown}, difference", of["difference_percent"], "%"),
        ]
    return figures


def _run(command: str, options: Mapping[str, object]) -> _Ran:
    """The command's JSON, how long it took, and what its process used."""
    arguments = [f"{name}={value}" for name, value in options.items()]
    whole = [sys.executable, "-m", "paperlane", *command.split(), *arguments, "--json"]
    with tempfile.TemporaryFile("w+") as told:
        began = time.monotonic()
        process = subprocess.Popen(whole, cwd=ROOT, stdout=told)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in {0, _BROKEN}:
            raise RuntimeError(f"paperlane {command} ended with {process.returncode}")
        told.seek(0)
        words = json.load(told)
    return _Ran(words, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / _MEGABYTE)
