"""Writing down what happens to tasks: each change beside the numbered event that tells of it, many tasks at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Executable,
    FromClause,
    Insert,
    Select,
    Update,
    bindparam,
    case,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)

from paperlane.ledger.dialects import Given, GivenRows, Kind
from paperlane.ledger.dialects.keyed import KeyedUpdate, select_by_key
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import attempts, events, tasks
from paperlane.ledger.writing import Writing

Change = dict[str, Any]
"""A task's row, or some of its columns."""

WHOLE_TURN = tuple(
    tasks.c[name]
    for name in (
        "id", "user_id", "state", "stage", "cost", "charged", "run", "fence", "retries", "crashes", "cancel",
        "started_at", "percent", "dead", "run_at",
    )
)  # fmt: skip
"""What deciding about a task takes."""

HEAD = tuple(
    tasks.c[name] for name in ("id", "user_id", "fence", "cost", "retries", "started_at", "stage", "state", "crashes")
)
"""What giving it a turn takes."""

_KINDS: dict[str, Kind] = {
    "state": "key", "stage": "key", "charged": "float", "run": "int", "fence": "int", "attempt": "int",
    "retries": "int", "crashes": "int", "cancel": "int", "engine": "key", "worker_id": "key", "lease_until": "float",
    "run_at": "float", "started_at": "float", "finished_at": "float", "step": "text", "percent": "float",
    "message": "text", "fault": "text", "cause": "key", "dead": "int", "summary": "text",
}  # fmt: skip


_SHARED = ("state", "engine", "worker_id", "lease_until", "finished_at")
"""Columns that most moves of a kind set to the same: it is given once, for giving values costs more than most else."""

Columns = tuple[tuple[str, ...], tuple[str, ...]]
"""Columns that moves set: those with a value for each, and those with one for all."""


@dataclass(frozen=True, slots=True)
class Move:
    """A task that this transaction has locked, what it becomes, and the word for it in its history."""

    task: Change
    to: Change
    kind: str


_ENDINGS = {"completed", "failed", "cancelled", "retry", "yielded", "crashed", "poison"}


def move(writing: Writing, moves: Iterable[Move]) -> None:
    """Carry out moves, each with its event; attempts begin and end with them."""
    alike: dict[tuple[object, ...], list[Move]] = {}
    for one in moves:
        alike.setdefault((one.kind, *one.to, *map(one.to.get, _SHARED)), []).append(one)
    for some in alike.values():
        kind, to = some[0].kind, some[0].to
        shared = {name: _clean(to[name]) for name in _SHARED if name in to}
        own = tuple(name for name in to if name not in shared)
        whose = [x.task["id"] for x in some], [x.task["fence"] for x in some]
        becomes = [_clean_all([x.to[name] for x in some], _KINDS[name]) for name in own]
        all_to = {f"all_{name}": shared[name] for name in shared}
        _carry_out(writing, (own, tuple(shared)), kind, [*whose, *becomes], all_to)


def _clean_all(values: list[Any], kind: Kind) -> list[Any]:
    return values if kind in {"int", "float"} else list(map(_clean, values))


def _clean(value: object) -> object:
    """The value, without what some databases refuse in a text: a message may quote any document."""
    if isinstance(value, str) and not value.isprintable():
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return value


def _carry_out(
    writing: Writing, columns: Columns, kind: str, values: Sequence[Sequence[object]], shared: Mapping[str, object]
) -> None:
    """They are locked, so each of them changes; if one does not, nothing of it shall stand."""
    count = len(values[0])
    at = {"kind": kind, "at": writing.now}
    if writing.dialect.chains:
        chain, given = _chain(writing.dialect.given, columns, kind)
        writing.soon(chain, {**given.bind(*values), **shared, **at, "all": count})
        return
    change, follow, given = _parts(writing.dialect.given, columns, kind)
    told = given.bind(*values)
    changed = writing.soon(change, {**told, **shared}).count()
    if changed != count:
        raise RuntimeError(f"{count} tasks are locked, {changed} changed")
    for statement in follow:
        writing.soon(statement, {**told, **at})


def _change(given: Given, columns: Columns) -> Update:
    own, shared = columns
    to = {name: given.table.c[f"to_{name}"] for name in own}
    to |= {name: bindparam(f"all_{name}", type_=tasks.c[name].type) for name in shared}
    whose = (tasks.c.id == given.table.c.of_task, tasks.c.fence == given.table.c.of_fence)
    return KeyedUpdate(tasks).where(*whose).values({**to, "seq": tasks.c.seq + 1})


def _given(given_rows: GivenRows, columns: Columns) -> Given:
    return given_rows("moved", of_task="key", of_fence="int", **{f"to_{name}": _KINDS[name] for name in columns[0]})


@cache
def _parts(given_rows: GivenRows, columns: Columns, kind: str) -> tuple[Prepared, Sequence[Prepared], Given]:
    """The change, and what is written beside it, in statements of their own."""
    given = _given(given_rows, columns)
    present = select_by_key(select(tasks).where(tasks.c.id == given.table.c.of_task), given.table, tasks)
    written: list[Executable] = [_tell(present, tasks)]
    if kind == "begun":
        written.append(_open(present, tasks))
    elif kind in _ENDINGS:
        written.append(_close(given, columns))
    return Prepared(_change(given, columns)), [Prepared(statement) for statement in written], given


@cache
def _chain(given_rows: GivenRows, columns: Columns, kind: str) -> tuple[Prepared, Given]:
    """The same as one statement, where a database can chain them. It fails where not all of them changed."""
    given = _given(given_rows, columns)
    moved = _change(given, columns).returning(*_TOLD_OF).cte("changed")
    # nobody waits for the answer, for it comes with the commit's: so it divides by zero
    all_changed = literal(1) // case((func.count() == bindparam("all", type_=BigInteger), 1), else_=0)
    answer = select(all_changed).select_from(moved).add_cte(_tell(select(moved), moved).cte("told"))
    if kind == "begun":
        answer = answer.add_cte(_open(select(moved), moved).cte("opened"))
    elif kind in _ENDINGS:
        answer = answer.add_cte(_close(given, columns).cte("closed"))
    return Prepared(answer), given


_TOLD = ("task_id", "seq", "fence", "kind", "status", "step", "percent", "message", "at")
_TOLD_OF = tuple(
    tasks.c[name]
    for name in ("id", "seq", "fence", "state", "step", "percent", "message", "attempt", "engine", "worker_id")
)


def _tell(moved: Select[*tuple[Any, ...]], of: FromClause) -> Insert:
    """The event of each moved task: its present state, under the number that it has reached."""
    waits = or_(*(of.c.state == state for state in ("ready", "waiting", "leased")))
    queued = case((waits, literal("queued")), else_=of.c.state)
    kind = bindparam("kind", type_=events.c.kind.type)
    at = bindparam("at", type_=events.c.at.type)
    columns = (of.c.id, of.c.seq, of.c.fence, kind, queued, of.c.step, of.c.percent, of.c.message, at)
    return insert(events).from_select(_TOLD, moved.with_only_columns(*columns))


def _open(moved: Select[*tuple[Any, ...]], of: FromClause) -> Insert:
    """An attempt of each moved task begins."""
    at = bindparam("at", type_=attempts.c.started_at.type)
    columns = (of.c.id, of.c.fence, of.c.attempt, of.c.engine, of.c.worker_id, at)
    names = ("task_id", "fence", "number", "engine", "worker_id", "started_at")
    return insert(attempts).from_select(names, moved.with_only_columns(*columns))


def _close(given: Given, columns: Columns) -> Update:
    """The attempt of each moved task ends, where it had begun."""
    whose = (
        attempts.c.task_id == given.table.c.of_task,
        attempts.c.fence == given.table.c.of_fence,
        attempts.c.ended_at == 0,
    )
    fault = given.table.c.to_fault if "fault" in columns[0] else null()
    to = {"outcome": bindparam("kind", type_=attempts.c.outcome.type), "fault": fault, "ended_at": bindparam("at")}
    return KeyedUpdate(attempts).where(*whose).values(to)
