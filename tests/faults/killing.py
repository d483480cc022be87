"""The kill soak: real processes on a real database, killed and stopped at random; then their history is checked.

`python -m tests.faults.killing postgresql --seconds 600 --seed 7` runs one and prints what it found as JSON. The
checker is in the manner of Jepsen's total-queue: what was acknowledged is there once, what is there was asked for,
every effect happened once, and everything ends.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from sqlalchemy import Connection, text
from tests.databases import Databases, migrated
from tests.faults.soaked import ENGINES, LIMITS, POINTS, RULES, SWEEP
from tests.ledger.invariants import check_invariants
from tools.servers import Server

from paperlane.errors import Unavailable
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import UserId

ROOT = Path(__file__).parents[2]
LIVE = "state NOT IN ('completed', 'failed', 'cancelled')"
POLL = 1.0
START = 15.0  # seconds in which a program is up, on a busy machine
STAFF = ("worker-database", "worker-database", "worker-database", "worker-inline", "submitter", "submitter")


@dataclass
class Found:
    """What a soak did, and what its check says; every list is empty when all promises hold."""

    database: str
    seconds: float
    seed: int
    faults: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    tasks: int = 0
    effects: int = 0
    attempts: int = 0
    paused: int = 0  # parts that others followed
    states: dict[str, int] = field(default_factory=dict)
    samples: int = 0
    healed_after: float = 0.0
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    effects_doubled: list[str] = field(default_factory=list)
    effects_missing: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    failed_without_reason: list[str] = field(default_factory=list)
    completed_though_cancelled: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    fallen: list[str] = field(default_factory=list)  # programs that ended by themselves, and why
    drifted: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What must be empty and is not; and that nothing happened, if so."""
        wrong = {name: value[:5] for name, value in asdict(self).items() if isinstance(value, list) and value}
        return (
            wrong if self.acknowledged and self.states.get("completed") and self.faults else {**wrong, "idle": ["idle"]}
        )


@dataclass
class Process:
    """A program of the soak, and when it may be woken again if it is stopped."""

    what: str
    name: str
    pid: int
    wake_at: float = 0.0

    @property
    def state(self) -> str:
        """As the system tells: T for stopped, "" for dead."""
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0].replace("Z", "")
        return ""

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Soak:
    """Processes around one database, and who kills them."""

    def __init__(self, url: str, server: Server | None, folder: Path, seed: int) -> None:
        self.url = url
        self.server = server
        self.folder = folder
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.staff: list[Process] = []
        self.number = 0
        self.forks = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.soaked"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        dialect = migrated(url)
        self.ledger = SqlLedger(dialect, RULES)
        self.ledger.write(
            lambda connection: (
                connection.execute(text("CREATE TABLE effects (task_id VARCHAR(40), step VARCHAR(40), pid INTEGER)"))
                and None
            )
        )
        for user, limit in LIMITS.items():
            self.ledger.lane(UserId(user), max_running=limit, engine=ENGINES[user])

    def start(self, what: str, *, faulty: bool = True) -> None:
        """One more program; a faulty worker has a fail point somewhere ahead."""
        self.number += 1
        name = f"{self.number:04}"
        point = ""
        if faulty and what != "submitter" and self.random.random() < 0.8:
            when, how = self.random.choice(["before", "after"]), self.random.choice(["kill", "kill", "stop"])
            point = f"{self.random.choice(POINTS)}:{when}:{self.random.randint(1, 8)}:{how}"
        asked = {"what": what, "url": self.url, "folder": str(self.folder), "name": name, "point": point}
        assert self.forks.stdin is not None
        assert self.forks.stdout is not None
        self.forks.stdin.write(json.dumps(asked) + "\n")
        self.forks.stdin.flush()
        self.staff.append(Process(what, name, int(self.forks.stdout.readline())))

    def kill(self, process: Process) -> None:
        process.send(signal.SIGKILL)
        while process.state:
            time.sleep(0.001)
        self.staff.remove(process)

    def hurt(self) -> None:
        """One fault."""
        now = time.monotonic()
        kinds = [*["kill", "stop"] * 4, "submitter", *(["database"] if self.server is not None else [])]
        kind = self.random.choice(kinds)
        workers = [process for process in self.staff if process.what != "submitter" and not process.wake_at]
        if kind == "database":
            self.restart()
        elif kind == "submitter":
            self.kill(next(process for process in self.staff if process.what == "submitter"))
        elif workers:
            process = self.random.choice(workers)
            if kind == "kill":
                self.kill(process)
            else:
                process.send(signal.SIGSTOP)
                process.wake_at = now + self.random.choice([0.3, 1.0, 3.5])
        else:
            return
        self.faults[kind] += 1

    def restart(self) -> None:
        """Kill the database server, and start it again on what is on its disk."""
        assert self.server is not None
        self.server.kill()
        for _ in range(100):  # backends of a killed PostgreSQL hold its memory for a moment
            with suppress(RuntimeError):
                self.server.start()
                return
            time.sleep(0.1)
        raise AssertionError("the database server does not start again")

    def look_after(self) -> None:
        """Wake who was stopped long enough, and replace who died."""
        now = time.monotonic()
        for process in list(self.staff):
            state = process.state
            if not state:  # it died at its fail point
                self.staff.remove(process)
            elif process.wake_at:
                if now > process.wake_at:
                    process.send(signal.SIGCONT)
                    process.wake_at = 0.0
            elif state == "T":  # by its own hand
                process.wake_at = now + self.random.choice([0.5, 3.5])
        for what in set(STAFF):
            for _ in range(STAFF.count(what) - sum(process.what == what for process in self.staff)):
                self.start(what)

    def run(self, seconds: float, most: int) -> None:
        """Let them work and die for so long, or until there were so many faults."""
        until = time.monotonic() + seconds
        next_fault = time.monotonic() + 3.0
        while time.monotonic() < until and self.faults.total() < most:
            self.look_after()
            if time.monotonic() > next_fault:
                self.hurt()
                next_fault = time.monotonic() + self.random.uniform(0.1, 0.7)
            time.sleep(0.05)

    def heal(self, patience: float) -> float:
        """No more faults, and nobody asks for more: how long it takes until everything has ended.

        `patience` is for how many seconds nothing may end: how much ends in a second is the machine's affair.
        """
        for process in list(self.staff):
            self.kill(process)
        begun = time.monotonic()
        for what in set(STAFF) - {"submitter"}:
            self.start(what, faulty=False)
            self.start(what, faulty=False)
        left, since = -1, begun
        while left and time.monotonic() < since + patience:
            with suppress(Unavailable):
                if (now := self._rows(f"SELECT count(*) AS n FROM tasks WHERE {LIVE}")[0]["n"]) != left:
                    left, since = now, time.monotonic()
            time.sleep(0.1)
        return time.monotonic() - begun

    def close(self) -> None:
        for process in list(self.staff):
            self.kill(process)
        self.forks.communicate()
        self.ledger.close()

    # the history

    def notes(self, of: str) -> Iterator[dict[str, Any]]:
        """What programs of this kind wrote down; the last line of one that was killed may be torn."""
        for path in sorted(self.folder.glob(f"{of}-*.jsonl")):
            for line in path.read_text().splitlines():
                with suppress(ValueError):
                    yield json.loads(line)

    def check(self, found: Found) -> None:
        """Compare what was asked, acknowledged and done with what the ledger says."""
        asked: dict[str, list[str]] = {}
        keys: dict[str, str] = {}
        acknowledged: dict[str, int] = {}
        cancelled: set[str] = set()
        for note in self.notes("submitter"):
            if "asked" in note:
                asked[note["asked"]] = note["tasks"]
                keys[note["asked"]] = note["key"]
            elif "acknowledged" in note:
                acknowledged[note["acknowledged"]] = note["size"]
            elif "cancelled" in note:
                cancelled.add(note["cancelled"])
        tasks = self._rows("SELECT id, batch_id, state, fault FROM tasks")
        of_batch: dict[str, list[str]] = defaultdict(list)
        for task in tasks:
            of_batch[task["batch_id"]].append(task["id"])
        states = {task["id"]: task["state"] for task in tasks}
        found.acknowledged, found.tasks, found.states = len(acknowledged), len(tasks), dict(Counter(states.values()))
        found.lost = [
            b for b, size in acknowledged.items() if sorted(of_batch[b]) != sorted(asked[b]) or len(asked[b]) != size
        ]
        found.unexpected = sorted(states.keys() - {task for names in asked.values() for task in names})
        batches = Counter(keys[batch] for batch in of_batch if batch in keys)
        found.doubled = [key for key, times in batches.items() if times > 1]
        how = "id, user_id, engine, state, stage, crashes, retries, worker_id, run_at, lease_until"
        found.unfinished = [json.dumps(row) for row in self._rows(f"SELECT {how} FROM tasks WHERE {LIVE}")]
        found.completed_though_cancelled = [task for task in cancelled if states.get(task) == "completed"]
        self._check_effects(found, states)
        crashes = Counter(
            row["task_id"] for row in self._rows("SELECT task_id FROM attempts WHERE outcome IN ('crashed', 'poison')")
        )
        for task in tasks:
            code = json.loads(task["fault"] or "{}").get("code", "")
            poisoned = code == "poison" and crashes[task["id"]] >= RULES.max_crashes
            if task["state"] == "failed" and not poisoned and code != "step_crashed":
                found.failed_without_reason.append(f"{task['id']} {code} {crashes[task['id']]}")
        found.drifted = [json.dumps(note) for note in self.notes("worker") if "drifted" in note]
        if drifted := self.ledger.recover().drifted:
            found.drifted.append(f"{drifted} at the end")
        found.fallen = [note["fell"] for of in ("worker", "submitter") for note in self.notes(of) if "fell" in note]
        self.faults += Counter(
            note["fault"].rpartition(" ")[2] + " at a fail point" for note in self.notes("worker") if "fault" in note
        )
        found.faults = dict(sorted(self.faults.items()))
        try:
            check_invariants(self.ledger)
        except AssertionError as error:
            found.broken = [str(error)]

    def _check_effects(self, found: Found, states: Mapping[str, str]) -> None:
        effects = Counter((row["task_id"], row["step"]) for row in self._rows("SELECT task_id, step FROM effects"))
        found.effects = effects.total()
        found.attempts = self._rows("SELECT count(*) AS n FROM attempts")[0]["n"]
        found.paused = self._rows("SELECT count(*) AS n FROM attempts WHERE outcome = 'paused'")[0]["n"]
        found.effects_doubled = [f"{task} {step}" for (task, step), times in effects.items() if times > 1]
        found.effects_missing = [
            f"{task} {step}"
            for task, state in states.items()
            if state == "completed"
            for step in ("one", "two", "three")
            if not effects[task, step]
        ]

    def _rows(self, asked: str) -> list[dict[str, Any]]:
        def ask(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(text(asked)).mappings()]

        return self.ledger.read(ask)


class Sampler:
    """Looks all the time how many tasks of each user, and of all, hold a turn: one statement sees one instant."""

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        self.samples = 0
        self.over: list[str] = []
        self._stop = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        asked = "SELECT user_id, count(*) FROM tasks WHERE state IN ('leased', 'running') GROUP BY user_id"
        while not self._stop.wait(0.01):
            with suppress(Unavailable):
                rows = self.soak.ledger.read(lambda connection: connection.exec_driver_sql(asked).all())
                self.samples += 1
                self.over += [f"user {user}: {running}" for user, running in rows if running > LIMITS[user]]
                if (together := sum(running for _, running in rows)) > RULES.system_limit:
                    self.over.append(f"all: {together}")


def soak(kind: str, folder: Path, databases: Databases, seconds: float, seed: int, most: int = sys.maxsize) -> Found:
    """One soak on a new database of this kind."""
    found = Found(kind, seconds, seed)
    server = None if kind.startswith("sqlite") else databases.server(kind)
    with ExitStack() as ending:
        here = Soak(databases.bare(kind, folder), server, folder, seed)
        ending.callback(here.close)
        with Sampler(here) as sampler:
            here.run(seconds, most)
            found.healed_after = here.heal(START + RULES.lease + RULES.undelivered + SWEEP + POLL)
        for process in list(here.staff):
            here.kill(process)
        found.samples, found.over_limit = sampler.samples, sampler.over
        here.check(found)
    return found


def main() -> int:
    """Soak, and say what was found; 1 when a promise was broken."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("database", choices=["sqlite file", "postgresql", "mariadb"])
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--faults", type=int, default=sys.maxsize, help="stop after so many")
    given = asked.parse_args()
    databases = Databases()
    folder = Path(tempfile.mkdtemp(prefix="paperlane-soak-"))
    try:
        found = soak(given.database, folder, databases, given.seconds, given.seed, given.faults)
    finally:
        databases.close()
    if not found.wrong:  # else what its programs wrote is looked at
        shutil.rmtree(folder)
    print(json.dumps({**asdict(found), "ok": not found.wrong}))  # noqa: T201
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
