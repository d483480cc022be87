"""What the guard of each rule is to do, and what it has found, as it is kept."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from paperlane.errors import BadRequest, Conflict, NotFound
from paperlane.ledger.schema import chores, guards, rollouts
from paperlane.rollout.guards import Finding, Judgement, State
from paperlane.rollout.rules import Rule
from paperlane.rollout.rules import in_force as rules_in_force

CHORE = "guardrails"

FOUND_WORSE = (State.WORSE, State.HELD)
"""States of a rule that is in force and worse; they stay until somebody does something about it."""


class Mode(StrEnum):
    """What a guard does where its rule is worse: take it back, let it not grow, only tell; or it does not look."""

    ACT = "act"
    STOP = "stop"
    TELL = "tell"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of a rule. `looked_at` last, and in this state since `changed_at` (since 1970); 0 for never.

    Nothing counts that came before `since`: somebody knew of it.
    """

    rule: int
    mode: Mode
    state: State
    judgement: Judgement | None = None
    looked_at: float = 0.0
    changed_at: float = 0.0
    since: float = 0.0


def mode_of(said: str) -> Mode:
    """BadRequest for what is no mode."""
    try:
        return Mode(said.strip().lower())
    except ValueError:
        raise BadRequest(
            f"A guard cannot be {said!r}.", code="unknown_guard", hint=f"Choose one of {', '.join(Mode)}."
        ) from None


def post(connection: Connection, rule: int, mode: Mode, now: float) -> None:
    """The guard of a rule that is new. Rules are held."""
    state = State.OFF if mode is Mode.OFF else State.WAITS
    connection.execute(insert(guards), {"rule": rule, "mode": mode, "state": state, "changed_at": now})


def switch(connection: Connection, rule: int, mode: Mode, now: float) -> bool:
    """Another mode; what was found stays, but for one that is switched on or off. Is it another one?

    Somebody may have acknowledged what it found: any mode but off has it look again then, at what comes from now on.
    """
    was = _of(connection, rule)
    if was is None:  # a rule of before there were guards
        post(connection, rule, mode, now)
        return mode is not Mode.OFF
    if was.mode is mode and was.state is not State.ACKNOWLEDGED:
        return False
    values: dict[str, Any] = {"mode": mode}
    if was.state in {State.OFF, State.ACKNOWLEDGED} or mode is Mode.OFF:
        was_known = was.since or was.state is State.ACKNOWLEDGED
        values |= {"state": State.OFF if mode is Mode.OFF else State.WAITS, "changed_at": now}
        values |= {"found": None, "since": now if was_known else 0.0}
    connection.execute(update(guards).where(guards.c.rule == rule).values(values))
    return True


def _of(connection: Connection, rule: int) -> Guard | None:
    """None for a rule of before there were guards."""
    row = connection.execute(select(guards).where(guards.c.rule == rule)).first()
    return None if row is None else _guard(row)


def standing(connection: Connection, rules: Collection[int]) -> Mapping[int, Guard]:
    """The guards of these rules; those of before there were any have one that is off."""
    rows = connection.execute(select(guards).where(guards.c.rule.in_(rules))) if rules else ()
    found = {row.rule: _guard(row) for row in rows}
    return {rule: found.get(rule, Guard(rule, Mode.OFF, State.OFF)) for rule in rules}


def _guard(row: Row[*tuple[Any, ...]]) -> Guard:
    times = (row.looked_at, row.changed_at, row.since)
    return Guard(row.rule, Mode(row.mode), State(row.state), _read(row.found), *times)


def keep(connection: Connection, rule: int, state: State, judgement: Judgement | None, now: float) -> None:
    """What a look found."""
    was = connection.scalar(select(guards.c.state).where(guards.c.rule == rule))
    values: dict[str, Any] = {"state": state, "looked_at": now}
    if judgement is not None:
        values["found"] = json.dumps(asdict(judgement))
    if was != state:
        values["changed_at"] = now
    connection.execute(update(guards).where(guards.c.rule == rule).values(values))


def _read(found: str | None) -> Judgement | None:
    if not found:
        return None
    told: dict[str, Any] = json.loads(found)
    findings = [_finding(one) for one in told["findings"]]
    return Judgement(State(told["state"]), told["control"], tuple(told["users"]), tuple(told["tasks"]), findings)


def _finding(told: dict[str, Any]) -> Finding:
    fields: dict[str, Any] = {**told, "users": tuple(told["users"]), "tasks": tuple(told["tasks"])}
    return Finding(**fields)


def acknowledge(connection: Connection, in_force: Sequence[Rule], rule: int | None, now: float) -> Sequence[Rule]:
    """Somebody knows, and the rule is guarded no more; without a number all that were found worse.

    Those that it hides, which gave its engine the same users, are known too. Who acknowledged it knows already, which
    is no fault. NotFound where no rule in force has this number, Conflict where none was found worse.
    """
    known = standing(connection, [one.id for one in in_force])
    if rule is not None and rule not in known:
        raise NotFound("There is no such roll-out in force.", hint="See: paperlane rollout.")
    meant = [one for one in in_force if known[one.id].state in FOUND_WORSE and rule in {None, one.id}]
    if not meant:
        if rule is not None and known[rule].state is State.ACKNOWLEDGED:
            return []
        raise Conflict(
            "No guardrail waits to be acknowledged.", code="nothing_to_acknowledge", hint="See: paperlane rollout."
        )
    for one in meant:
        ramp = (rollouts.c.engine == one.engine, rollouts.c.group_name == one.group, rollouts.c.undone_at == 0)
        asked = select(guards.c.rule).join(rollouts, guards.c.rule == rollouts.c.id)
        for same in connection.scalars(asked.where(*ramp, guards.c.state.in_(FOUND_WORSE))).all():
            keep(connection, same, State.ACKNOWLEDGED, None, now)
    return meant


def follow(connection: Connection, in_force: Sequence[Rule], new: Rule, mode: Mode | None, now: float) -> Mode:
    """The guard of a new rule, of which the old ones are in force still: its mode, where none was asked for.

    That is the mode of the rule that it replaces. What a guard holds is held on: to set the same engine's part anew is
    no acknowledgement. What somebody knows stays known, unless a mode is asked for.
    """
    old = next((one for one in in_force if (one.engine, one.group) == (new.engine, new.group)), None)
    was = None if old is None else _of(connection, old.id)
    wanted = mode or (Mode.ACT if was is None else was.mode)
    post(connection, new.id, wanted, now)
    if old is None or was is None or wanted is Mode.OFF:
        return wanted
    is_held = was.state is State.HELD and new.percent > 0
    if old.percent and (is_held or (was.state is State.ACKNOWLEDGED and mode is None)):  # else nobody is on it
        keep(connection, new.id, was.state, was.judgement, now)
    return wanted


@dataclass(frozen=True, slots=True)
class Alarming:
    """A rule that is worse, or was taken back for that a while ago."""

    rule: Rule
    guard: Guard


def alarming(connection: Connection, since: float) -> Sequence[Alarming]:
    """Rules in force that were found worse, and those that a guard took back after a time; the newest first.

    None of 0 %: nobody is any worse for it.
    """
    last = [rule.id for rule in rules_in_force(connection) if rule.percent]
    lasts = rollouts.c.id.in_(last) & guards.c.state.in_(FOUND_WORSE)
    fresh = (guards.c.state == State.TAKEN_BACK) & (guards.c.changed_at > since)
    asked = select(rollouts, guards).join(guards, guards.c.rule == rollouts.c.id).where(or_(lasts, fresh))
    return [
        Alarming(Rule(row.id, row.engine, row.percent, row.group_name, row.set_at, row.set_by), _guard(row))
        for row in connection.execute(asked.order_by(rollouts.c.id.desc()))
    ]


def may_look(connection: Connection, now: float, seconds: float) -> bool:
    """Has the time come to look, as far as one can tell without a write?"""
    return connection.execute(select(chores.c.name).where(*_due(now, seconds))).first() is not None


def take_turn(connection: Connection, now: float, seconds: float) -> bool:
    """Is it this process that looks now? Once in so many seconds over all processes."""
    return connection.execute(update(chores).where(*_due(now, seconds)).values(next_at=now + seconds)).rowcount == 1


def _due(now: float, seconds: float) -> tuple[Any, ...]:
    """Also where it is put off for longer than ever: by a clock that has been set back since."""
    return chores.c.name == CHORE, or_(chores.c.next_at <= now, chores.c.next_at > now + 2 * seconds)
