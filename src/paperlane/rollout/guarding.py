"""Guards at work: each minute every guarded rule is judged, and what its guard is to do is done."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from time import monotonic

import structlog
from sqlalchemy import Connection

from paperlane.ledger import Kept
from paperlane.ledger.evidence import Carried, of_users
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout import RollOut, Whose, engine_of, guarded, place_of, rules, usual
from paperlane.rollout.guarded import FOUND_WORSE, Guard, Mode
from paperlane.rollout.guards import OVERLAP, Evidence, Judgement, Sides, State, judge
from paperlane.rollout.rules import Rule
from paperlane.rollout.wording import because

log = structlog.get_logger(__name__)

EVERY = 60.0
"""Seconds between two looks, over all processes."""

SECONDS = 20.0
"""Of reading that a look takes at most; the next one goes on where it ended."""

HISTORY = 14 * 86_400.0
"""Seconds before a rule was set of which it is asked what users were used to."""

_PAGE = 500  # users
_MOST_USERS = 2_000  # on each side: more would tell nothing sooner
_SOME = 100  # users whose tasks one question asks for
_AT_ONCE = 5_000  # tasks that one question reads
_MOST_HISTORY = 50_000  # tasks, and what is left of a page
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


@dataclass(slots=True)
class _Reading:
    """What is read of the tasks that users brought in a time, as they stood at its end: page by page, each once.

    Of those that ended only what did from `ended_from` on. It is over with all users, or after so many tasks.
    """

    users: Sequence[UserId]
    since: float
    until: float
    ended_from: float = 0.0
    most: float = inf
    asked: int = 0
    tasks: int = 0
    size: int = field(default_factory=lambda: _SOME)

    @property
    def is_over(self) -> bool:
        return self.asked >= len(self.users) or self.tasks >= self.most

    @property
    def page(self) -> Sequence[UserId]:
        """Who is next."""
        return self.users[self.asked : self.asked + self.size]


@dataclass(slots=True)
class _Watched:
    """What is known of a rule, to go on from; who is on which side was looked at for the rules `by`, at a time.

    `since`: when users came to its sides last, or somebody acknowledged what was found.
    """

    evidence: Evidence
    since: float
    sides: Sides
    by: Sequence[Rule]
    sided_at: float
    named_at: float = 0.0
    """When the default engine was named that it is."""
    changed: set[UserId] = field(default_factory=set)
    """Who changed sides, by another group: what they had on one would count on the other."""
    usual: _Reading | None = None
    """What users were used to."""
    going_on: _Reading | None = None
    """What became of their tasks by a time, where a look was cut off before it knew all of it."""

    def is_ahead(self, now: float) -> bool:
        """Was it read what ended by a time that has not come yet? Then the clock has been set back."""
        return now < (self.evidence.upto if self.going_on is None else self.going_on.until) - OVERLAP


@dataclass(slots=True)
class Guarding:
    """Judges roll-outs. What it remembers of them is read again by whoever has the next turn. For one thread.

    `now` tells the database's time. A look reads for so many `seconds` by `ticks`, and the next one goes on from there.
    It reads of no time of which tasks are not `kept` whatever became of them.
    """

    rollout: RollOut
    now: Callable[[Connection], float]
    note: Note
    kinds: Kinds
    kept: Kept
    every: float = EVERY
    seconds: float = SECONDS
    ticks: Callable[[], float] = monotonic
    _watched: dict[int, _Watched] = field(default_factory=dict)

    def look(self) -> int:
        """Look at all rules, if it is this process's turn; how many were found worse by now."""
        return sum(self.looking())

    def looking(self) -> Iterator[int]:
        """As `look`, in steps that take a moment; of each how many it found. Between two one may stop.

        What was read by then is kept for the next look, also where a question fails.
        """
        ledger = self.rollout.ledger
        now, due = ledger.read(lambda c: ((at := self.now(c)), guarded.may_look(c, at, self.every)))
        if not due or not ledger.write(lambda c: guarded.take_turn(c, now, self.every)):
            return
        in_force = self.rollout.in_force()
        guards = ledger.read(lambda c: guarded.standing(c, [rule.id for rule in in_force]))
        self._watched = {rule: known for rule, known in self._watched.items() if rule in guards}
        found = 0
        for rule in in_force:
            if guards[rule.id].state in FOUND_WORSE:
                found += (did := self._do(rule, guards[rule.id].judgement, now))
                yield did
        watching = [rule for rule in in_force if guards[rule.id].state not in {*FOUND_WORSE, *_DONE}]
        ends, failed = self.ticks() + self.seconds, None
        watching.sort(key=lambda one: guards[one.id].looked_at)  # who waited for the longest is first
        for at, rule in enumerate(watching):
            part = max(0.0, ends - self.ticks()) / (len(watching) - at)  # one with weeks to read stops no other
            try:
                judgement = yield from self._judge(rule, guards[rule.id], in_force, now, self.ticks() + part)
            except Exception as error:  # noqa: BLE001  nor does one that cannot be asked for
                log.warning("a guardrail could not be judged", rule=rule.id, why=str(error))
                failed = failed or error
                continue
            if judgement is None:
                continue
            if judgement.state is State.WORSE:
                found += (did := self._do(rule, judgement, now))
                yield did
            else:
                self._keep(rule, judgement, now)
        if found:
            for _ in self.rollout.settle():
                yield 0
        if failed is not None:
            raise failed

    def _keep(self, rule: Rule, judgement: Judgement, now: float) -> None:
        """Note what was found of a rule that is not worse.

        Not where somebody switched the guard off meanwhile, nor over what another look, which overlapped, found worse.
        """

        def write(connection: Connection) -> None:
            rules.hold(connection)
            if guarded.standing(connection, [rule.id])[rule.id].state not in {*_DONE, *FOUND_WORSE}:
                guarded.keep(connection, rule.id, judgement.state, judgement, now)

        self.rollout.ledger.write(write)

    def _do(self, rule: Rule, judgement: Judgement | None, now: float) -> int:
        """What is to be done with a rule that is worse, once: 1, or 0 where nothing is left to do.

        Somebody may have set another one of its engine and group since this look began. Then it is that one, by which
        its users are where they are.
        """

        def write(connection: Connection) -> Mapping[str, object] | None:
            rules.hold(connection)
            in_force = rules.in_force(connection)
            of = next((one for one in in_force if (one.engine, one.group) == (rule.engine, rule.group)), None)
            if of is None or not of.percent:
                return None
            guard = guarded.standing(connection, [of.id])[of.id]
            if guard.state in _DONE or guard.since > now:  # by somebody, since this look began
                log.info("a guardrail leaves a roll-out to whom it concerns", rule=of.id)
                return None
            if guard.mode is Mode.ACT and of == in_force[0]:
                undone = [one.id for one in rules.undo_ramp(connection, of, UserId(0), now)]
                for one in undone:
                    guarded.keep(connection, one, State.TAKEN_BACK, judgement, now)
                details = {**_details(of, judgement, "taken back"), "rules": undone}
            else:  # it shall not grow at least, where a newer rule of others holds: somebody is at work there
                meant = State.WORSE if guard.mode is Mode.TELL else State.HELD
                if guard.state is meant:
                    return None
                guarded.keep(connection, of.id, meant, judgement, now)
                details = _details(of, judgement, "held" if meant is State.HELD else "told")
            self.note(connection, now, "guardrail", details)
            return details

        if (details := self.rollout.ledger.write(write)) is None:
            return 0
        log.warning("a guardrail found a roll-out worse", **details)
        return 1

    def _judge(
        self, rule: Rule, guard: Guard, in_force: Sequence[Rule], now: float, ends: float
    ) -> Generator[int, None, Judgement | None]:
        """None where the time is up before all is known."""
        watched = yield from self._known(rule, guard, in_force, now)
        evidence, of = watched.evidence, watched.sides
        if not (of.count(True) and of.count(False)):
            return judge(evidence, of, now)

        def remember(some: Sequence[Carried]) -> None:
            evidence.remember(some, of, self._kinds([task.task for task in some]))

        if watched.usual is None:
            # before anybody was moved, also where the rule was hidden for a while since. After so many tasks it is not
            # known of the others: no side has more of them
            since = max(rule.at - HISTORY, now - self.kept.together)
            users = sorted(of.of) if since < rule.at else []
            watched.usual = _Reading(users, since, rule.at, most=_MOST_HISTORY)
        if not (yield from self._read(watched.usual, remember, ends)):
            return None
        if watched.going_on is None:
            evidence.begin(now)
            watched.going_on = _Reading(sorted(of.of), evidence.since, now, evidence.ended_from)
        until = watched.going_on.until

        def add(some: Sequence[Carried]) -> None:
            evidence.add(some, of, until, self._kinds(evidence.fresh(some)))

        if not (yield from self._read(watched.going_on, add, ends)):
            return None
        evidence.end(until)
        watched.going_on = None
        return judge(evidence, of, until)

    def _known(self, rule: Rule, guard: Guard, in_force: Sequence[Rule], now: float) -> Generator[int, None, _Watched]:
        """What is known of a rule, with who is on which side by now.

        Nothing yet, where others are compared since, somebody acknowledged what was known, or the clock was set back.
        """
        watched = self._watched.get(rule.id)
        if watched is not None and (watched.since < guard.since or watched.is_ahead(now)):
            watched = None
        ledger = self.rollout.ledger
        rest, named_at = ledger.read(lambda c: (self.rollout.usual(c), usual.since(c)))
        is_as_before = watched is not None and (list(watched.by), watched.named_at) == (list(in_force), named_at)
        if watched is not None and is_as_before and 0 <= now - watched.sided_at < _ANEW:
            return watched
        everybody: list[Whose] = []
        for page in self._everybody():
            everybody += page
            yield 0
        of = sides(rule, everybody, in_force, rest)
        since = max(guard.since, ledger.read(lambda c: rules.held_since(c, rule, of.control)))
        if of.control == rest:  # whom no rule takes in came to it when it was named
            since = max(since, named_at)
        if watched is None or watched.sides.control != of.control or watched.since != since:
            # by a clock that was set back since, it was set at a time that has not come yet
            evidence = Evidence(min(since, now), now - self.kept.together)
            watched = self._watched[rule.id] = _Watched(evidence, since, of, in_force, now)
        before = watched.sides.of
        watched.changed |= {user for user, side in of.of.items() if before.get(user, side) is not side}
        stayed = {user: side for user, side in of.of.items() if user not in watched.changed}
        watched.sides, watched.by, watched.sided_at = replace(of, of=stayed), in_force, now
        watched.named_at = named_at
        return watched

    def _everybody(self) -> Iterator[Sequence[Whose]]:
        after, page = 0, [None] * _PAGE
        while len(page) == _PAGE:
            page = self.rollout.ledger.read(lambda c, after=after: self.rollout.users(c, after, _PAGE))
            yield page
            after = page[-1].id if page else after

    def _read(
        self, reading: _Reading, take: Callable[[Sequence[Carried]], None], ends: float
    ) -> Generator[int, None, bool]:
        """Read on, each page with all tasks of some users: could all be read in time?"""
        ledger = self.rollout.ledger
        since, until, ageing = reading.since, reading.until, ledger.rules.ageing
        while not reading.is_over:
            if self.ticks() >= ends:
                return False
            page = reading.page
            found = ledger.read(
                lambda c, page=page: of_users(c, page, since, until, ageing, _AT_ONCE, reading.ended_from)
            )
            if found.cut and len(page) > 1:
                reading.size = len(page) // 2
            else:
                take(found.tasks)  # of a user with more than that only the latest
                reading.asked += len(page)
                reading.tasks += len(found.tasks)
                if len(found.tasks) < _AT_ONCE // 4:
                    reading.size = min(_SOME, reading.size * 2)
            yield 0
        return True

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
