"""The whole ledger on SQLite in memory, where a simulation keeps its lanes: slow, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from paperlane.ledger.endings import Ending
from paperlane.ledger.lanes import Lane
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import migrate
from paperlane.model.tasks import BatchId, Ended, Lease, NewBatch, NewTask, Outcome, TaskId, UserId, WorkerId
from paperlane.simulation.books import Books, Turn, Waiting
from paperlane.simulation.run import Simulation


@dataclass
class At:
    """The simulation's clock, as the ledger asks for it."""

    simulation: Simulation

    def now(self) -> float:
        return self.simulation.now

    monotonic = now


@dataclass
class WholeLedger(Books):
    """Every call is a transaction of the real ledger; one worker of each engine has all its slots."""

    simulation: Simulation = field(kw_only=True)
    tasks: dict[str, Waiting] = field(default_factory=dict)

    @classmethod
    def below(cls, simulation: Simulation) -> "WholeLedger":
        """In place of a simulation's own books, under its rules and its chance."""
        return cls(simulation.books.rules, simulation.books.chance, simulation=simulation)

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.dialect = connect("sqlite://")
        migrate(self.dialect.writer)
        self.dialect.announce = self.woken.update  # type: ignore[method-assign]
        self.ledger = SqlLedger(self.dialect, self.rules, clock=At(self.simulation), chance=self.chance)
        for engine in self.simulation.setting.engines:
            slots = sum(slots for crew, slots in self.simulation.setting.granted() if crew.engine == engine)
            self.ledger.register(WorkerId(engine), engine, "here", 1, slots)

    @override
    def submit(self, user: int, tasks: Sequence[Waiting]) -> None:
        self.woken.clear()
        named = {f"t{task.number:010}": task for task in tasks}
        self.tasks |= named
        new = [NewTask(TaskId(name), b"{}", cost=task.cost) for name, task in named.items()]
        self.ledger.submit(NewBatch(BatchId(f"b{tasks[0].number:010}"), UserId(user), new))

    @override
    def step(
        self, engine: str, now: float, ended: Sequence[tuple[Turn, Outcome]], room: int
    ) -> tuple[Sequence[Turn], Sequence[Ending]]:
        self.woken.clear()
        done = [Ended(turn["lease"], outcome) for turn, outcome in ended]
        leases = self.ledger.step(engine, WorkerId(engine), done, room)
        return [self._turn(lease) for lease in leases], [self._came_to(one) for one in done]

    def _turn(self, lease: Lease) -> Turn:
        return {"user_id": lease.user, "lease": lease, "task": self.tasks[lease.task]}

    def _came_to(self, ended: Ended) -> Ending:
        task = self.ledger.task(ended.lease.task)
        return Ending({"state": task.state.value, "run_at": task.run_at}, "", None)

    @override
    def lane(self, user: int, **changes: Any) -> None:
        self.woken.clear()
        self.lanes[user] = self.lanes.get(user) or Lane(user, 0, "", *[0] * 14)  # known; what it is, the ledger keeps
        self.ledger.lane(UserId(user), **{name: value for name, value in changes.items() if value is not None})
