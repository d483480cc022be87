"""The rules of roll-outs as they are kept; none is ever deleted, so that it can be told what held when."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, insert, select, update

from paperlane.errors import NotFound
from paperlane.ledger.schema import chores, rollouts
from paperlane.model.tasks import UserId

_TURN = "rollout"


@dataclass(frozen=True, slots=True)
class Rule:
    """An engine carries so many percent of all users, or of those of a `group`; set `at` (since 1970), `by` whom."""

    id: int
    engine: str
    percent: float
    group: str
    at: float
    by: UserId


def _rule(row: Row[*tuple[object, ...]]) -> Rule:
    return Rule(row.id, row.engine, row.percent, row.group_name, row.set_at, UserId(row.set_by))


def hold(connection: Connection) -> None:
    """Let nobody else change the rules, or settle by them, before this transaction has ended."""
    connection.execute(select(chores.c.name).where(chores.c.name == _TURN).with_for_update())


def in_force(connection: Connection) -> Sequence[Rule]:
    """Those that count, the newest first: of an engine and a group only the last one that was not taken back."""
    found: dict[tuple[str, str], Rule] = {}
    asked = select(rollouts).where(rollouts.c.undone_at == 0).order_by(rollouts.c.id.desc())
    for row in connection.execute(asked):
        found.setdefault((row.engine, row.group_name), _rule(row))
    return list(found.values())


def held_since(connection: Connection, rule: Rule, control: str) -> float:
    """Since when nobody has come to a side of a rule in force, whose users are compared with those of `control`.

    People come by what is set later about some of its users: a rule for the control, one that replaces another of its
    engine and group, or one that is taken back. What only takes people away changes nothing of those who stay.
    """
    about = [rollouts.c.group_name.in_({"", rule.group})] if rule.group else []
    since, known = rule.at, set[tuple[str, str]]()
    for row in connection.execute(select(rollouts).where(*about).order_by(rollouts.c.id)):
        of = row.engine, row.group_name
        if row.id > rule.id and (of in known or (row.percent and row.engine == control)):
            since = max(since, row.set_at)
        if row.undone_at and (row.percent or of in known):
            since = max(since, row.undone_at)
        known.add(of)
    return since


def add(connection: Connection, engine: str, percent: float, group: str, now: float, by: UserId) -> int:
    """A new rule, which nobody's lane follows yet: its number.

    Rules are `held`: their numbers tell their order, no clock does.
    """
    number = connection.execute(select(func.coalesce(func.max(rollouts.c.id), 0) + 1)).scalar_one()
    row = {"id": number, "engine": engine, "percent": percent, "group_name": group, "set_at": now, "set_by": by}
    connection.execute(insert(rollouts), row)
    return int(number)


def undo(connection: Connection, by: UserId, now: float) -> Rule | None:
    """The newest rule counts no more; None where there is none."""
    newest = select(rollouts).where(rollouts.c.undone_at == 0).order_by(rollouts.c.id.desc()).limit(1)
    if (row := connection.execute(newest).first()) is None:
        return None
    _take_back(connection, [undone := _rule(row)], by, now)
    return undone


def _take_back(connection: Connection, undone: Sequence[Rule], by: UserId, now: float) -> None:
    changed = {"undone_at": now, "undone_by": by, "settled": 0}
    connection.execute(update(rollouts).where(rollouts.c.id.in_([rule.id for rule in undone])).values(changed))


def undo_ramp(connection: Connection, of: Rule, by: UserId, now: float) -> Sequence[Rule]:
    """A rule counts no more, and none of those before it that gave its engine the same users; the newest first."""
    ramp = (rollouts.c.engine == of.engine, rollouts.c.group_name == of.group, rollouts.c.id <= of.id)
    asked = select(rollouts).where(*ramp, rollouts.c.undone_at == 0).order_by(rollouts.c.id.desc())
    undone = [_rule(row) for row in connection.execute(asked)]
    _take_back(connection, undone, by, now)
    return undone


def undo_engine(connection: Connection, engine: str, by: UserId, now: float) -> Sequence[Rule] | None:
    """No rule of this engine counts any more, the newest first; None where there never was one."""
    asked = select(rollouts).where(rollouts.c.engine == engine).order_by(rollouts.c.id.desc())
    if not (rows := connection.execute(asked).all()):
        return None
    undone = [_rule(row) for row in rows if not row.undone_at]
    _take_back(connection, undone, by, now)
    return undone


def was_undone(connection: Connection, rule: int) -> bool:
    """Was the rule of this id taken back? NotFound where there never was one."""
    undone_at = connection.scalar(select(rollouts.c.undone_at).where(rollouts.c.id == rule))
    if undone_at is None:
        raise NotFound("There is no such roll-out.", hint="See: paperlane rollout.")
    return undone_at > 0


Change = Sequence[tuple[int, float]]
"""Rules that came or went since all lanes were as they say: each with when it went, 0 while it counts."""


def unsettled(connection: Connection) -> Change | None:
    """What has changed since all lanes were as the rules say; None for nothing."""
    asked = select(rollouts.c.id, rollouts.c.undone_at).where(rollouts.c.settled == 0).order_by(rollouts.c.id)
    return [(row.id, row.undone_at) for row in connection.execute(asked)] or None


def settled(connection: Connection, changed: Change) -> None:
    """The lanes are as these changes say; one that was taken back meanwhile is another change."""
    for rule, undone_at in changed:
        same = (rollouts.c.id == rule, rollouts.c.undone_at == undone_at)
        connection.execute(update(rollouts).where(*same).values(settled=1))
