"""Answers and rates of one process, for as long as it lives: where files are tested without a ledger."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TypeVar

from paperlane.ai import Answer

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
