"""Programs that the kill soak starts and kills: workers of an engine, and who submits.

They are forked by a process that has loaded everything (`python -m tests.faults.soaked`), so each is up at once: it
reads one JSON object a line, with the program's `what`, `url`, `folder`, `name` and `point`, and answers with its id.

A `point`, METHOD:before|after:COUNT:kill|stop, makes a worker kill or stop itself at that call of its ledger. Nothing
in the product knows of such points: the ledger is wrapped here.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from tests.work.counting import STEPS, HereAndNow, count

from paperlane import logs
from paperlane.clock import SortableIds, SystemClock
from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.errors import Conflict, TooMany, Unavailable
from paperlane.hosting import Host
from paperlane.ledger import Also, Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.steps import RunStep, Saved
from paperlane.model.tasks import BatchId, NewBatch, NewTask, Stage, TaskId, UserId
from paperlane.settings import Settings
from paperlane.work import Chain
from paperlane.work.attempt import PartEnds

RULES = Rules(
    lease=2.0, undelivered=3.0, retry_delay=0.2, max_crashes=4, user_backlog=40, system_backlog=120, system_limit=8
)
LIMITS = {1: 2, 2: 3, 3: 1, 4: 2, 5: 2}
ENGINES = {1: "database", 2: "database", 3: "database", 4: "inline", 5: "inline"}
SLOTS = 2
SWEEP = 0.5
POINTS = ("step", "begin", "started", "save", "finish", "renew", "progress", "recover", "lease", "register")


class Notes:
    """A file of lines, each there as soon as it is written, whatever becomes of its writer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, **what: object) -> None:
        os.write(self._file, json.dumps({**what, "at": time.time()}).encode() + b"\n")


class FaultyLedger:
    """A ledger that dies at its fail point; for a database that is away the product has to wait itself."""

    def __init__(self, ledger: SqlLedger, notes: Notes, point: str) -> None:
        self._ledger = ledger
        self._notes = notes
        method, when, calls, how = point.split(":") if point else ("", "", "0", "")
        self._point = (method, when)
        self._left = int(calls)
        self._signal = signal.SIGSTOP if how == "stop" else signal.SIGKILL

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)
        return self._careful(name, method) if callable(method) else method

    def _careful(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self._reached(name, "before")
            answer = method(*given, **named)
            self._reached(name, "after")
            return answer

        return call

    def _reached(self, name: str, when: str) -> None:
        if (name, when) == self._point:
            self._left -= 1
            if self._left == 0:
                self._notes(fault=f"{name} {when} {self._signal.name}")
                os.kill(os.getpid(), self._signal)

    def recover(self) -> Any:
        self._reached("recover", "before")
        found = self._ledger.recover()
        if found.drifted:
            self._notes(drifted=found.drifted)
        self._reached("recover", "after")
        return found


def effect(task: TaskId, step: str, _result: bytes) -> Also:
    """What a step does to the world: a row, written with its checkpoint."""

    def write(connection: Connection) -> None:
        row = {"task": task, "step": step, "pid": os.getpid()}
        connection.execute(text("INSERT INTO effects (task_id, step, pid) VALUES (:task, :step, :pid)"), row)

    return write


async def count_in_parts(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    """The same steps, with a pause before some of them, as if the next one were another worker's."""
    for step in STEPS.values():
        if random.random() < 0.2:
            raise PartEnds(random.choice(list(Stage)))
        value = await run(step, value)
    return value


async def work(url: str, notes: Notes, engine: str, point: str) -> None:
    """Work until killed."""
    ledger = FaultyLedger(SqlLedger(connect(url), RULES), notes, point)
    steps = HereAndNow()
    steps.before = lambda _step, _value: asyncio.sleep(random.uniform(0, 0.1))
    pushed = engine == "inline"  # of what workers pull, nobody would hand the next part over
    chain = Chain(count_in_parts if pushed else count, also=effect, summary=json.loads)
    host = Host(ledger, chain, steps, heartbeat=0.5, sweep=SWEEP)  # type: ignore[arg-type]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if pushed:
        await host.push(Inline(), SLOTS, stop)
    else:
        await host.pull(Database(), SLOTS, stop)


def submit(url: str, notes: Notes) -> None:
    """Submit and cancel until killed, noting what is asked before, and what is acknowledged after."""
    ledger = SqlLedger(connect(url), RULES)
    new_id = SortableIds(SystemClock())
    mine: list[TaskId] = []
    while True:
        user = UserId(random.choice(list(LIMITS)))
        key = new_id()
        payloads = [_payload() for _ in range(random.randint(1, 5))]
        if (taken := _submitted(ledger, notes, user, key, payloads, new_id)) is not None:
            mine += taken
        if mine and random.random() < 0.2:
            _cancelled(ledger, notes, random.choice(mine[-20:]))
        time.sleep(random.uniform(0.02, 0.15))


def _payload() -> bytes:
    return json.dumps({"sum": 0, **({"fault in two": "passing"} if random.random() < 0.03 else {})}).encode()


def _submitted(
    ledger: SqlLedger, notes: Notes, user: UserId, key: str, payloads: Sequence[bytes], new_id: Callable[[], str]
) -> list[TaskId] | None:
    """Ask until there is an answer, each time with new ids under the same key, as clients of the service do."""
    while True:
        tasks = [NewTask(TaskId(new_id()), payload) for payload in payloads]
        batch = NewBatch(BatchId(new_id()), user, tasks, key=key, content="same")
        notes(asked=batch.id, key=key, user=user, tasks=[task.id for task in tasks])
        try:
            made, _ = ledger.submit(batch)
        except TooMany:
            return None
        except Unavailable:
            time.sleep(random.uniform(0.05, 0.3))
            continue
        notes(acknowledged=made.id, key=key, size=len(payloads))
        return [task.id for task in tasks] if made.id == batch.id else []


def _cancelled(ledger: SqlLedger, notes: Notes, task: TaskId) -> None:
    try:
        ledger.cancel(task)
    except (Conflict, Unavailable):
        return
    notes(cancelled=task)


def run(what: str, url: str, folder: str, name: str, point: str) -> None:
    """Be this program."""
    log = os.open(Path(folder) / f"{name}.log", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    random.seed()
    logs.configure(Settings(log_level="error"))
    notes = Notes(Path(folder) / f"{what.partition('-')[0]}-{name}.jsonl")
    try:
        if what == "submitter":
            submit(url, notes)
        else:
            asyncio.run(work(url, notes, what.partition("-")[2], point))
    except BaseException as error:
        notes(fell="".join(traceback.format_exception(error)))
        raise


def main() -> None:
    """Fork whatever is asked for, until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            run(**json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
