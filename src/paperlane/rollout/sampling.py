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
    seconds, says nothing about their engine. `tick` is told the share of the users that were asked.
    """
    everybody = _everybody(ledger, users, group)
    ordered = sorted(everybody, key=lambda one: _order(one.id))
    ends = clock.monotonic() + seconds
    found: list[Carried] = []
    asked, cut, size = 0, 0, 64
    while asked < len(ordered) and len(found) < most and clock.monotonic() < ends:
        page = [one.id for one in ordered[asked : asked + size]]
        tasks, cut_short, whole = _tasks_of(ledger, page, since, until, at_once)
        found += [task for task in tasks if task.engine in engines]
        cut += cut_short
        asked += len(page)
        tick(asked / len(ordered))
        size = min(_PAGE, size * 2) if whole and len(tasks) < at_once // 4 else size if whole else max(1, size // 2)
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


def _tasks_of(
    ledger: Ledger, users: Sequence[UserId], since: float, until: float, at_once: int
) -> tuple[Sequence[Carried], int, bool]:
    """Their tasks, of how many users only the latest, and whether one question was enough."""
    ageing = ledger.rules.ageing
    found = ledger.read(lambda connection: of_users(connection, users, since, until, ageing, at_once))
    if not found.cut or len(users) == 1:
        return found.tasks, int(found.cut), not found.cut
    half = len(users) // 2
    first, second = (_tasks_of(ledger, some, since, until, at_once) for some in (users[:half], users[half:]))
    return [*first[0], *second[0]], first[1] + second[1], False


def _by_chance(one: Whose, in_force: Sequence[Rule], group: str) -> bool:
    """Did their place decide, and nobody? Among the users of a group a rule for it is one of chance too."""
    if one.pinned:
        return False
    for rule in in_force:
        if rule.group in {"", one.group} and place_of(one.id) < rule.percent:
            return rule.group in {"", group}
    return True
