"""Weeks of made-up tasks on two engines, for guards to judge: users differ, upload in bursts, and sleep at night."""

import random
from collections.abc import Callable, Iterator, Sequence
from math import exp, pi, sin

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout.guards import DAY, Evidence, Judgement, Sides, State, judge

OLD, NEW = "database", "arq"


def made(
    seed: int,
    *,
    users: int = 200,
    share: float = 0.25,
    days: float = 28.0,
    tasks: float = 5_000,
    factor: float = 1.0,
    fails: tuple[float, float] = (0.01, 0.01),
    wait: float = 0.0,
    spread: float = 0.3,
    seconds: float = 30.0,
    history: float = 14.0,
) -> tuple[Sides, Sequence[Carried]]:
    """Tasks in the order of their ends, and who is on which side: a `share` of the users on the new engine.

    Before there are days of `history`, when all were on the old one, at times below 0. `factor` is how much longer it
    takes on the new one, `fails` the share that fails on either, `wait` seconds more of waiting. Of users' own effect
    on the logarithm of the seconds `spread` is the standard deviation, and some users' files fail.
    """
    chance = random.Random(seed)
    numbers = [UserId(n) for n in range(1, users + 1)]
    moved = set(chance.sample(numbers, round(users * share)))
    found: list[Carried] = []
    rates = [chance.lognormvariate(0, 1) for _ in numbers]
    number = 0
    for user, rate in zip(numbers, rates, strict=True):
        side = user in moved
        own = chance.gauss(0, spread)
        bad = 0.3 if chance.random() < 0.03 else 0.0  # of whom many files cannot be read, wherever
        due = tasks * rate / sum(rates)
        at = -history * DAY
        while True:
            at += chance.expovariate(due / 2.5 / (days * DAY))
            if at > days * DAY:
                break
            if sin(2 * pi * at / DAY) < chance.uniform(-1, 0.6):
                continue  # at night few upload
            count = 50 if chance.random() < 0.02 else chance.randint(1, 8)
            free = [at] * 10
            today = chance.gauss(0, 0.2)
            for _ in range(count):
                number += 1
                size = chance.gauss(0, 0.4)
                new = side and at >= 0
                took = seconds * exp(own + today + size + chance.gauss(0, 0.3)) * (factor if new else 1.0)
                begun = min(free) + 0.05 + (wait * chance.expovariate(1.0) if new else 0.0)
                free[free.index(min(free))] = begun + took
                is_failed = chance.random() < max(bad, fails[new])
                ended = begun + (took if not is_failed else took * chance.random())
                found.append(
                    Carried(
                        TaskId(f"{number:08}"), user, NEW if new else OLD, seconds * exp(size), at, begun, ended,
                        "failed" if is_failed else "completed", 1, took,
                    )
                )  # fmt: skip
    found.sort(key=lambda one: one.ended_at)
    return Sides(NEW, OLD, {user: user in moved for user in numbers}), found


def steady(
    seed: int, *, users: int = 40, each: float = 10.0, minutes: int, fails: tuple[float, float], bad: float = 0.0
) -> tuple[Sides, Sequence[Carried]]:
    """Half of the users on the new engine, and all bring so many tasks a minute, each of some seconds; no history.

    Of a share of the users, `bad`, three in ten files fail wherever they run.
    """
    chance = random.Random(seed)
    numbers = [UserId(n) for n in range(1, users + 1)]
    moved = set(chance.sample(numbers, users // 2))
    found: list[Carried] = []
    for user in numbers:
        new, at = user in moved, 0.0
        least = 0.3 if chance.random() < bad else 0.0
        while (at := at + chance.expovariate(each / 60)) < 60 * minutes:
            took = 5.0 * exp(chance.gauss(0, 0.4))
            outcome = "failed" if chance.random() < max(least, fails[new]) else "completed"
            task, engine = TaskId(f"{len(found):08}"), NEW if new else OLD
            found.append(Carried(task, user, engine, 5.0, at, at + 0.1, at + 0.1 + took, outcome, 1, took))
    found.sort(key=lambda one: one.ended_at)
    return Sides(NEW, OLD, {user: user in moved for user in numbers}), found


def as_of(task: Carried, now: float) -> Carried:
    """As the ledger tells of it then."""
    if task.ended_at <= now:
        return task
    begun = task.begun_at if task.begun_at <= now else 0.0
    return task._replace(ended_at=0.0, begun_at=begun, outcome="running" if begun else "queued")


def looks(days: float, minutes: float) -> Iterator[float]:
    """When somebody looks: each five minutes in the first hour, then every so many minutes.

    Where these are whole hours it is at five minutes to the hour: the last part of the time is nearly over.
    """
    yield from (300.0 * n for n in range(1, 12))
    at = 3_300.0
    while (at := at + minutes * 60.0) <= days * DAY:
        yield at


def watched(sides: Sides, tasks: Sequence[Carried], at: Iterator[float]) -> tuple[float, Judgement] | None:
    """When the guard finds the new engine worse, and what it says then; None where it never does."""
    evidence = Evidence(0.0)
    evidence.remember((task for task in tasks if task.ended_at < 0), sides)
    by_begin = sorted((task for task in tasks if task.queued_at >= 0), key=lambda one: one.queued_at)
    open_: dict[TaskId, Carried] = {}
    place = 0
    for now in at:
        while place < len(by_begin) and by_begin[place].queued_at <= now:
            open_[by_begin[place].task] = by_begin[place]
            place += 1
        told = [as_of(task, now) for task in open_.values()]
        for task in told:
            if task.ended_at:
                del open_[task.task]
        evidence.take(told, sides, now)
        judgement = judge(evidence, sides, now)
        if judgement.state is State.WORSE:
            return now, judgement
    return None


def share_found(
    count: int, make: Callable[[int], tuple[Sides, Sequence[Carried]]], days: float, minutes: float
) -> float:
    """In which share of so many roll-outs it was found worse."""
    return sum(watched(*make(seed), looks(days, minutes)) is not None for seed in range(count)) / count


__all__ = ["NEW", "OLD", "as_of", "looks", "made", "share_found", "steady", "watched"]
