"""What operators look at: everybody's queue, tasks, failures and workers, and the audit trail; never documents.

Admins and viewers may. A viewer is told of a failure what its code says, for the sentence that was raised may quote.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from threading import Lock

from paperlane.catalog import CODES
from paperlane.clock import Clock
from paperlane.desk.rights import check_looks, runs
from paperlane.ledger import Ledger
from paperlane.model.tasks import (
    Failure,
    Fault,
    Found,
    Member,
    Outline,
    PastAttempt,
    Queue,
    Service,
    Sought,
    Task,
    TaskId,
    UserId,
)
from paperlane.records import audit
from paperlane.records.accounts import Account
from paperlane.records.audit import Entry

SERVICE_SECONDS = 300.0
_SHARED = 5.0  # seconds for which all who look share what was asked
_HOUR = 3_600.0
_NAMED = 5  # tasks of each group of failures
_OWNERS_WORDS = frozenset({"schedule changed", "schedule removed"})  # their `name` is its owner's word
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|“[^”]*”|‘[^’]*’|«[^»]*»|「[^」]*」|『[^』]*』|《[^》]*》")
_PLACE = re.compile(r"https?://\S+|(?:/[\w.+-]+){2,}/?|\b[0-9a-z]*\d[0-9a-z]*(?:[.,:-]\d+)*\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Share:
    """How one lane fares beside the others that hold anything: each a part of the whole, 0..1.

    `fair` is by its weight; of what it neither asks for nor may run, others have the use.
    """

    fair: float
    running: float
    service: float
    seconds: float  # slot-seconds that it had


@dataclass(frozen=True, slots=True)
class Lanes:
    """What waits and runs, and how each of the lanes that are told fares beside all others that hold anything."""

    queue: Queue
    shares: Mapping[UserId, Share]

    @property
    def busy(self) -> int:
        """How many lanes hold something."""
        return self.queue.busy


@dataclass(slots=True)
class Group:
    """Failures that are alike: of one code, in one step, with a message of one shape."""

    fingerprint: str
    code: str
    step: str
    message: str
    hint: str
    count: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    engines: set[str] = field(default_factory=set)
    tasks: list[TaskId] = field(default_factory=list)
    users: set[UserId] = field(default_factory=set)

    def add(self, failure: Failure) -> None:
        """Count it in; the latest come first."""
        self.count += 1
        self.last_at = max(self.last_at, failure.at)
        self.first_at = min(self.first_at or failure.at, failure.at)
        self.users.add(failure.user)
        if failure.engine:
            self.engines.add(failure.engine)
        if failure.task not in self.tasks and len(self.tasks) < _NAMED:
            self.tasks.append(failure.task)


@dataclass(frozen=True, slots=True)
class Errors:
    """Failures by group, the most frequent first; `whole` where nothing of the time asked for is left out."""

    groups: Sequence[Group]
    looked: int
    whole: bool


@dataclass(slots=True)
class _Served:
    """What everybody had of the service, as it was told `at` a monotonic time, and who asks for it now."""

    told: Service | None = None
    at: float = -inf
    asking: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Watching:
    """All methods raise NotAllowed for who is neither admin nor viewer."""

    ledger: Ledger
    clock: Clock
    _served: _Served = field(default_factory=_Served)

    def lanes(self, most: int) -> Lanes:
        """A look at all lanes, for those to share who may see it: `queue` tells it to each.

        Told are so many in which most could start, and so many that wait longest: who waits unfairly may have little.
        What each had of the service is as of 5 s ago at most: all who look share it.
        """
        found = self.ledger.queue(None, most, most)
        served = self._service([lane.user for lane in found.lanes])
        shares = {
            lane.user: Share(
                fair=_part(lane.weight, served.weights),
                running=_part(lane.running, found.running),
                service=_part(served.of[lane.user], served.all),
                seconds=served.of[lane.user],
            )
            for lane in found.lanes
        }
        return Lanes(found, shares)

    def queue(self, by: Account, seen: Queue) -> Queue:
        """What was seen of the queue, with what admins change and who serves as it is now."""
        check_looks(by)
        return self.ledger.renewed(seen)

    def _service(self, users: Sequence[UserId]) -> Service:
        """What these had, and all; it costs a look at each lane, so it is asked for seldom."""
        last = self._served
        with last.asking:
            now = self.clock.monotonic()
            if last.told is None or now - last.at > _SHARED or any(user not in last.told.of for user in users):
                last.told = self.ledger.served(users, SERVICE_SECONDS)
                last.at = now
            return last.told

    def tasks(self, by: Account, which: Sought, cursor: str, limit: int) -> Found:
        """Everybody's tasks, newest first, as far as one look goes."""
        check_looks(by)
        found = self.ledger.look_for(which, cursor, limit)
        return replace(found, tasks=[replace(one, fault=told_to(by, one)) for one in found.tasks])

    def task(self, by: Account, task: TaskId) -> tuple[Task, Sequence[PastAttempt]]:
        """A task and its attempts, or NotFound; what it holds is not for who only looks."""
        check_looks(by)
        found, tries = self.ledger.task(task), self.ledger.attempts(task)
        if by.operates or by.id == found.user:
            return found, tries
        fault = found.fault and plain(found.fault)
        bare = replace(found, payload=b"", summary={}, message="", fault=fault)
        return bare, [replace(one, fault=one.fault and plain(one.fault)) for one in tries]

    def errors(self, by: Account, hours: float) -> Errors:
        """The failures of the last so many hours, by what they have in common."""
        check_looks(by)
        found = self.ledger.failures(self.clock.now() - hours * _HOUR)
        groups: dict[str, Group] = {}
        for failure in found.found:
            fault = failure.fault
            shape = shape_of(fault.message)
            name = fingerprint(fault.code, failure.step, shape)
            said = replace(fault, message=shape) if by.operates else plain(fault)
            fresh = Group(name, fault.code, failure.step, said.message, said.hint)
            groups.setdefault(name, fresh).add(failure)
        ordered = sorted(groups.values(), key=lambda one: (-one.count, -one.last_at, one.fingerprint))
        return Errors(ordered, found.looked, found.whole)

    def workers(self, by: Account) -> Sequence[Member]:
        """Every worker that the ledger knows: those that live first, each engine's together."""
        check_looks(by)
        return sorted(self.ledger.members(), key=lambda one: (not one.live, one.engine, one.started_at, one.id))

    def audit(self, by: Account, user: UserId | None, what: str, cursor: str, limit: int) -> Sequence[Entry]:
        """What was changed by whom, the latest first. BadRequest for what is no cursor."""
        check_looks(by)
        found = self.ledger.read(lambda connection: audit.entries(connection, user, what, cursor, limit))
        return found if by.operates else [_without_owners_words(entry) for entry in found]


def _part(of: float, whole: float) -> float:
    """At most 1: what is looked at later may have grown meanwhile."""
    return min(1.0, of / whole) if whole > 0 else 0.0


def _without_owners_words(entry: Entry) -> Entry:
    if entry.what not in _OWNERS_WORDS:
        return entry
    return replace(entry, details={name: value for name, value in entry.details.items() if name != "name"})


def told_to(by: Account | None, task: Task | Outline) -> Fault | None:
    """What somebody is told of a task's fault: as it was raised only who runs it, else what its code says."""
    return task.fault if task.fault is None or runs(by, task.user) else plain(task.fault)


def plain(fault: Fault) -> Fault:
    """The same, as its code says it: no word of it is out of a document."""
    told = CODES.get(fault.code)
    return Fault(fault.code, told.message[0] if told else "", told.hint[0] if told else "")


def shape_of(message: str) -> str:
    """A message without its numbers, quoted names and places: what those of one cause have in common."""
    return _PLACE.sub("…", _QUOTED.sub("…", message))


def fingerprint(code: str, step: str, shape: str) -> str:
    """Sixteen hex digits that stay the same for failures that are alike."""
    return hashlib.sha256(f"{code}\0{step}\0{shape}".encode()).hexdigest()[:16]
