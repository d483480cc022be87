"""Each promise under load is kept by a good run, and broken by one that is bad in just that."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from paperlane.bench.criteria import broken, judged
from paperlane.bench.load import Look, Plan, Seen
from paperlane.bench.load_report import report_of, words_of
from paperlane.bench.people import Asked, Book
from paperlane.errors import BadRequest

NAMES = [
    "creating a batch of 50", "creating one in a rush", "tasks at once", "API", "task completion", "tasks lost",
    "tasks failed", "availability", "recovery", "progress delay", "page response", "task creation",
    "database connections", "growth of memory", "light users' wait",
]  # fmt: skip
BEGAN, HELD, ENDED = 1_000.0, 1_100.0, 1_400.0


def said(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def task(accepted: float, wait: float = 0.2, took: float = 40.0, status: str = "completed") -> dict[str, Any]:
    ended = accepted + wait + took
    return {
        "created_at": said(accepted), "started_at": said(accepted + wait), "finished_at": said(ended),
        "status": status, "error": {"code": "broken"} if status == "failed" else None,
    }  # fmt: skip


def good() -> Seen:
    """A run of 300 s in which all went well: 20 users, a kill, and everything counted."""
    plan = Plan(tasks=1_000, kill_every=100)
    looks = [
        Look(
            BEGAN + n,
            1_000 if BEGAN + n >= HELD else 10 * n,
            250,
            {"service 1": 100 << 20, "worker 2": 80 << 20},
            20,
            3,
        )
        for n in range(401)
    ]
    kinds = {"list": 0.03, "task": 0.02, "page": 0.05, "batch": 0.08, "queue": 0.02}
    asked = [
        Asked(kind, HELD + n, took, 202 if kind == "batch" else 200) for kind, took in kinds.items() for n in range(200)
    ]
    asked += [Asked("batch", BEGAN + n, 0.4, 202) for n in range(20)]
    tasks: dict[str, Any] = {}
    promised: dict[str, str] = {}
    for user in range(1, 21):
        for n in range(10):
            name = f"{user}-{n}"
            tasks[name], promised[name] = task(HELD + 10 * n + user / 100), f"user-{user:02}"
    book = Book(asked, [(HELD + n, 0.1) for n in range(200)])
    return Seen(
        plan, {"slots": 500}, BEGAN, HELD, ENDED, ENDED + 60, book, looks, [HELD + 100], [0.001] * 100,
        promised, tasks, 40,
    )  # fmt: skip


def slower(kind: str, seconds: float, at: float = HELD) -> Callable[[Seen], None]:
    def change(seen: Seen) -> None:
        seen.book.asked += [Asked(kind, at, seconds, 200)] * 100

    return change


def fewer(seen: Seen) -> None:
    seen.looks = [replace(look, running=189) for look in seen.looks]


def waiting_longer(seen: Seen) -> None:
    """One light user's tasks begin when the heavy one's, accepted at the same time, have long begun."""
    for n in range(10):
        seen.tasks[f"2-{n}"] = task(HELD + 10 * n + 0.02, wait=60.0)  # type: ignore[index]
    for n in range(600):
        seen.promised[f"h{n}"] = "user-01"
        seen.tasks[f"h{n}"] = task(HELD, wait=n / 4)  # type: ignore[index]


def losing(seen: Seen) -> None:
    seen.promised["gone"] = "user-01"


def hanging(seen: Seen) -> None:
    seen.tasks["1-0"]["status"] = "running"  # type: ignore[index]


def silent(seen: Seen) -> None:
    seen.tasks = None


def growing(seen: Seen) -> None:
    seen.looks = [
        replace(look, memory={**look.memory, "worker 2": (80 << 20) + int((look.at - BEGAN) * (60 << 10))})
        for look in seen.looks
    ]


def staying_down(seen: Seen) -> None:
    seen.kills = [HELD]
    seen.plan = replace(seen.plan, minutes=6)
    seen.ended = HELD + 310
    seen.looks += [Look(ENDED + n, 0, 0, {"service 1": 180 << 20}, 20, 3) for n in range(10)]
    seen.looks = [replace(look, running=500) if look.at > HELD else look for look in seen.looks]


BREAK: dict[str, tuple[Callable[[Seen], None], str]] = {
    "slow batches": (slower("batch", 0.6), "creating a batch of 50"),
    "slow batches in a rush": (slower("batch", 1.1, BEGAN), "creating one in a rush"),
    "fewer at once": (fewer, "tasks at once"),
    "slow lists": (slower("list", 1.1), "API"),
    "slow pages": (slower("page", 2.1), "page response"),
    "long tasks": (
        lambda seen: seen.tasks.update({f"1-{n}": task(HELD - 90_000, took=90_100.0) for n in range(10)}),  # type: ignore[union-attr]
        "task completion",
    ),
    "a lost task": (losing, "tasks lost"),
    "a task that hangs": (hanging, "tasks lost"),
    "a service that tells nothing": (silent, "tasks lost"),
    "a failed task": (lambda seen: seen.tasks.update({"1-0": task(HELD, status="failed")}), "tasks failed"),  # type: ignore[union-attr]
    "no answers": (lambda seen: seen.book.asked.extend([Asked("list", HELD, 0.1, 0)] * 10), "availability"),
    "broken answers": (lambda seen: seen.book.asked.extend([Asked("task", HELD, 0.1, 503)] * 10), "availability"),
    "no recovery": (staying_down, "recovery"),
    "late progress": (lambda seen: seen.book.delays.extend([(HELD, 6.0)] * 10), "progress delay"),
    "refused uploads": (lambda seen: seen.book.asked.extend([Asked("batch", HELD, 0.1, 422)] * 10), "task creation"),
    "no connection left": (
        lambda seen: seen.looks.append(replace(seen.looks[-1], connections=120)),
        "database connections",
    ),
    "growing memory": (growing, "growth of memory"),
    "an unfair wait": (waiting_longer, "light users' wait"),
}  # fmt: skip


def test_a_good_run_keeps_every_promise_and_reaches_every_aim():
    found = judged(good())
    assert [one.name for one in found] == NAMES
    assert [one.met for one in found] == [True] * len(NAMES), found
    assert [one.name for one in found if one.reached is False] == []


@pytest.mark.parametrize("how", BREAK)
def test_each_promise_can_be_broken(how: str):
    seen, (change, name) = good(), BREAK[how]
    change(seen)
    assert name in [one.name for one in broken(judged(seen))]
    assert not report_of(seen).kept


def test_back_pressure_is_no_failure_and_no_creation():
    seen = good()
    seen.book.asked += [Asked("batch", HELD, 0.01, 429)] * 500
    words = words_of(report_of(seen))
    assert words["availability"]["measured"] == 1.0
    assert words["task creation"]["measured"] == 1.0
    assert "500 more were clearly refused" in words["task creation"]["said"]


def test_a_short_run_says_nothing_of_memory_and_one_without_kills_nothing_of_recovery():
    seen = good()
    seen.kills, seen.ended = [], HELD + 200
    words = words_of(report_of(seen))
    assert (words["growth of memory"]["met"], words["recovery"]["met"]) == (None, None)


@pytest.mark.parametrize(("tasks", "users"), [(200, 20), (1_000, 20), (7, 3), (1, 1), (2_000, 1_000)])
def test_the_heavy_user_has_their_share_and_everybody_something(tasks: int, users: int):
    plan = Plan(tasks=tasks, users=users)
    shares = [plan.share(user) for user in range(users)]
    assert min(shares) >= 1
    assert users == 1 or shares[0] == round(plan.unfinished * 0.8)
    assert users > tasks / 10 or abs(sum(shares) - plan.unfinished) <= users
    assert all(1 <= plan.upload(user) <= share for user, share in enumerate(shares))


@pytest.mark.parametrize(("tasks", "heavy"), [(200, 0.0), (2, 0.1)])
def test_a_user_without_a_share_uploads_nothing(tasks: int, heavy: float):
    plan = Plan(tasks=tasks, users=2, heavy=heavy)
    assert (plan.share(0), plan.upload(0)) == (0, 0)
    assert plan.share(1) == plan.unfinished
    assert plan.upload(1) >= 1


def test_more_users_than_tasks_are_refused():
    Plan(tasks=7, users=7)
    with pytest.raises(BadRequest, match=r"more users \(8\) than tasks \(7\)") as refused:
        Plan(tasks=7, users=8)
    assert refused.value.hint == "Name at most --users 7, or at least --tasks 8."
