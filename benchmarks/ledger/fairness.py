"""Whose turn it is: light users beside a heavy one, equal shares, and shares by weight."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.figures import Figure, jain
from benchmarks.ledger.backlog import Backlog, load
from benchmarks.ledger.databases import Databases, on_each
from benchmarks.ledger.worker import ENGINE, joined, rules
from benchmarks.rounds import Rounds
from paperlane.hosting import open_ledger
from paperlane.ledger import Ledger
from paperlane.model.tasks import Completed, Ended, Lease, TaskId

HEAVY, LIGHT, LIGHTS = 10_000, 10, 9
_WEIGHTS = {1: 1.0, 2: 2.0, 3: 4.0}
_WEIGHED = 700


def _started(ledger: Ledger, count: int, room: int) -> list[TaskId]:
    """The first tasks that start, in order, with so much room; each takes one slot-second."""
    worker = joined(ledger)
    order: list[TaskId] = []
    leases: Sequence[Lease] = ()
    while len(order) < count:
        leases = ledger.step(ENGINE, worker, [Ended(lease, Completed(seconds=1.0)) for lease in leases], room)
        order += [lease.task for lease in leases]
    ledger.leave(worker)
    return order


def _owners(ledger: Ledger, order: Sequence[TaskId]) -> list[int]:
    return [ledger.task(task).user for task in order]


def _heavy_and_light(databases: Databases, kind: str, room: int) -> tuple[int, float]:
    """The number at which the last light task starts, and Jain's index of what all were given until then."""
    ledger = open_ledger(url := databases.fresh(kind), rules(user_limit=100))
    load(ledger, Backlog(HEAVY, 1, first=1))
    load(ledger, Backlog(LIGHT * LIGHTS, LIGHTS, first=2))
    owners = _owners(ledger, _started(ledger, 4 * LIGHT * (LIGHTS + 1), room))
    last = max((place for place, user in enumerate(owners, 1) if user != 1), default=0)
    all_began = sum(user != 1 for user in owners) == LIGHT * LIGHTS
    given = Counter(owners[:last])
    ledger.close()
    databases.drop(url)
    return last if all_began else HEAVY, jain([given[user] for user in range(1, LIGHTS + 2)])


def _weights_off(databases: Databases, kind: str) -> float:
    """How far, in percent, the share that is furthest off is from its weight."""
    ledger = open_ledger(url := databases.fresh(kind), rules(user_limit=100))
    for user, weight in _WEIGHTS.items():
        load(ledger, Backlog(_WEIGHED, 1, first=user, weight=weight))
    given = Counter(_owners(ledger, _started(ledger, _WEIGHED, 1)))
    ledger.close()
    databases.drop(url)
    whole = sum(_WEIGHTS.values())
    return max(abs(given[user] / _WEIGHED * whole / weight - 1) * 100 for user, weight in _WEIGHTS.items())


def measured(databases: Databases, _rounds: Rounds) -> list[Figure]:
    """Exact, so once is enough: one user with 10,000 tasks beside nine with ten, and weights of 1, 2 and 4."""
    return on_each("fairness", lambda kind: _on(databases, kind))


def _on(databases: Databases, kind: str) -> list[Figure]:
    figures: list[Figure] = []
    for room in (1, 10, 100):
        last, index = _heavy_and_light(databases, kind, room)
        how = f"{room} in flight"
        figures += [
            Figure(f"fairness.{kind}.last.{room}", last, "th to start", settings=how),
            Figure(f"fairness.{kind}.jain.{room}", index, "Jain's index", settings=how),
        ]
    return [*figures, Figure(f"fairness.{kind}.weights", _weights_off(databases, kind), "% off at most")]
