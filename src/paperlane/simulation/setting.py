"""What a simulation is set up with: workers, engines and limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paperlane.errors import BadRequest
from paperlane.ledger.shares import Granted, shared
from paperlane.model.tasks import WorkerId

_MOST_SLOTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Crew:
    """So many worker processes of an engine, alike.

    `overhead` are the seconds from a turn to the begin of its attempt, in which its slot is taken. Attempts take
    `factor` times as long as the load says; the share `fails` of them ends as failed, `retries` is tried again.
    """

    engine: str = "database"
    workers: int = 2
    slots: int = 10
    overhead: float = 0.0
    factor: float = 1.0
    fails: float = 0.0
    retries: float = 0.0

    def __post_init__(self) -> None:
        """BadRequest for numbers that make no sense."""
        if not (1 <= self.workers <= _MOST_SLOTS and 1 <= self.slots <= _MOST_SLOTS):
            raise BadRequest(
                f"{self.workers} workers with {self.slots} slots each make no sense.", hint="Give at least one of each."
            )
        if not (0 <= self.overhead < 86_400 and 0 < self.factor < 1_000):  # noqa: PLR2004  a day
            raise BadRequest("The overhead or the factor of an engine makes no sense.", hint="Give seconds, and times.")
        if not (0 <= self.fails <= 1 and 0 <= self.retries < 1 and self.fails + self.retries <= 1):
            raise BadRequest("The share of attempts that fail is between 0 and 1.", hint="Give 0.01 for one in 100.")


@dataclass(frozen=True, slots=True)
class Setting:
    """Workers, and limits as an installation has them. Users without an entry in `limits` run `user_limit` at once.

    Where slots are few, the `first` engine comes before others; "": that of the first crew.
    """

    crews: Sequence[Crew] = (Crew(),)
    user_limit: int = 10
    system_limit: int = 100
    limits: Mapping[int, int] = field(default_factory=dict)
    weights: Mapping[int, float] = field(default_factory=dict)
    first: str = ""

    def __post_init__(self) -> None:
        """BadRequest for limits that make no sense."""
        if not self.crews:
            raise BadRequest("Without a worker nothing runs.", hint="Give at least one.")
        if self.user_limit < 1 or self.system_limit < 1:
            raise BadRequest("A limit is at least 1.", hint="Give --user-limit and --system-limit of 1 or more.")

    @property
    def engines(self) -> Sequence[str]:
        """The engines, each once; the first one carries whoever has no other."""
        return list(dict.fromkeys(crew.engine for crew in self.crews))

    def granted(self) -> Sequence[tuple[Crew, int]]:
        """Each worker with its slots: as the ledger shares them when the system's limit is lowered to this one."""
        crews = [crew for crew in self.crews for _ in range(crew.workers)]
        workers = [Granted(WorkerId(f"{at:07}"), crew.engine, crew.slots) for at, crew in enumerate(crews)]
        slots = shared(workers, self.first or self.engines[0], self.system_limit)
        return list(zip(crews, slots.values(), strict=True))

    @property
    def without(self) -> Sequence[str]:
        """The engines that no slot is left for: what they carry never begins."""
        serving = {crew.engine for crew, slots in self.granted() if slots}
        return [engine for engine in self.engines if engine not in serving]

    @property
    def slots(self) -> int:
        """How many slots are granted in all."""
        return sum(slots for _, slots in self.granted())
