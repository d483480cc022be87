"""Running one attempt: heartbeats, checkpoints, limits and the policy for errors exist once, here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from paperlane.model.steps import RunStep, Saved
from paperlane.model.tasks import Attempt, TaskId

if TYPE_CHECKING:  # a sandbox's child imports this room, and took half of its start for the ledger's SQL
    from paperlane.ledger import Also


class RunIsolated(Protocol):
    """Runs a step by its name on the saved form of its input, away from this process.

    What it spends `waiting` (of `own_time`) for others is none of the attempt's time.
    """

    async def __call__(
        self, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes: ...


class RunHere(Protocol):
    """Runs a step in the worker itself, on its event loop: one that waits for others far more than it computes.

    The attempt tells for whom. What it spends `waiting` (of `own_time`) for others is none of the attempt's time. It
    may be cancelled and run again, so whatever it pays for it keeps by itself. ServiceAway makes the task wait, which
    costs no try.
    """

    async def __call__(self, value: bytes, attempt: Attempt, progress: Callable[[float, str], None]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Chain:
    """What an application wants to be run for each task.

    `run` is the chain itself, from a task's payload to its last result. `also` is what else is written in the
    transaction that saves a step's result; `summary` is kept with a completed task; both are called on threads.
    `version` rises when payloads are written as older chains cannot read them: workers are given no task of a newer
    version than their chain's. `here` are the steps by name that run in the worker itself; all others are isolated.
    """

    run: Callable[[Saved[Any], RunStep], Awaitable[Saved[Any]]]
    also: "Callable[[TaskId, str, bytes], Also | None] | None" = None
    summary: Callable[[bytes], Mapping[str, object]] | None = None
    version: int = 1
    here: Mapping[str, RunHere] = field(default_factory=dict)
