"""Writing down what happens to tasks: each change beside the numbered event that tells of it, many tasks at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
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
from paperlane.ledger.sense import clean
from paperlane.ledger.writing import Writing

Change = dict[str, Any]
"""A task's row, or some of its columns."""

WHOLE_TURN = tuple(
    tasks.c[name]
    for name in (
        "id", "user_id", "state", "stage", "cost", "charged", "run", "fence", "retries", "crashes", "cancel",
        "worker_id", "started_at", "percent", "dead", "run_at", "engine", "parted", "used", "took",
    )
)  # fmt: skip
"""What deciding about a task takes."""

HEAD = tuple(
    tasks.c[name] for name in ("id", "user_id", "fence", "cost", "retries", "started_at", "stage", "state", "crashes")
)
"""What giving it a turn takes."""

_KINDS: dict[str, Kind] = {
    "state": "key", "stage": "key", "parted": "int", "used": "float", "took": "float", "charged": "float",
    "run": "int", "fence": "int", "attempt": "int", "retries": "int", "crashes": "int", "cancel": "int",
    "engine": "key", "worker_id": "key", "lease_until": "float", "run_at": "float", "started_at": "float",
    "begun_at": "float", "finished_at": "float", "step": "text", "percent": "float", "message": "text",
    "fault": "text", "cause": "key", "dead": "int", "summary": "text",
}  # fmt: skip


_SHARED = ("state", "engine", "worker_id", "lease_until", "begun_at", "finished_at")
"""Columns that most moves of a kind set to the same: it is given once, for giving values costs more than most else."""

Columns = tuple[tuple[str, ...], tuple[str, ...]]
"""Columns that moves set: those with a value for each, and those with one for all."""


@dataclass(frozen=True, slots=True)
class Move:
    """A task that this transaction has locked, what it becomes, and the word for it in its history."""

    task: Change
    to: Change
    kind: str

    @property
    def runner(self) -> str:
        """Whose attempt ends with it, "" where none does."""
        return self.task["worker_id"] if self.kind in _ENDINGS and self.task["state"] == "running" else ""


_ENDINGS = {"completed", "failed", "cancelled", "retry", "yielded", "paused", "crashed", "poison"}
_LAST = frozenset({"completed", "failed", "cancelled", "poison"})
"""After these nothing comes, unless a person starts the task again."""


def move(writing: Writing, moves: Iterable[Move]) -> None:
    """Carry out moves, each with its event; an attempt is written down as it ends."""
    alike: dict[tuple[object, ...], list[Move]] = {}
    for one in moves:
        if one.kind in _LAST:
            writing.ended.append(one.task["id"])
        alike.setdefault((one.kind, one.runner, *one.to, *map(one.to.get, _SHARED)), []).append(one)
    for some in alike.values():
        to = some[0].to
        shared = {name: _clean(to[name]) for name in _SHARED if name in to}
        own = tuple(name for name in to if name not in shared)
        whose = [x.task["id"] for x in some], [x.task["fence"] for x in some]
        becomes = [_clean_all([x.to[name] for x in some], _KINDS[name]) for name in own]
        all_to = {f"all_{name}": shared[name] for name in shared}
        _carry_out(writing, (own, tuple(shared)), some[0], [*whose, *becomes], all_to)


def _clean_all(values: list[Any], kind: Kind) -> list[Any]:
    return values if kind in {"int", "float"} else list(map(_clean, values))


def _clean(value: object) -> object:
    """The value; a message may quote any document."""
    return clean(value) if isinstance(value, str) else value


def _carry_out(
    writing: Writing, columns: Columns, like: Move, values: Sequence[Sequence[object]], shared: Mapping[str, object]
) -> None:
    """They are locked, so each of them changes; if one does not, nothing of it shall stand."""
    count = len(values[0])
    at = {"kind": like.kind, "runner": like.runner, "at": writing.now}
    ends = like.kind if like.runner else ""
    if writing.dialect.chains:
        chain, given = _chain(writing.dialect.given, columns, ends)
        writing.soon(chain, {**given.bind(*values), **shared, **at, "all": count})
        return
    change, follow, given = _parts(writing.dialect.given, columns, ends)
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
def _parts(given_rows: GivenRows, columns: Columns, ends: str) -> tuple[Prepared, Sequence[Prepared], Given]:
    """The change, and what is written beside it, in statements of their own; `ends` is how attempts end, if they do."""
    given = _given(given_rows, columns)
    present = select_by_key(select(tasks).where(tasks.c.id == given.table.c.of_task), given.table, tasks)
    written = [_tell(present, tasks)]
    if ends:
        written.append(_record(present, tasks, columns, ends))
    return Prepared(_change(given, columns)), [Prepared(statement) for statement in written], given


@cache
def _chain(given_rows: GivenRows, columns: Columns, ends: str) -> tuple[Prepared, Given]:
    """The same as one statement, where a database can chain them. It fails where not all of them changed."""
    given = _given(given_rows, columns)
    moved = _change(given, columns).returning(*_TOLD_OF, *(_RECORDED_OF if ends else ())).cte("changed")
    # nobody waits for the answer, for it comes with the commit's: so it divides by zero
    all_changed = literal(1) // case((func.count() == bindparam("all", type_=BigInteger), 1), else_=0)
    answer = select(all_changed).select_from(moved).add_cte(_tell(select(moved), moved).cte("told"))
    if ends:
        answer = answer.add_cte(_record(select(moved), moved, columns, ends).cte("recorded"))
    return Prepared(answer), given


_TOLD = ("task_id", "seq", "fence", "kind", "status", "step", "percent", "message", "at")
_TOLD_OF = tuple(tasks.c[name] for name in ("id", "seq", "fence", "state", "step", "percent", "message"))


def _tell(moved: Select[*tuple[Any, ...]], of: FromClause) -> Insert:
    """The event of each moved task: its present state, under the number that it has reached."""
    waits = or_(*(of.c.state == state for state in ("ready", "waiting", "leased")))
    queued = case((waits, literal("queued")), else_=of.c.state)
    kind = bindparam("kind", type_=events.c.kind.type)
    at = bindparam("at", type_=events.c.at.type)
    columns = (of.c.id, of.c.seq, of.c.fence, kind, queued, of.c.step, of.c.percent, of.c.message, at)
    return insert(events).from_select(_TOLD, moved.with_only_columns(*columns))


_RECORDED = ("task_id", "fence", "number", "engine", "worker_id", "started_at", "ended_at", "outcome", "fault")
_RECORDED_OF = tuple(tasks.c[name] for name in ("attempt", "engine", "begun_at", "fault"))


def _record(moved: Select[*tuple[Any, ...]], of: FromClause, columns: Columns, ends: str) -> Insert:
    """The attempt of each moved task, which is over: so it is written once, and what runs stands in the task's row."""
    runner = bindparam("runner", type_=attempts.c.worker_id.type)
    at = bindparam("at", type_=attempts.c.ended_at.type)
    outcome = bindparam("kind", type_=attempts.c.outcome.type)
    number = of.c.attempt + 1 if ends == "yielded" else of.c.attempt  # one that was not used counts no more
    fence = of.c.fence - 1 if ends == "paused" else of.c.fence  # the task has that of the next part by now
    fault = of.c.fault if "fault" in columns[0] else null()  # else the task has that of an earlier one
    recorded = (of.c.id, fence, number, of.c.engine, runner, of.c.begun_at, at, outcome, fault)
    return insert(attempts).from_select(_RECORDED, moved.with_only_columns(*recorded))
