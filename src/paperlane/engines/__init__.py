"""Engines carry leases to where they run. They decide nothing and cannot see the ledger."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from paperlane.model.tasks import Ended, Lease


@dataclass(frozen=True, slots=True)
class Traits:
    """What differs between engines, declared. `pulled` ones take turns themselves."""

    name: str
    pulled: bool
    longest_attempt: float = inf  # seconds for which it lets a lease run; an attempt that takes longer is run in parts


class RunAttempt(Protocol):
    """The one door for running work: never raises, the outcome says how it went."""

    async def __call__(self, lease: Lease) -> Ended: ...


class RunAndFinish(Protocol):
    """The same, with the outcome told to the ledger: what a push engine calls for each arrival.

    Cancelled, it stops the attempt, and is over once that is handed back; no try is used.
    """

    async def __call__(self, lease: Lease) -> None: ...


class Turns(Protocol):
    """What a pull engine is given."""

    async def step(self, ended: Sequence[Ended], room: int) -> Sequence[Lease]:
        """Finish and claim in one commit; the leases are running."""
        ...

    async def wait(self) -> None:
        """Until something may have become runnable; at most a second, also while the ledger cannot be reached."""
        ...


class Puller(Protocol):
    """A pull engine."""

    traits: Traits

    async def serve(self, turns: Turns, run: RunAttempt, slots: Callable[[], int], stop: asyncio.Event) -> None:
        """Take turns and run them until told to stop; returns when all that ran has ended and is finished.

        At most `slots()` run at once: what the ledger grants may grow and shrink meanwhile.
        """
        ...


class Carrier(Protocol):
    """A push engine."""

    traits: Traits

    def room(self, granted: int) -> int:
        """How many more leases may be handed over now, where this worker was granted so many slots.

        What a broker takes goes to any worker of the engine, and the ledger counts their slots.
        """
        ...

    async def deliver(self, leases: Sequence[Lease]) -> None:
        """Hand the leases over; returns once they are."""
        ...

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> Sequence[Lease]:
        """Run every arrival until told to stop; when all that ran has ended, what arrived and was not begun."""
        ...
