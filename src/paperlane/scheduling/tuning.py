"""What a worker's law decides by, looked at with each heartbeat, and what is told of its decisions."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from paperlane.clock import Clock
from paperlane.ledger import Ledger
from paperlane.machine import Load, Sensors
from paperlane.model.tasks import Span
from paperlane.scheduling.adaptive import MANY_QUEUED, Law, Seen

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class LedgerTuning:
    """Chooses how many slots a worker wants, by its machine, what waits in the ledger for its engine, and its models.

    `refused` counts how often models refused so far because they were asked too often. For one thread.
    """

    ledger: Ledger
    engine: str
    span: Span
    sensors: Sensors
    clock: Clock
    refused: Callable[[], int]
    _law: Law = field(init=False)
    _refusals: int = field(init=False)

    def __post_init__(self) -> None:
        """What models refused before does not count."""
        self._law = Law(self.span)
        self._refusals = self.refused()

    def look(self) -> Load:
        """How busy its machine is; nothing is known where that fails, and heartbeats go on."""
        try:
            return self.sensors.look()
        except Exception:
            log.exception("the sensors of this machine fail")
            return Load(None, None)

    def wants(self, load: Load, running: int) -> int:
        """So many slots from now on; each change is told with its reason."""
        if self.span.is_fixed:
            return self.span.start
        queued = self.ledger.queued(self.engine, MANY_QUEUED + 1)  # where it raises, refusals count at the next look
        before, self._refusals = self._refusals, self.refused()
        seen = Seen(self.clock.monotonic(), load, running, queued, self._refusals - before)
        decision = self._law.decide(seen)
        if decision.step:
            before_it = decision.slots - decision.step
            log.info("slots changed", engine=self.engine, slots=decision.slots, before=before_it, why=decision.why)
        return decision.slots
