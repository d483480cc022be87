"""Tasks a second, pick-up and processor time of tasks that other makers' programs carry, with Paperlane and without."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines import ran
from benchmarks.figures import OURS, Figure, compared, median, percentile
from benchmarks.ledger.databases import Databases
from benchmarks.ledger.worker import batch, rules
from benchmarks.machine import watched
from benchmarks.peers.command import running
from benchmarks.program import ROOT, Failed, Program
from benchmarks.rounds import Rounds, Sample
from paperlane.carriers import slots_of
from paperlane.hosting import open_ledger
from paperlane.ledger import Ledger
from paperlane.model.tasks import UserId
from paperlane.settings import Settings

_PATIENCE = 120.0  # seconds
_LOOK = 0.01
_WARM = 0.1  # of all tasks, which are not counted: all processes shall be there
_GAP = 0.137  # seconds between two tasks: the worker is idle again
_FIRST = 20  # tasks that open connections and are not counted
_USERS = range(1, 11)
_USER_LIMIT = 100
BARE = "without Paperlane"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine on a broker. `rate` is about how many tasks a second it runs bare, `command` starts it so."""

    name: str
    engine: str
    broker: str
    rate: float
    command: Sequence[str]

    @property
    def slots(self) -> int:
        """As many as its workers have where nobody asks for a number."""
        return slots_of(Settings(), self.engine)

    @property
    def python(self) -> Path:
        """Of its environment, which the Makefile makes."""
        return ROOT / f"build/engine-{self.engine}/bin/python"

    def bare(self, broker: str) -> list[str]:
        """The command of its own program."""
        return [str(self.python), "-m", *(word.format(slots=self.slots, broker=broker) for word in self.command)]


_ARQ = "benchmarks.engines.bare_arq"
_CELERY = (
    "celery -A benchmarks.engines.bare_celery worker --loglevel warning --without-gossip --without-mingle -c {slots}"
)
ENGINES = {
    one.name: one
    for one in (
        Engine("arq", "arq", "redis", 2_000, ("arq", f"{_ARQ}.WorkerSettings", "--custom-log-dict", f"{_ARQ}.QUIET")),
        Engine("celery.redis", "celery", "redis", 500, _CELERY.split()),
        Engine("celery.rabbitmq", "celery", "rabbitmq", 1_000, _CELERY.split()),
        Engine("rq", "rq", "redis", 100, "rq.cli worker-pool bench -u {broker} -n {slots} -S json -q".split()),  # noqa: SIM905
    )
}


@dataclass
class _Turn:
    """One turn of an engine, with empty servers: what its tasks tell is in `file`."""

    engine: Engine
    databases: Databases
    folder: Path

    def __post_init__(self) -> None:
        self.file = self.folder / "ran"
        self.broker = self.databases.fresh(self.engine.broker)
        if not self.engine.python.exists():
            raise Failed(f"the environment of {self.engine.engine} is missing: make engine-{self.engine.engine}")

    @property
    def variables(self) -> Mapping[str, str]:
        """What its programs are told."""
        return {
            "PAPERLANE_BENCH_BROKER": self.broker,
            "PAPERLANE_BENCH_SLOTS": str(self.engine.slots),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            ran.FILE: str(self.file),
        }

    @contextmanager
    def program(self, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A program of the engine."""
        with running(command, {**os.environ, **self.variables}) as process:
            yield process

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Look until something is so."""
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise Failed(f"{what} did not come within {_PATIENCE:.0f} s")
            time.sleep(_LOOK)

    def until_ran(self, tasks: int) -> None:
        """Until so many tasks have begun."""
        self.until(lambda: ran.count(self.file) >= tasks, f"task {tasks}")

    def rate(self, tasks: int, ended: float) -> float:
        """Tasks a second, without the first of them."""
        warm = int(tasks * _WARM)
        return (tasks - warm) / (ended - ran.times(self.file)[warm])

    def waits(self, sent: Sequence[float]) -> Mapping[str, float]:
        """Milliseconds from a submit until the task began."""
        waits = [(at - began) * 1e3 for began, at in zip(sent, ran.times(self.file), strict=True)][_FIRST:]
        return {"p50": percentile(waits, 0.5), "p95": percentile(waits, 0.95)}


class _Bare(_Turn):
    """The engine's own program, with the settings that Paperlane gives it."""

    @contextmanager
    def _sender(self) -> Iterator[Program]:
        module = f"benchmarks.engines.bare_{self.engine.engine}"
        with Program(module, self.engine.python, self.variables) as sender:
            yield sender

    def drain(self, tasks: int) -> Sample:
        """All are in the queue before a worker comes."""
        with self._sender() as sender:
            sender.ask("fill", count=tasks)
        with self.program(self.engine.bare(self.broker)) as process:
            self.until_ran(int(tasks * _WARM))
            with watched(engine=process.pid, broker=self.databases.pid(self.engine.broker)) as load:
                before = ran.count(self.file)
                self.until_ran(tasks)
            ended = ran.times(self.file)[-1]
        used = {name: seconds / (tasks - before) for name, seconds in load.used.items()}
        return Sample(self.rate(tasks, ended), used, load.foreign)

    def pickup(self, tasks: int) -> Sample:
        """One at a time."""
        with self._sender() as sender, self.program(self.engine.bare(self.broker)):
            sender.ask("fill", count=1)
            self.until_ran(1)
            with watched() as load:
                sent = sender.ask("send", count=tasks, gap=_GAP)
                self.until_ran(tasks + 1)
            waits = self.waits([0.0, *sent])
        return Sample(waits["p50"], foreign=load.foreign, more=waits)


class _Carried(_Turn):
    """The engine as `paperlane worker` runs it, over PostgreSQL."""

    @contextmanager
    def _working(self) -> Iterator[tuple[Ledger, int, int]]:
        """The ledger, and the process ids of the program and the worker beside it, which have run something."""
        url = self.databases.fresh("postgresql")
        ledger = open_ledger(url, rules(_USER_LIMIT))
        try:
            for user in _USERS:
                ledger.lane(UserId(user), engine=self.engine.engine)
            where = ["--url", url, "--broker", self.broker, "--slots", str(self.engine.slots)]
            command = [str(self.engine.python), "-m", "benchmarks.engines.carrying", self.engine.engine, *where]
            with self.program(command) as process:
                ledger.submit(batch(1))
                self._until_idle(ledger)
                (member,) = ledger.members()
                yield ledger, process.pid, member.pid
        finally:
            ledger.close()
            self.databases.drop(url)

    def _until_idle(self, ledger: Ledger) -> None:
        def idle() -> bool:
            queue = ledger.queue(most=0)
            return queue.queued == queue.running == 0

        self.until(idle, "the end of all tasks")

    def drain(self, tasks: int) -> Sample:
        """All wait in the ledger before the engine may start any; until all have ended there."""
        with self._working() as (ledger, program, beside):
            ledger.pause(self.engine.engine, paused=True)
            ledger.submit_many([batch(user, tasks // len(_USERS)) for user in _USERS])
            self.databases.settle()
            self.file.unlink()
            ledger.pause(self.engine.engine, paused=False)
            self.until_ran(int(tasks * _WARM))
            pids = {"broker": self.databases.pid(self.engine.broker), "server": self.databases.pid("postgresql")}
            with watched(program=program, beside=beside, **pids) as load:
                before = ran.count(self.file)
                self.until_ran(tasks)
                self._until_idle(ledger)
                ended = time.monotonic()
        used = {name: seconds / (tasks - before) for name, seconds in load.used.items()}
        used["program"] -= used["beside"]  # which is one of its children
        more = {"engine": used["program"] * 1e6, "ledger": (used["beside"] + used["server"]) * 1e6}
        return Sample(self.rate(tasks, ended), used, load.foreign, more)

    def pickup(self, tasks: int) -> Sample:
        """One at a time."""
        with self._working() as (ledger, _program, _beside):
            sent: list[float] = []
            with watched() as load:
                for number in range(tasks):
                    sent.append(time.monotonic())
                    ledger.submit(batch(number % len(_USERS) + 1))
                    time.sleep(_GAP)
                self._until_idle(ledger)
            waits = self.waits([0.0, *sent])
        return Sample(waits["p50"], foreign=load.foreign, more=waits)


def _case(
    take: Callable[[_Turn], Sample], kind: type[_Turn], engine: Engine, databases: Databases
) -> Callable[[], Sample]:
    def turn() -> Sample:
        with tempfile.TemporaryDirectory(prefix="paperlane-bench-") as folder:
            return take(kind(engine, databases, Path(folder)))

    return turn


def measured(name: str, databases: Databases, rounds: Rounds) -> list[Figure]:
    """Of one engine with and without Paperlane, in turn; what a task costs in the engine, and in the ledger."""
    engine = ENGINES[name]
    tasks = int(max(engine.rate * rounds.seconds / 2, 100)) // 10 * 10
    some = _FIRST + (20 if rounds.quick else 100)
    kinds = {OURS: _Carried, BARE: _Bare}
    drains = rounds.interleaved(
        {name: _case(lambda turn: turn.drain(tasks), kind, engine, databases) for name, kind in kinds.items()}
    )
    pickups = rounds.interleaved(
        {name: _case(lambda turn: turn.pickup(some), kind, engine, databases) for name, kind in kinds.items()}
    )
    said = {OURS: f"{engine.slots} slots, PostgreSQL"}
    name = f"engines.{name}"
    figures = compared(
        f"{name}.drain", "tasks/s", drains.values(OURS), {BARE: drains.values(BARE)}, said, drains.failed
    )
    for point in ("p50", "p95"):
        others = {BARE: pickups.more(BARE, point)}
        figures += compared(f"{name}.pickup.{point}", "ms", pickups.more(OURS, point), others, failed=pickups.failed)
    beyond = [ours - bare for ours, bare in zip(*(pickups.more(who, "p50") for who in kinds), strict=False)]
    figures.append(median(f"{name}.pickup.beyond", "ms", beyond))
    figures += compared(f"{name}.cpu", "us/task", drains.cpu(OURS), {BARE: drains.cpu(BARE)})
    for what in ("engine", "ledger"):
        figures.append(median(f"{name}.cpu.{what}", "us/task", drains.more(OURS, what)))
    return figures
