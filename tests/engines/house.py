"""An engine's programs at work on a real ledger, as a test sees them from outside."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO, Protocol

from tests.conftest import needs
from tests.databases import Databases, migrated, new_file
from tests.engines.counting_host import RULES
from tests.forking import Command
from tests.ledger.invariants import check_invariants
from tools.servers import Missing

from paperlane.clock import SortableIds, SystemClock
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.tasks import BatchId, NewBatch, NewTask, State, Task, TaskId, UserId

new_id = SortableIds(SystemClock())
PATIENCE = 60.0  # seconds


class Program(Protocol):
    """As much of a process as tests need."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class House:
    """An engine's ledger and its programs, each in a process group of its own: here those of our own engines."""

    engine: str
    ledger: SqlLedger
    url: str
    folder: Path
    programs: list[Program] = field(default_factory=list)
    users: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self, slots: int = 4, *options: str) -> Program:
        """A worker; of `inline` and `pool` it does as much of what the web process does as tasks need."""
        told = (self.engine, "--url", self.url, "--slots", str(slots), *options)
        with self.log() as log:
            started = Command(*told, module="tests.engines.counting_host", stdout=log, stderr=log, cwd=self.folder)
        self.programs.append(started)
        return started

    def keep(self) -> None:
        """Start a worker where one was killed, as the system or `serve` does."""
        for program in list(self.programs):
            if program.poll() == -signal.SIGKILL:
                self.programs.remove(program)
                self.start()

    def log(self) -> BinaryIO:
        """Where programs write."""
        return (self.folder / "programs.log").open("ab")

    def running(self) -> None:
        """Let one program at least be at work, with its worker."""
        if all(program.poll() is not None for program in self.programs):
            self.programs.clear()
            self.start()
        self.workers()

    @contextmanager
    def another(self, engine: str) -> Iterator["House"]:
        """A program of another one of our engines beside, on the same ledger."""
        other = House(engine, self.ledger, self.url, self.folder)
        try:
            other.running()
            yield other
        finally:
            other.end()

    @property
    def said(self) -> str:
        """What all programs wrote."""
        return (self.folder / "programs.log").read_text(errors="replace")

    def user(self, **terms: object) -> UserId:
        """Somebody new whose tasks this engine carries."""
        user = UserId(next(self.users))
        self.ledger.lane(user, engine=self.engine, **terms)  # type: ignore[arg-type]
        return user

    def submit(
        self,
        user: UserId,
        tasks: int = 1,
        *,
        priority: int = 5,
        run_at: float = 0.0,
        version: int = 1,
        **payload: object,
    ) -> list[TaskId]:
        """Tasks that count to three, as their payload says."""
        content = json.dumps(payload).encode()
        new = [NewTask(TaskId(new_id()), content, version=version) for _ in range(tasks)]
        self.ledger.submit(NewBatch(BatchId(new_id()), user, new, priority=priority, run_at=run_at))
        return [task.id for task in new]

    def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Wait until something holds, and keep programs; what they wrote is shown when it does not come."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what or 'it'} did not come:\n{self.said[-6_000:]}")
            self.keep()
            time.sleep(0.02)

    def ended(self, names: Sequence[TaskId]) -> list[Task]:
        """These tasks, once all of them have ended."""
        self.until(lambda: all(self.ledger.task(name).state.ended for name in names), "the end of the tasks")
        return [self.ledger.task(name) for name in names]

    def completed(self, names: Sequence[TaskId]) -> None:
        """All of these end well, and no try was used up."""
        tasks = self.ended(names)
        found = {(task.state, task.attempt, task.summary.get("sum")) for task in tasks}
        assert found == {(State.COMPLETED, 1, 3)}, self.said[-3_000:]

    def statuses(self, names: Sequence[TaskId]) -> list[str]:
        """How people see these tasks now."""
        return [self.ledger.task(name).status for name in names]

    def run_at_once(self, most: int, names: Sequence[TaskId]) -> None:
        """Wait until so many of these run."""
        self.until(lambda: self.statuses(names).count("running") == most, f"{most} tasks that run")

    def turns(self, *users: UserId) -> int:
        """How many turns these users hold now."""
        return sum(lane.running + lane.leased for lane in self.ledger.queue().lanes if lane.user in users)

    def file(self) -> Path:
        """A path where nothing is yet."""
        return self.folder / new_id()

    def at(self, path: Path) -> None:
        """Wait until a step waits for this path."""
        self.until(Path(f"{path}.at").exists, f"a step that waits for {path.name}")

    def workers(self, most: int = 1) -> list[int]:
        """The process ids of this engine's workers, once there are so many."""

        def pids() -> list[int]:
            return [member.pid for member in self.ledger.members() if member.engine == self.engine]

        self.until(lambda: len(pids()) >= most, "the worker")
        return pids()

    def heard(self) -> None:
        """Wait until every worker was heard once more."""
        before = {member.id: member.seen_at for member in self.ledger.members()}
        self.until(lambda: all(m.seen_at > before.get(m.id, 0.0) for m in self.ledger.members()), "a heartbeat")

    def kill_workers(self) -> None:
        """As a machine does that is out of memory; whoever keeps them starts others."""
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """All workers stand still inside; none of them in the middle of a write, or a file's only lock would too."""
        pids = self.workers()
        with self.ledger.dialect.writer.begin():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            self.until(lambda: all(map(_stands, pids)), "a stop")
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End all programs in order."""
        for program in self.programs:
            if program.poll() is None:
                program.terminate()
        for program in self.programs:
            program.wait(PATIENCE)
        self.programs.clear()

    def end(self) -> None:
        """End all programs, whatever they do."""
        try:
            self.stop()
        finally:
            for program in self.programs:
                with suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()

    def close(self) -> None:
        """End what still runs; what the ledger promises held."""
        try:
            self.end()
            check_invariants(self.ledger)
        finally:
            self.ledger.close()


def _stands(pid: int) -> bool:
    """Does every thread of this process stand still?"""
    stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return {stat.rpartition(")")[2].split()[0] for stat in stats} == {"T"}


def new_ledger(kind: str, databases: Databases, folder: Path) -> tuple[SqlLedger, str]:
    """A new ledger on a database of this kind, and its address."""
    if kind == "sqlite file":
        url = new_file(folder / "ledger.db")
    else:
        try:
            url = databases.create(kind, f"house_{new_id().lower()}")
        except Missing as missing:
            needs(str(missing), there=False)
            raise
        migrated(url).close()
    return SqlLedger(connect(url), RULES), url


@contextmanager
def own(engine: str, kind: str, databases: Databases, folder: Path) -> Iterator[House]:
    """One of our own engines, on a new ledger; no program is started yet."""
    made = House(engine, *new_ledger(kind, databases, folder), folder)
    try:
        yield made
    finally:
        made.close()
