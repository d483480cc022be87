"""Tasks of two engines that never were: by chance, and always the same for a seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from random import Random

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout.comparison import Comparison, compare

PERIOD = 86_400.0


def task(
    name: str,
    user: int,
    engine: str,
    queued_at: float,
    wait: float,
    run: float,
    *,
    outcome: str = "completed",
    cost: float = 1.0,
    until: float = PERIOD,
) -> Carried:
    """One that waited and ran so many seconds, as it stood at the end of the period."""
    begun_at, ended_at = queued_at + wait, queued_at + wait + run
    if begun_at > until:
        return Carried(TaskId(name), UserId(user), engine, cost, queued_at, 0.0, 0.0, "queued", 0, 0.0)
    if ended_at > until:
        return Carried(TaskId(name), UserId(user), engine, cost, queued_at, begun_at, 0.0, "running", 1, 0.0)
    return Carried(TaskId(name), UserId(user), engine, cost, queued_at, begun_at, ended_at, outcome, 1, run)


@dataclass(frozen=True)
class World:
    """Users, every other one on engine `b`; each has their own kind of documents, so their tasks are alike."""

    users: int = 24
    tasks: int = 8  # of each
    unlike: float = 1.0  # users, as the standard deviation of a logarithm
    slower: float = 1.0  # b
    failing: tuple[float, float] = (0.02, 0.02)

    def made(self, seed: int) -> Sequence[Carried]:
        """Its tasks."""
        random = Random(seed)
        found: list[Carried] = []
        for user in range(self.users):
            engine, own = "ab"[user % 2], exp(random.gauss(0, self.unlike))
            by = own * (self.slower if engine == "b" else 1.0)
            for _ in range(self.tasks):
                at = random.random() * PERIOD * 0.9
                wait, run = (of * by * exp(random.gauss(0, spread)) for of, spread in ((2, 0.6), (5, 0.4)))
                outcome = "failed" if random.random() < self.failing[engine == "b"] else "completed"
                found.append(task(f"task{len(found):06}", user + 1, engine, at, wait, run, outcome=outcome))
        return found


def beside(tasks: Sequence[Carried], resamples: int = 200, **more: object) -> Comparison:
    """Engine `b` beside `a`."""
    return compare(tasks, "a", "b", 0.0, PERIOD, resamples=resamples, **more)  # type: ignore[arg-type]


def even(rounds: int, users: int, made: Callable[[int, int, float], Carried]) -> Sequence[Carried]:
    """A task of each of so many users, again and again, at even times: `made` of the user, the round and the time."""
    whole = rounds * users
    return [made(n % users, n // users, PERIOD * 0.9 * (n + 1) / whole) for n in range(whole)]


def of_user(user: int, turn: int, at: float, wait: float, run: float, **more: object) -> Carried:
    """A task of a user, who is on `a` with an even number."""
    return task(f"t{user:04}-{turn:03}", user + 1, "ab"[user % 2], at, wait, run, **more)  # type: ignore[arg-type]
