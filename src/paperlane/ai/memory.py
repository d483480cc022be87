"""Answers, rates and books of one process, for as long as it lives: where files are tested without a ledger."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TypeVar

from paperlane.ai import Answer
from paperlane.ai.budget import Budget, Spent
from paperlane.ai.purses import Payer, Spendings
from paperlane.model.tasks import TaskId, UserId

Given = TypeVar("Given")


class MemoryAnswers:
    """`Answers`."""

    def __init__(self) -> None:
        self._kept: dict[str, Answer] = {}

    def get(self, keys: Sequence[str]) -> Mapping[str, Answer]:
        return {key: self._kept[key] for key in keys if key in self._kept}

    def put(self, new: Sequence[Answer]) -> None:
        for answer in new:
            self._kept.setdefault(answer.key, answer)


class MemoryRates:
    """`Rates`."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kept: dict[str, str] = {}
        self._lock = Lock()

    def change(self, model: str, work: Callable[[str, float], tuple[str, Given]]) -> Given:
        with self._lock:
            self._kept[model], given = work(self._kept.get(model, ""), self._now())
            return given


class MemoryBooks:
    """`Books`; each task has one attempt, which waits for no model."""

    def __init__(self, budget: Budget = Budget()) -> None:  # noqa: B008  frozen
        self._budget = budget
        self._spendings: defaultdict[UserId, dict[Payer, dict[str, Spent]]] = defaultdict(dict)
        self._lock = Lock()

    def terms(self, user: UserId) -> tuple[Budget, float]:  # noqa: ARG002  there is one alone
        return self._budget, 1.0

    def settle(self, user: UserId, spendings: Spendings) -> Spent:
        with self._lock:
            for payer, models in spendings.items():
                known = self._spendings[user].setdefault(payer, {})
                for model, spent in models.items():
                    before = known.get(model, Spent())
                    known[model] = before + spent.beyond(before)
            return sum((one for models in self._spendings[user].values() for one in models.values()), start=Spent())

    def stands(self, payer: Payer) -> Mapping[str, Spent]:
        with self._lock:
            return next((dict(of[payer]) for of in self._spendings.values() if payer in of), {})

    def before(self, payer: Payer) -> Mapping[str, Spent]:  # noqa: ARG002  as above
        return {}

    def waits(self, task: TaskId, model: str, *, answered: bool) -> float:  # noqa: ARG002  as above
        return 0.0
