"""Other makers' programs at work on a real ledger and a real broker, as a test sees them from outside."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from tests.conftest import ROOT, needs
from tests.databases import Databases, migrated
from tests.engines.counting_host import RULES
from tests.ledger.invariants import check_invariants
from tools import servers
from tools.servers import Missing, Server

from paperlane.clock import SortableIds, SystemClock
from paperlane.engines.door import words_of
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.tasks import BatchId, Lease, NewBatch, NewTask, State, Task, TaskId, UserId

new_id = SortableIds(SystemClock())
PATIENCE = 60.0  # seconds
ENGINES = {
    "arq": ("arq", partial(servers.redis, tls=True)),
    "celery on Redis": ("celery", partial(servers.redis, tls=True)),
    "celery on RabbitMQ": ("celery", partial(servers.rabbitmq, tls=True)),
    "rq": ("rq", partial(servers.redis, tls=True)),
}
"""By the name of a case: the engine, and what starts its broker."""


def interpreter(engine: str) -> str:
    """The Python of the engine's own environment, which `make test` makes."""
    path = ROOT / f"build/engine-{engine}/bin/python"
    needs(f"the environment of {engine}: make build/engine-{engine}/made", there=path.exists())
    return str(path)


@dataclass
class Carried:
    """An engine's ledger, broker and programs."""

    engine: str
    broker: Server
    ledger: SqlLedger
    url: str
    folder: Path
    python: str
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)
    users: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self, slots: int = 4, *options: str, broker: str = "") -> subprocess.Popen[bytes]:
        """A program with its worker beside, in a process group of its own."""
        where = ("--url", self.url, "--broker", broker or self.broker.url, "--slots", str(slots))
        command = [self.python, "-m", "tests.engines.foreign", self.engine, *where, *options]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "default"}
        with (self.folder / "programs.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.programs.append(process)
        return process

    def deliver(self, leases: Sequence[Lease], times: int = 1) -> None:
        """Hand these over, as a dispatcher does, so many times."""
        command = [self.python, "-m", "tests.engines.deliver", self.engine, "--broker", self.broker.url]
        words = json.dumps([words_of(lease) for lease in leases]).encode()
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        subprocess.run([*command, "--times", str(times)], input=words, check=True, env=environment, cwd=self.folder)

    def running(self) -> None:
        """Let one program at least be at work, with its worker beside."""
        if all(program.poll() is not None for program in self.programs):
            self.programs.clear()
            self.start()
        self.workers()

    def forget_all(self) -> None:
        """What the broker, which does not run, has kept is lost."""
        for left in self.broker.folder.iterdir():
            if left.name not in {"server.log", "tls"}:
                shutil.rmtree(left) if left.is_dir() else left.unlink()

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
        self, user: UserId, tasks: int = 1, *, priority: int = 5, run_at: float = 0.0, **payload: object
    ) -> list[TaskId]:
        """Tasks that count to three, as their payload says."""
        new = [NewTask(TaskId(new_id()), json.dumps(payload).encode()) for _ in range(tasks)]
        self.ledger.submit(NewBatch(BatchId(new_id()), user, new, priority=priority, run_at=run_at))
        return [task.id for task in new]

    def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Wait until something holds; what the programs wrote is shown when it does not come."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what or 'it'} did not come:\n{self.said[-6_000:]}")
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

    def file(self) -> Path:
        """A path where nothing is yet."""
        return self.folder / new_id()

    def at(self, path: Path) -> None:
        """Wait until a step waits for this path."""
        self.until(Path(f"{path}.at").exists, f"a step that waits for {path.name}")

    def workers(self, most: int = 1) -> list[int]:
        """The process ids of the workers beside, once there are so many."""
        self.until(lambda: len(self.ledger.members()) >= most, "the worker beside")
        return [member.pid for member in self.ledger.members()]

    def stop(self) -> None:
        """End all programs in order."""
        for program in self.programs:
            if program.poll() is None:
                program.terminate()
        for program in self.programs:
            program.wait(PATIENCE)
        self.programs.clear()

    def close(self) -> None:
        """End what still runs; what the ledger promises held."""
        try:
            self.stop()
            check_invariants(self.ledger)
        finally:
            for program in self.programs:
                with suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
            self.ledger.close()


@contextmanager
def carried(case: str, databases: Databases, folder: Path) -> Iterator[Carried]:
    """A new broker, and a new ledger on PostgreSQL; no program is started yet."""
    engine, start_broker = ENGINES[case]
    python = interpreter(engine)
    try:
        databases.server("postgresql")
        broker = start_broker()
    except Missing as missing:
        needs(str(missing), there=False)
        raise
    url = databases.create("postgresql", f"carried_{new_id().lower()}")
    migrated(url).close()
    made = Carried(engine, broker, SqlLedger(connect(url), RULES), url, folder, python)
    try:
        yield made
    finally:
        made.close()
        broker.close()
