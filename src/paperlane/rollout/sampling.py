"""Which tasks two engines are compared by: all of the period, or those of some users, where there are too many."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paperlane.clock import Clock
from paperlane.ledger import Ledger
from paperlane.ledger.evidence import Carried, of_users
from paperlane.model.tasks import UserId
from paperlane.rollout import Users, Whose, place_of
from paperlane.rollout.comparison import Sampled
from paperlane.rollout.rules import Rule

MOST_TASKS = 100_000
MOST_SECONDS = 60.0
_PAGE = 500  # users
_AT_ONCE = 5_000  # tasks that one question reads, and that count of one user


@dataclass(frozen=True, slots=True)
class Sample:
    """Tasks, of whom they are, and how many of these were given their engine by somebody's choice."""

    tasks: Sequence[Carried]
    sampled: Sampled
    chosen: int


def take(
    ledger: Ledger,
    users: Users,
    in_force: Sequence[Rule],
    engines: frozenset[str],
    since: float,
    until: float,
    group: str,
    clock: Clock,
    *,
    most: int = MOST_TASKS,
    seconds: float = MOST_SECONDS,
    at_once: int = _AT_ONCE,
    tick: Callable[[float], object] = lambda _: None,
) -> Sample:
    """The tasks of these engines, of all users or of a group, in short reads.

    Users come in an order of chance that is always the same, so who is left out past `most` tasks, or past so many
    seconds, says nothing about their engine. Both are looked at after each question, which reads at most `at_once`
    tasks that ended, and as many of what waits and of what runs: so much more there may be. `tick` is told the share of
    the users that were asked.
    """
    everybody = _everybody(ledger, users, group)
    ordered = sorted(everybody, key=lambda one: _order(one.id))
    ageing, ends = ledger.rules.ageing, clock.monotonic() + seconds
    found: list[Carried] = []
    asked, cut, size = 0, 0, 64
    while asked < len(ordered) and len(found) < most and clock.monotonic() < ends:
        page = [one.id for one in ordered[asked : asked + size]]
        read = ledger.read(lambda connection, page=page: of_users(connection, page, since, until, ageing, at_once))
        if read.cut and len(page) > 1:  # nobody's would be whole
            size = len(page) // 2
            continue
        found += [task for task in read.tasks if task.engine in engines]
        cut += read.cut  # of who has more the latest
        asked += len(page)
        tick(asked / len(ordered))
        if len(read.tasks) < at_once // 4:
            size = min(_PAGE, size * 2)
    told = {task.user for task in found}
    chosen = sum(one.id in told and not _by_chance(one, in_force, group) for one in everybody)
    return Sample(found, Sampled(len(ordered), asked, cut, asked == len(ordered) and not cut), chosen)


def _everybody(ledger: Ledger, users: Users, group: str) -> Sequence[Whose]:
    found: list[Whose] = []
    while True:
        after = found[-1].id if found else 0
        page = ledger.read(lambda connection, after=after: users(connection, after, _PAGE))
        found += page
        if len(page) < _PAGE:
            return [one for one in found if group in {"", one.group}]


def _order(user: UserId) -> bytes:
    """By chance, and by another one than that by which engines are given."""
    return hashlib.sha256(f"comparison {user}".encode()).digest()


def _by_chance(one: Whose, in_force: Sequence[Rule], group: str) -> bool:
    """Did their place decide, and nobody? Among the users of a group a rule for it is one of chance too."""
    if one.pinned:
        return False
    for rule in in_force:
        if rule.group in {"", one.group} and place_of(one.id) < rule.percent:
            return rule.group in {"", group}
    return True
