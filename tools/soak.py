"""Soaks the ledger for as long as it is given: simulated stories, then killed processes on each database.

Four parts of an hour each; `make soak ARGS="--seconds 900 --only simulation postgresql"` is shorter. What was found is
written to `build/soak/` as JSON; it stops at the first broken promise.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build/soak"
DATABASES = ("sqlite file", "postgresql", "mariadb")


class Progress:
    """Tells once a minute how far a part is; the last things to end and be checked take a few minutes more."""

    def __init__(self, part: str, seconds: float) -> None:
        self._part, self._minutes = part, seconds / 60
        self._begun, self._told = time.monotonic(), 0

    def tell(self) -> None:
        if (minutes := int(time.monotonic() - self._begun) // 60) > self._told:
            self._told = minutes
            print(f"{self._part}: minute {minutes} of {self._minutes:.0f}", file=sys.stderr, flush=True)


def simulate(seconds: float, first: int) -> dict[str, Any]:
    """Stories from this seed on, on every core; the first that breaks a promise ends all."""
    cores = os.cpu_count() or 1
    begun = time.monotonic()
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.ledger.simulation", "--seconds", str(seconds)),
                *("--first", str(first + at), "--stride", str(cores)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for at in range(cores)
    ]
    broken = False
    progress = Progress("simulation", seconds)
    while not broken and any(process.poll() is None for process in running):
        time.sleep(0.2)
        progress.tell()
        broken = any(process.returncode for process in running)
    for process in running:
        if broken and process.poll() is None:
            process.terminate()
    words = [process.communicate()[0] for process in running]
    if broken:
        return {
            "ok": False,
            "words": [word for word, process in zip(words, running, strict=True) if process.returncode],
        }
    told = [json.loads(word) for word in words]
    took = time.monotonic() - begun
    seeds, steps = (sum(one[name] for one in told) for name in ("seeds", "steps"))
    return {
        "ok": True,
        "first": first,
        "seeds": seeds,
        "steps": steps,
        "faults": sum(one["faults"] for one in told),
        "transactions": sum(one["commits"] for one in told),
        "seconds": round(took, 1),
        "seeds_per_second": round(seeds / took, 2),
        "steps_per_second": round(steps / took, 1),
    }


def kill(database: str, seconds: float, faults: int, seed: int) -> dict[str, Any]:
    """Real processes on a database."""
    command = [sys.executable, "-m", "tests.faults.killing", database, "--seconds", str(seconds), "--seed", str(seed)]
    progress = Progress(database, seconds)
    with subprocess.Popen([*command, "--faults", str(faults)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as soaking:
        while True:
            try:
                told, _ = soaking.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                progress.tell()
    lines = told.splitlines()
    return json.loads(lines[-1]) if lines else {"ok": False, "words": [f"exit code {soaking.returncode}"]}


def parts(given: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was found, one part after the other."""
    for part in given.only:
        if part == "simulation":
            yield part, simulate(given.seconds, given.seed)
        else:
            yield part, kill(part, given.seconds, given.faults, given.seed)


def main() -> int:
    """1 when a promise was broken."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=3_600.0, help="for each part; an hour without it")
    asked.add_argument("--only", nargs="+", default=["simulation", *DATABASES], choices=["simulation", *DATABASES])
    asked.add_argument("--faults", type=int, default=sys.maxsize, help="at which a part on a real database ends sooner")
    asked.add_argument("--seed", type=int, default=int(time.time()))
    given = asked.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    for part, found in parts(given):
        (BUILD / f"{part.replace(' ', '-')}.json").write_text(json.dumps(found, indent=2) + "\n")
        print(f"{part}: {json.dumps(found)}", flush=True)
        if not found["ok"]:
            print(*found.get("words", ()), sep="\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
