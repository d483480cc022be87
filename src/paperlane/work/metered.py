"""The processor time that an attempt's isolated steps use, as their children tell it."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Seconds, of the user and of the system."""

    seconds: float = 0.0


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Generator[Meter]:
    """What tasks that are made inside `spend` is on this meter, also later."""
    meter = Meter()
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def spend(seconds: float) -> None:
    """So much was used, for the attempt that runs here, if one does."""
    if (meter := _meter.get()) is not None:
        meter.seconds += seconds
