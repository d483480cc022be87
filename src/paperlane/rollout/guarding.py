"""Guards at work: each minute every guarded rule is judged, and what its guard is to do is done."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import structlog
from sqlalchemy import Connection

from paperlane.errors import Conflict
from paperlane.ledger.evidence import Carried, of_users
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout import RollOut, Whose, engine_of, guarded, place_of, rules
from paperlane.rollout.guarded import FOUND_WORSE, Guard, Mode
from paperlane.rollout.guards import Evidence, Judgement, Sides, State, judge
from paperlane.rollout.rules import Rule
from paperlane.rollout.wording import because

log = structlog.get_logger(__name__)

EVERY = 60.0
"""Seconds between two looks, over all processes."""

HISTORY = 14 * 86_400.0
"""Seconds before a rule was set of which it is asked what users were used to."""

_PAGE = 500  # users
_MOST_USERS = 2_000  # on each side: more would tell nothing sooner
_SOME = 100  # users whose tasks one question asks for
_AT_ONCE = 5_000  # tasks that one question reads
_MOST_HISTORY = 50_000  # tasks
_ANEW = 300.0  # seconds after which it is looked anew who is on which side

Note = Callable[[Connection, float, str, Mapping[str, object]], None]
"""Writes a line of the audit trail: when, what, and its details."""

Kinds = Callable[[Connection, Sequence[TaskId]], Mapping[TaskId, str]]
"""Of which kind tasks are; "" and those that are left out are of one kind."""


def sides(rule: Rule, everybody: Iterable[Whose], in_force: Sequence[Rule], usual: str) -> Sides:
    """Who is compared for a rule; `in_force` are all rules, the newest first.

    Only users whose place decided: nobody with an engine of their own, and nobody to whom other rules give the engine
    or, without this one, another one than most of the rest.
    """
    others = [one for one in in_force if (one.engine, one.group) != (rule.engine, rule.group)]
    found: list[tuple[UserId, str, str]] = []
    for user in everybody:
        if user.pinned or rule.group not in {"", user.group}:
            continue
        without = engine_of(user.id, user.group, "", others, usual)
        if without != rule.engine:
            found.append((user.id, engine_of(user.id, user.group, "", in_force, usual), without))
    moved = Counter(without for _, now, without in found if now == rule.engine)
    control = moved.most_common(1)[0][0] if moved else usual
    of: dict[UserId, bool] = {}
    counts = Counter[bool]()
    for user, now, without in sorted(found, key=lambda one: place_of(one[0])):
        side = now == rule.engine
        if without == control and (side or now == control) and counts[side] < _MOST_USERS:
            of[user] = side
            counts[side] += 1
    return Sides(rule.engine, control, of)


_DONE = (State.OFF, State.ACKNOWLEDGED, State.TAKEN_BACK)
"""States in which nothing is left to a guard."""


class _Spared(Exception):
    """Somebody has told the guard to let it be."""


@dataclass(slots=True)
class _Watched:
    """What is known of a rule, to go on from."""

    evidence: Evidence
    sides: Sides
    by: Sequence[Rule]
    since: float


@dataclass(slots=True)
class Guarding:
    """Judges roll-outs. What it remembers of them is read again by whoever has the next turn. For one thread.

    `now` tells the database's time.
    """

    rollout: RollOut
    now: Callable[[Connection], float]
    note: Note
    kinds: Kinds
    every: float = EVERY
    _watched: dict[int, _Watched] = field(default_factory=dict)

    def look(self) -> int:
        """Look at all rules, if it is this process's turn; how many were found worse by now."""
        ledger = self.rollout.ledger
        now, due = ledger.read(lambda c: ((at := self.now(c)), guarded.may_look(c, at, self.every)))
        if not due or not ledger.write(lambda c: guarded.take_turn(c, now, self.every)):
            return 0
        in_force = self.rollout.in_force()
        guards = ledger.read(lambda c: guarded.standing(c, [rule.id for rule in in_force]))
        self._watched = {rule: known for rule, known in self._watched.items() if rule in guards}
        found = 0
        for rule in in_force:
            guard = guards[rule.id]
            if guard.state in FOUND_WORSE:
                found += self._do(rule, guard, guard.judgement, now)
            elif guard.state not in _DONE:
                judgement = self._judge(rule, in_force, now)
                if judgement.state is State.WORSE:
                    found += self._do(rule, guard, judgement, now)
                else:
                    self._keep(rule, judgement.state, judgement, now)
        if found:
            for _ in self.rollout.settle():
                pass
        return found

    def _keep(
        self,
        rule: Rule,
        state: State,
        judgement: Judgement | None,
        now: float,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Note what was found, and in the audit trail what was done.

        Not where somebody switched the guard off meanwhile, nor over what another look, which overlapped, found worse.
        """

        def write(connection: Connection) -> bool:
            rules.hold(connection)
            known = guarded.standing(connection, [rule.id])[rule.id].state
            if known in _DONE or (known in FOUND_WORSE and state not in FOUND_WORSE):
                return False
            guarded.keep(connection, rule.id, state, judgement, now)
            if details is not None:
                self.note(connection, now, "guardrail", details)
            return True

        if self.rollout.ledger.write(write) and details is not None:
            log.warning("a guardrail found a roll-out worse", **details)

    def _do(self, rule: Rule, guard: Guard, judgement: Judgement | None, now: float) -> int:
        """What is to be done with a rule that is worse, once: 1, or 0 where it was done before."""
        meant = State.HELD if guard.mode is Mode.STOP else State.WORSE
        if guard.mode is Mode.ACT:
            if self._take_back(rule, judgement, now):
                return 1
            meant = State.HELD  # it shall not grow at least
        if guard.state is meant:
            return 0
        did = "held" if meant is State.HELD else "told"
        self._keep(rule, meant, judgement, now, _details(rule, judgement, did))
        return 1

    def _take_back(self, rule: Rule, judgement: Judgement | None, now: float) -> bool:
        details = _details(rule, judgement, "taken back")

        def also(connection: Connection, undone: Sequence[Rule]) -> None:
            known = guarded.standing(connection, [rule.id])[rule.id]
            if known.mode is not Mode.ACT or known.state in _DONE:
                raise _Spared  # by somebody, since this look began
            for one in undone:
                guarded.keep(connection, one.id, State.TAKEN_BACK, judgement, now)
            self.note(connection, now, "guardrail", {**details, "rules": [one.id for one in undone]})

        try:
            if self.rollout.take_back(rule.id, UserId(0), now, also):
                log.warning("a guardrail took a roll-out back", **details)
        except Conflict:  # a newer rule holds: somebody is at work there, who must not be undone by mistake
            return False
        except _Spared:
            log.info("a guardrail leaves a roll-out to whom it concerns", rule=rule.id)
        return True

    def _judge(self, rule: Rule, in_force: Sequence[Rule], now: float) -> Judgement:
        watched = self._watched.pop(rule.id, None)  # a look that is cut off has counted what the next would again
        if watched is None or list(watched.by) != list(in_force) or not 0 <= now - watched.since < _ANEW:
            of = sides(rule, self._everybody(), in_force, self.rollout.usual)
            if watched is None or watched.sides.control != of.control:
                watched = self._begin(rule, of, now)
            watched.sides, watched.by, watched.since = of, in_force, now
        evidence = watched.evidence
        if watched.sides.count(True) and watched.sides.count(False):
            evidence.begin(now)
            for some in self._tasks(watched.sides, rule.at, now, evidence.ended_from):
                evidence.add(some, watched.sides, now, self._kinds(evidence.fresh(some)))
            evidence.end(now)
        self._watched[rule.id] = watched
        return judge(evidence, watched.sides, now)

    def _begin(self, rule: Rule, of: Sides, now: float) -> _Watched:
        evidence = Evidence(rule.at)
        if of.count(True) and of.count(False):
            before: list[Carried] = []
            for some in self._tasks(of, rule.at - HISTORY, rule.at):
                before += some
                if len(before) >= _MOST_HISTORY:  # of the others it is not known: no side has more of them
                    break
            evidence.remember(before, of, self._kinds([task.task for task in before]))
        return _Watched(evidence, of, (), now)

    def _everybody(self) -> Iterator[Whose]:
        after, page = 0, [None]
        while page:
            page = self.rollout.ledger.read(lambda c, after=after: self.rollout.users(c, after, _PAGE))
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].id

    def _tasks(self, of: Sides, since: float, until: float, ended_from: float = 0.0) -> Iterator[Sequence[Carried]]:
        """Page by page, each with all tasks of some users."""
        users = sorted(of.of)
        for at in range(0, len(users), _SOME):
            yield list(self._of(users[at : at + _SOME], since, until, ended_from))

    def _of(self, users: Sequence[UserId], since: float, until: float, ended_from: float) -> Iterator[Carried]:
        ledger = self.rollout.ledger
        ageing = ledger.rules.ageing
        found = ledger.read(lambda c: of_users(c, users, since, until, ageing, _AT_ONCE, ended_from))
        if not found.cut or len(users) == 1:  # of a user with more than that only the latest
            yield from found.tasks
            return
        half = len(users) // 2
        for some in (users[:half], users[half:]):
            yield from self._of(some, since, until, ended_from)

    def _kinds(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, str]:
        found: dict[TaskId, str] = {}
        for at in range(0, len(tasks), 1_000):
            some = tasks[at : at + 1_000]
            found |= self.rollout.ledger.read(lambda c, some=some: self.kinds(c, some))
        return found


def _details(rule: Rule, judgement: Judgement | None, did: str) -> Mapping[str, object]:
    """A line of the audit trail."""
    worst = None if judgement is None else judgement.worst
    return {
        "did": did,
        "rule": rule.id,
        "engine": rule.engine,
        "percent": rule.percent,
        "group": rule.group,
        "why": because(rule.engine, judgement),
        "figures": {} if worst is None else {name: value for name, value in asdict(worst).items() if value == value},  # noqa: PLR0124  no number
    }
