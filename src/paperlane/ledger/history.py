"""Writing down what happens to tasks: each change beside the numbered event that tells of it, many tasks at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Insert, Update, bindparam, case, insert, literal, select

from paperlane.ledger.dialects import Given, GivenRows, Kind
from paperlane.ledger.dialects.keyed import KeyedUpdate, select_by_key
from paperlane.ledger.schema import attempts, events, tasks
from paperlane.ledger.writing import Writing

Change = dict[str, Any]
"""A task's row, or some of its columns."""

WHOLE_TURN = tuple(tasks.c[name] for name in tasks.c.keys() if name not in {"payload", "summary", "fault", "message"})  # noqa: SIM118  not a dict
"""What deciding about a task takes: all but what only people read."""

_KINDS: dict[str, Kind] = {
    "state": "key", "stage": "key", "charged": "float", "run": "int", "fence": "int", "attempt": "int",
    "retries": "int", "crashes": "int", "cancel": "int", "engine": "key", "worker_id": "key", "lease_until": "float",
    "run_at": "float", "started_at": "float", "finished_at": "float", "step": "text", "percent": "float",
    "message": "text", "fault": "text", "summary": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """A task that this transaction has locked, what it becomes, and the word for it in its history."""

    task: Change
    to: Change
    kind: str


def move(writing: Writing, moves: Iterable[Move]) -> None:
    """Carry out moves, each with its event."""
    alike: dict[tuple[tuple[str, ...], str], list[Move]] = {}
    for one in moves:
        alike.setdefault((tuple(sorted(one.to)), one.kind), []).append(one)
    for (columns, kind), some in alike.items():
        change, given = _update(writing.dialect.given, columns)
        rows = [(x.task["id"], x.task["fence"], *(x.to[name] for name in columns)) for x in some]
        changed = writing.connection.execute(change, given.bind(rows)).rowcount
        if changed != len(rows):  # they are locked, so this cannot be; if it is, nothing of it shall stand
            raise RuntimeError(f"{len(rows)} tasks are locked, {changed} changed")
        tell(writing, [x.task["id"] for x in some], kind)


@cache
def _update(given_rows: GivenRows, columns: tuple[str, ...]) -> tuple[Update, Given]:
    given = given_rows("moved", of_task="key", of_fence="int", **{f"to_{name}": _KINDS[name] for name in columns})
    to = {name: given.table.c[f"to_{name}"] for name in columns}
    whose = (tasks.c.id == given.table.c.of_task, tasks.c.fence == given.table.c.of_fence)
    return KeyedUpdate(tasks).where(*whose).values({**to, "seq": tasks.c.seq + 1}), given


def tell(writing: Writing, told: Sequence[str], kind: str) -> None:
    """Append an event of each of these tasks: its present state, under the number that it has reached."""
    statement, given = _tell(writing.dialect.given)
    rows = given.bind([(task,) for task in told])
    writing.connection.execute(statement, {**rows, "kind": kind, "at": writing.now})


_STATUS = case((tasks.c.state.in_(("ready", "waiting", "leased")), literal("queued")), else_=tasks.c.state)
_TOLD = ("task_id", "seq", "fence", "kind", "status", "step", "percent", "message", "at")


@cache
def _tell(given_rows: GivenRows) -> tuple[Insert, Given]:
    given = given_rows("told", of_task="key")
    present = select(
        tasks.c.id,
        tasks.c.seq,
        tasks.c.fence,
        bindparam("kind", type_=events.c.kind.type),
        _STATUS,
        tasks.c.step,
        tasks.c.percent,
        tasks.c.message,
        bindparam("at", type_=events.c.at.type),
    ).where(tasks.c.id == given.table.c.of_task)
    return insert(events).from_select(_TOLD, select_by_key(present, given.table)), given


def open_attempts(writing: Writing, running: Sequence[Change]) -> None:
    """Attempts of these tasks begin, which run already."""
    if running:
        statement, given = _open(writing.dialect.given)
        rows = given.bind([(task["id"],) for task in running])
        writing.connection.execute(statement, {**rows, "at": writing.now})


@cache
def _open(given_rows: GivenRows) -> tuple[Insert, Given]:
    given = given_rows("opened", of_task="key")
    running = select(
        tasks.c.id,
        tasks.c.fence,
        tasks.c.attempt,
        tasks.c.engine,
        tasks.c.worker_id,
        bindparam("at", type_=attempts.c.started_at.type),
    ).where(tasks.c.id == given.table.c.of_task)
    columns = ("task_id", "fence", "number", "engine", "worker_id", "started_at")
    return insert(attempts).from_select(columns, select_by_key(running, given.table)), given


def close_attempts(writing: Writing, ended: Sequence[tuple[str, int, str, str | None]]) -> None:
    """Attempts end: (task, fence, outcome, fault as JSON)."""
    if ended:
        statement, given = _close(writing.dialect.given)
        writing.connection.execute(statement, {**given.bind(ended), "at": writing.now})


@cache
def _close(given_rows: GivenRows) -> tuple[Update, Given]:
    given = given_rows("closed", of_task="key", of_fence="int", how="key", why="text")
    whose = (attempts.c.task_id == given.table.c.of_task, attempts.c.fence == given.table.c.of_fence)
    to = {"outcome": given.table.c.how, "fault": given.table.c.why, "ended_at": bindparam("at")}
    return KeyedUpdate(attempts).where(*whose).values(to), given
