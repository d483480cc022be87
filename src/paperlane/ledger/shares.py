"""How many slots workers keep of a limit that is too low for all of them: numbers alone, for whoever asks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from paperlane.model.tasks import WorkerId


class Granted(NamedTuple):
    """A worker with the slots that it was granted; `channel` says which of its engine's tasks it serves."""

    worker: WorkerId
    engine: str
    slots: int
    channel: tuple[object, ...] = ()


def shared(workers: Sequence[Granted], first: str, allowed: int) -> dict[WorkerId, int]:
    """The slots of each, in their order, when so many are `allowed` in all; as before where that is enough.

    Each channel of each engine keeps a slot while there are any, those of `first` before others: else tasks would wait
    as long as the limit holds. Beyond that each worker keeps its proportional share, to the slot.
    """
    granted = {one.worker: one.slots for one in workers}
    if sum(granted.values()) <= allowed:
        return granted
    return _shares(granted, _least(workers, first)[:allowed], allowed)


def _least(workers: Sequence[Granted], first: str) -> Sequence[WorkerId]:
    """The widest worker of each channel, in the order in which they keep a slot: first one of each engine."""
    widest: dict[str, dict[object, WorkerId]] = {}
    for one in sorted(workers, key=lambda one: one.slots):
        if one.slots > 0:
            widest.setdefault(one.engine, {})[one.channel] = one.worker
    order = [
        (at, engine != first, engine, worker)
        for engine, of in widest.items()
        for at, (_, worker) in enumerate(sorted(of.items(), key=str))
    ]
    return [worker for *_, worker in sorted(order)]


def _shares(granted: Mapping[WorkerId, int], least: Sequence[WorkerId], allowed: int) -> dict[WorkerId, int]:
    """Proportional shares of fewer slots, `least` with at least one."""
    shares = {worker: int(worker in least) for worker in granted}
    whole, rest, before = sum(granted.values()) - len(least), allowed - len(least), 0
    for worker, slots in granted.items():
        more = before + slots - shares[worker]
        shares[worker] += more * rest // whole - before * rest // whole
        before = more
    return shares
