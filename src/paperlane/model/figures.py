"""One look at everything that goes on, and what is kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paperlane.model.tallies import Tallies
from paperlane.model.tasks import EVERYTHING, Channel, EngineState, WorkerId

Series = Mapping[str, float]
"""What a sample keeps of one look, by name: `queued`, `running`, `slots.ENGINE` and so on. What is not known is left
out, and so is a gap in a plot."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How full the database is, and leases that ran out and nobody took back.

    `connections` of `most_connections` are in use, of the server or of this process's pool; 0: that is not known.
    `stranded` leases are over, the first of them for `stranded_for` seconds.
    """

    connections: int = 0
    most_connections: int = 0
    database_bytes: int = 0
    stranded: int = 0
    stranded_for: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A worker as it was seen: it was started with `asked` slots, and keeps at least `least`; `seen` seconds ago.

    It serves the `channel` of its engine, and `wants` so many slots now: none where it drains.
    `cpu` and `memory` are shares of its machine, 0 to 1; None where its sensor failed, or it tells of none.
    """

    id: WorkerId
    engine: str
    host: str = ""
    pid: int = 0
    slots: int = 1
    asked: int = 1
    least: int = 1
    wants: int = 1
    running: int = 0
    cpu: float | None = None
    memory: float | None = None
    seen: float = 0.0
    live: bool = True
    started_at: float = 0.0
    channel: Channel = EVERYTHING

    @property
    def room(self) -> int:
        """How many tasks more it would take now."""
        return max(0, min(self.slots, self.wants) - self.running) if self.live else 0

    @property
    def serves(self) -> bool:
        """Could it begin a task? One that was granted no slots lives, and serves nobody."""
        return self.live and self.slots > 0


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A model as all workers know it, by what they told in the last minutes.

    It told them so many times to slow down in the last minutes (429), `closed_for` is for how many seconds from now
    nobody asks it, it is `away`, or what waits for it has used up its rate: it is `rationed`.
    """

    name: str
    refusals: int = 0
    closed_for: float = 0.0
    away: bool = False
    rationed: bool = False


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """A roll-out that does worse than what it replaces: by which measure, and what was `done` about it.

    `a` is what was measured of the `control` and `b` of the engine, as people read it.
    """

    engine: str
    percent: float
    control: str
    measure: str
    a: str
    b: str
    done: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What a look found `at` a time (seconds since 1970, by the database's clock); durations in seconds.

    Of what is `queued`, so many tasks are `startable`: their time has come, and nobody paused their user or engine. The
    `oldest` of them that is next in its user's line could run for so long, and `backlogs` are how many there are of
    each user, by name. `users` have something that waits or runs. `of_new` are the engines that new users may be given,
    `runnable` those in a channel of which a task could begin. `dead` counts dead letters, `fresh_dead` those of the
    last hour by their cause. `cpu` and `memory` are those of the machine of whoever looks, which is `host`; None where
    the sensor failed. What was counted in all processes since the database was made stands in `tallies`. The database
    was `away` for so long, and `why`: then nothing else is known.
    """

    at: float
    queued: int = 0
    startable: int = 0
    running: int = 0
    slots: int = 0
    limit: int = 0
    oldest: float = 0.0
    users: int = 0
    engines: Sequence[EngineState] = ()
    workers: Sequence[WorkerFigures] = ()
    backlogs: Mapping[str, int] = field(default_factory=dict)
    of_new: frozenset[str] = frozenset()
    runnable: frozenset[tuple[str, Channel]] = frozenset()
    lease: float = 30.0
    dead: int = 0
    fresh_dead: Mapping[str, int] = field(default_factory=dict)
    repairs: int = 0
    vitals: Vitals = field(default_factory=Vitals)
    host: str = ""
    cpu: float | None = None
    memory: float | None = None
    tallies: Tallies = field(default_factory=dict)
    models: Sequence[ModelFigures] = ()
    guards: Sequence[GuardFigures] = ()
    away: float = 0.0
    why: str = ""

    @property
    def connections(self) -> int:
        """In use, of the database."""
        return self.vitals.connections

    @property
    def most_connections(self) -> int:
        """That it allows; 0: not known."""
        return self.vitals.most_connections

    @property
    def database_bytes(self) -> int:
        """How large the database is; 0: not known."""
        return self.vitals.database_bytes
