"""A task that ended as spans, from its history: the task, its waits, its attempts, and where those broke off."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, select

from paperlane.ledger.schema import attempts, events, tasks
from paperlane.model.tasks import TaskId
from paperlane.tracing import Place, Span, Value, attempt_of, root_of

_ENDED = frozenset({"completed", "failed", "cancelled"})
_BROKEN = frozenset({"crashed", "poison"})
_READY_AGAIN = frozenset({"retry", "yielded", "crashed", "paused", "undelivered"})


def spans_of(connection: Connection, task: TaskId) -> Sequence[Span]:
    """Those of its last run, children first; nothing where it goes on, for somebody has started it again.

    A worker tells itself of its steps. Of one that died they are told here, from what it wrote down.
    """
    head = connection.execute(select(*_HEAD).where(tasks.c.id == task)).mappings().first()
    if head is None or head["state"] not in _ENDED:
        return ()
    told = select(*_TOLD).where(events.c.task_id == task, events.c.kind != "progress").order_by(events.c.seq)
    history = _History(task)
    for event in connection.execute(told).mappings():
        history.take(event)
    past = connection.execute(select(*_PAST).where(attempts.c.task_id == task).order_by(attempts.c.fence)).mappings()
    return [*history.waits, *history.attempts(past.all()), history.whole(head)]


_HEAD = tuple(
    tasks.c[name]
    for name in ("state", "user_id", "batch_id", "priority", "engine", "attempt", "cause", "finished_at", "created_at")
)
_TOLD = tuple(events.c[name] for name in ("fence", "kind", "step", "at"))
_PAST = tuple(
    attempts.c[name]
    for name in ("fence", "number", "engine", "worker_id", "started_at", "ended_at", "outcome", "fault")
)


@dataclass(slots=True)
class _History:
    """What the events of a task tell, taken one after the other."""

    task: TaskId
    run: int = 0
    began: float = 0.0
    ready: float = 0.0  # since when it could start
    waits_for: str = ""
    handed_over: float = 0.0
    running: bool = False
    waits: list[Span] = field(default_factory=list)
    steps: dict[int, list[RowMapping]] = field(default_factory=dict)  # of the attempts of this run, by fence
    _named: Counter[str] = field(default_factory=Counter)

    @property
    def root(self) -> Place:
        """The span of this run."""
        return root_of(self.task, max(1, self.run))

    def take(self, event: RowMapping) -> None:
        """One more."""
        kind, at = event["kind"], event["at"]
        if kind in {"submitted", "replayed"}:
            self._starts(at)
        elif kind in _READY_AGAIN:
            self._is_ready(at, kind)
        elif kind == "due":
            self._wait("delay", at)
            self._is_ready(at, self.waits_for)
        elif kind == "leased":
            self.handed_over = at
        elif kind == "begun":
            self._wait("wait", at)
            self.running = True
            self.steps[event["fence"]] = []
        elif kind == "cancelled" and not self.running:
            self._wait("wait", at)
        elif event["fence"] in self.steps:
            self.steps[event["fence"]].append(event)

    def _starts(self, at: float) -> None:
        self.run += 1
        self.began = at
        self.waits.clear()
        self.steps.clear()
        self._named.clear()
        self._is_ready(at, "")

    def _is_ready(self, at: float, after: str) -> None:
        self.ready, self.waits_for, self.handed_over, self.running = at, after, 0.0, False

    def _wait(self, name: str, until: float) -> None:
        self._named[name] += 1
        fields: dict[str, Value] = {"after": self.waits_for} if self.waits_for else {}
        if self.handed_over:
            fields["carried_seconds"] = round(max(0.0, until - self.handed_over), 6)
        place = self.root.child(name, self._named[name])
        self.waits.append(Span(name, place, self.ready, until, self.root, fields))

    def attempts(self, past: Sequence[RowMapping]) -> Iterator[Span]:
        """Those of this run that are over, each part of one as a span of its own."""
        for one in past:
            if one["fence"] not in self.steps:
                continue
            place = attempt_of(self.task, one["fence"])
            outcome, fault = one["outcome"], json.loads(one["fault"])["code"] if one["fault"] else ""
            if outcome in _BROKEN:
                fault = fault or outcome
                yield from self._steps(place, self.steps[one["fence"]], one["ended_at"])
            fields: Mapping[str, Value] = {
                "task": self.task,
                "attempt": one["number"],
                "fence": one["fence"],
                "engine": one["engine"],
                "worker": one["worker_id"],
                "outcome": outcome,
            }
            name = f"attempt {one['number']}"
            yield Span(name, place, one["started_at"], one["ended_at"], self.root, fields, fault)

    @staticmethod
    def _steps(attempt: Place, told: Sequence[RowMapping], broke_off: float) -> Iterator[Span]:
        """The steps of a worker that died, under the ids that it would have told them by."""
        named, begun = Counter[str](), dict[str, tuple[int, float]]()
        for event in told:
            step = event["step"]
            match event["kind"]:
                case "step":
                    named[step] += 1
                    begun[step] = named[step], event["at"]
                case "resumed":
                    named[step] += 1
                    place = attempt.child(step, named[step])
                    yield Span(step, place, event["at"], event["at"], attempt, {"resumed": True})
                case "saved" if step in begun:
                    number, at = begun.pop(step)
                    yield Span(step, attempt.child(step, number), at, event["at"], attempt, {"resumed": False})
                case _:
                    pass
        for step, (number, at) in begun.items():
            yield Span(step, attempt.child(step, number), at, broke_off, attempt, {"resumed": False}, "crashed")

    def whole(self, head: RowMapping) -> Span:
        """The task from its submission, or from when it was started again, to its end."""
        fields: Mapping[str, Value] = {
            "task": self.task,
            "user": head["user_id"],
            "batch": head["batch_id"],
            "priority": head["priority"],
            "engine": head["engine"],
            "status": head["state"],
            "attempts": head["attempt"],
            "run": max(1, self.run),
        }
        began = self.began or head["created_at"]
        return Span("task", self.root, began, max(began, head["finished_at"]), None, fields, head["cause"])
