"""Users of a running service are moved to ARQ: back by themselves where tasks fail there, else all of them."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select

from benchmarks import page
from benchmarks.engines.carried import ENGINES
from benchmarks.engines.failing import SHARE
from benchmarks.figures import Figure
from benchmarks.ledger.databases import Databases
from benchmarks.machine import watched
from benchmarks.peers.command import running as started
from benchmarks.program import ROOT, Failed
from benchmarks.rounds import Rounds, say
from benchmarks.service import Service, document, running, upload
from paperlane.assembly import open_ledger
from paperlane.ledger.schema import attempts, tasks
from paperlane.model.tasks import UserId
from paperlane.rollout import place_of
from paperlane.rollout.guards import LEAST_USERS
from paperlane.settings import Settings

_OLD, _NEW = "database", "arq"
_USERS, _MOST_USERS = 30, 100
_HALF, _FEW = 50.0, 10.0  # percent
_ON_EACH = 12  # users at least, where half of all are moved
_FAILS = 0.1  # of the new engine's tasks
_SENTENCES = 4  # of a document
_BURST = 5  # documents of each user, to see how many a second the machine carries
_SHARE = 0.35  # of that many are uploaded then: engines shall not wait for a machine which they share with comparisons
_WORKERS = 2  # of the new engine: as many as the service has of the old one
_HANDS = 8  # uploads at once
_BEFORE, _AFTER = 30.0, 15.0  # seconds of uploads
_LOOKS = {10: 2, 50: 3, 100: 1}  # by percent, for how many looks of the guard it stays so
_PATIENCE = 300.0  # seconds in which the failing one must be taken back
_START, _DRAIN, _LOOK = 60.0, 180.0, 75.0  # seconds at most until a worker is there, all is done, a guard looks again
_PAUSE = 0.5
_NICE = 8  # by how much a service's own workers step back
_ENDED = ("completed", "failed")


@dataclass
class _People:
    """Users who upload small documents, each another one, and what was accepted of them."""

    clients: Sequence[httpx.Client]
    accepted: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def bring(self, client: httpx.Client, documents: int = 1) -> None:
        """One of them uploads so many at once."""
        answer: Any = upload(client, [document(next(self.numbers), _SENTENCES) for _ in range(documents)])
        self.accepted.extend(task["id"] for task in answer["tasks"])

    def rush(self) -> int:
        """All of them bring what they have at the same time; how many documents that is."""
        with ThreadPoolExecutor(_HANDS) as hands:
            list(hands.map(lambda client: self.bring(client, _BURST), self.clients))
        return _BURST * len(self.clients)

    @contextmanager
    def uploading(self, rate: float) -> Iterator[None]:
        """They come in turn, so many a second all together; what went wrong with an upload is raised at the end."""
        over, turns, began = threading.Event(), itertools.count(), time.monotonic()

        def hand() -> None:
            turn = next(turns)
            while not over.wait(max(0.0, began + turn / rate - time.monotonic())):
                self.bring(self.clients[turn % len(self.clients)])
                turn = next(turns)

        with ThreadPoolExecutor(_HANDS) as threads:
            hands = [threads.submit(hand) for _ in range(_HANDS)]
            try:
                yield
            finally:
                over.set()
        for one in hands:
            one.result()


@dataclass(frozen=True, slots=True)
class _Became:
    """What the ledger has of the tasks: how many were lost, how many ended otherwise than once; by engine and end."""

    lost: int
    again: int
    ends: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, service: Service, accepted: Sequence[str]) -> "_Became":
        ledger = open_ledger(Settings(data=service.data))
        asked = select(tasks.c.id, tasks.c.state, tasks.c.engine)
        counted = select(attempts.c.task_id, func.count()).where(attempts.c.outcome.in_(_ENDED))
        try:
            found = {row.id: row for row in ledger.read(lambda c: c.execute(asked).all())}
            ended = dict(ledger.read(lambda c: c.execute(counted.group_by(attempts.c.task_id)).tuples().all()))
        finally:
            ledger.close()
        over = [found[task] for task in accepted if task in found and found[task].state in _ENDED]
        ends = Counter((row.engine, row.state) for row in over)
        return cls(len(accepted) - len(over), sum(ended.get(task, 0) != 1 for task in {*found, *accepted}), ends)

    def failed(self, engine: str) -> float:
        """The share of its tasks that failed."""
        failed, whole = self.ends.get((engine, "failed"), 0), sum(self.ends.get((engine, end), 0) for end in _ENDED)
        return failed / whole if whole else 0.0


@dataclass
class _World:
    """A service with its users, and a worker of the new engine."""

    service: Service
    admin: httpx.Client
    people: _People
    until_monotonic: float
    since: str = ""  # when users were moved first

    def rollout(self) -> Mapping[str, Any]:
        """What was rolled out."""
        return self.admin.get("/rollout").raise_for_status().json()

    def users_of(self, engine: str) -> int:
        """How many it carries."""
        return sum(one["users"] for one in self.rollout()["engines"] if one["engine"] == engine)

    def acted(self) -> Sequence[Mapping[str, Any]]:
        """What guards did, as the audit trail tells it."""
        found = self.admin.get("/audit", params={"what": "guardrail"}).raise_for_status().json()["items"]
        return [one["details"] for one in found]

    def became(self) -> _Became:
        """What became of all that was accepted, while the service still has its folder."""
        return _Became.of(self.service, self.people.accepted)

    def until(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait; Failed where it does not come in time, or in that of the whole part."""
        deadline = min(time.monotonic() + seconds, self.until_monotonic)
        while not holds():
            if time.monotonic() > deadline:
                raise Failed(f"{what} did not come within {seconds:g} s, or the minutes of this part")
            time.sleep(_PAUSE)

    def idle(self) -> None:
        """Wait until all tasks have ended."""

        def holds() -> bool:
            queue = self.admin.get("/queue", params={"limit": 1}).raise_for_status().json()
            return queue["queued"] == queue["running"] == 0

        self.until(holds, "the end of all tasks", _DRAIN)

    def rate(self) -> float:
        """Documents a second that are uploaded from now on: of what is worked off of a rush, the second one."""
        carried = 0.0
        for _ in range(2):
            began = time.monotonic()
            documents = self.people.rush()
            self.idle()
            carried = documents / (time.monotonic() - began)
        say(f"    {carried:.1f} documents a second are carried, so {_SHARE * carried:.1f} are uploaded from now on")
        return _SHARE * carried

    def command(self, *arguments: str) -> str:
        """What a command of Paperlane's prints."""
        command = [sys.executable, "-m", "paperlane", *arguments, "--data", str(self.service.data)]
        environment = {**os.environ, **self.service.environment}
        ran = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        if ran.returncode:
            raise Failed(f"paperlane {' '.join(arguments)}: {ran.stderr.strip()[-300:]}")
        return ran.stdout.strip()

    def roll_out(self, percent: int) -> int:
        """By the command; how many users the new engine carries now."""
        say(f"    {self.command('rollout', 'set', _NEW, str(percent))}")
        self.since = self.since or self.rollout()["rules"][0]["set_at"]
        self.until(lambda: bool(self.rollout()["settled"]), "everybody's move", _START)
        return self.users_of(_NEW)

    def compared(self) -> Mapping[str, Any]:
        """The new engine beside the old one, by the command; before users were moved they came in a rush."""
        asked = ("rollout", "compare", _OLD, _NEW, "--since", self.since, "--format", "json")
        found = json.loads(self.command(*asked))
        say(f"    {found['words']}")
        return found

    def looked(self, times: int) -> Mapping[str, Any]:
        """What the newest rule's guard says once it has looked so often. Failed where it has acted."""
        seen: set[str] = set()
        guard: Mapping[str, Any] = {}

        def holds() -> bool:
            nonlocal guard
            if acted := self.acted():
                raise Failed(f"a guard acted: {acted[0]['did']}, {acted[0]['why']}")
            guard = next(iter(self.rollout()["rules"]), {}).get("guard", {})
            if guard.get("looked_at"):
                seen.add(guard["looked_at"])
            return len(seen) >= times

        self.until(holds, f"look {times} of the guard", _LOOK * (times + 1))
        say(f"    {guard['words']}")
        return guard


@contextmanager
def _world(databases: Databases, rounds: Rounds, fails: float = 0.0) -> Iterator[_World]:
    with ExitStack() as kept:
        service = kept.enter_context(running({"log_level": "error"}))
        admin = kept.enter_context(service.user("operator", "--role", "admin"))
        people = _People([kept.enter_context(client) for client in _users(admin)])
        kept.enter_context(_workers(databases, service, fails))
        world = _World(service, admin, people, rounds.deadline)
        world.until(lambda: _served(world.rollout()), f"a worker of {_NEW}", _START)
        yield world


def _users(admin: httpx.Client) -> Iterator[httpx.Client]:
    """So many that enough of them stand on either side of half, and some among the first: by chance, and always so."""
    halves, first, made = Counter[bool](), 0, 0
    while made < _USERS or min(halves[True], halves[False]) < _ON_EACH or not first:
        if made == _MOST_USERS:
            raise Failed(f"of {made} users too few have their place where it is needed")
        made += 1
        user = admin.post("/users", json={"name": f"user{made}"}).raise_for_status().json()
        place = place_of(UserId(user["id"]))
        halves[place < _HALF] += 1
        first += place < _FEW
        yield httpx.Client(base_url=admin.base_url, headers={"Authorization": f"Bearer {user['token']}"}, timeout=60)


@contextmanager
def _workers(databases: Databases, service: Service, fails: float) -> Iterator[None]:
    """ARQ's own programs with a worker beside each, in the environment of that engine.

    On one machine with a service, whose workers step back behind it: they are as nice as these, or would be quicker.
    """
    python = ENGINES[_NEW].python
    if not python.exists():
        raise Failed(f"the environment of {_NEW} is missing: make engine-{_NEW}")
    program = ["benchmarks.engines.failing"] if fails else ["paperlane", "worker", "--engine", _NEW]
    environment = {
        **os.environ,
        **service.environment,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "PAPERLANE_REDIS_URL": databases.fresh("redis"),
        "PAPERLANE_DATA": str(service.data),
        SHARE: str(fails),
    }
    with ExitStack() as kept:
        for _ in range(_WORKERS):
            kept.enter_context(started(["nice", "-n", str(_NICE), str(python), "-m", *program], environment))
        yield


def _served(told: Mapping[str, Any]) -> bool:
    return any(one["engine"] == _NEW and one["workers"] >= _WORKERS for one in told["engines"])


@dataclass
class _Seen:
    """The figures of a run, and what was not as promised."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def note(self, what: str, value: float | None, unit: str, note: str = "") -> None:
        """A figure; its note must fit into a table's cell."""
        told = " ".join(note.replace("|", "/").split())
        self.figures.append(Figure(f"rollout.{self.name}.{what}", value, unit, note=told))

    def promised(self, words: str, *, holds: bool) -> None:
        """What must be so."""
        if not holds:
            self.broken.append(words)

    def load(self, world: _World, became: _Became, rate: float, foreign: float) -> None:
        """How much was uploaded, and what became of it: nothing is lost, and each task ends once."""
        others = f"others used {foreign:.0%} of the machine"
        self.note("users", len(world.people.clients), "users")
        self.note("uploads", rate, "documents/s", others)
        self.note("tasks accepted", len(world.people.accepted), "tasks")
        self.note("tasks lost", became.lost, "tasks")
        self.note("tasks not ended just once", became.again, "tasks")
        for engine in (_OLD, _NEW):
            whole = sum(became.ends.get((engine, end), 0) for end in _ENDED)
            self.note(f"tasks ended on {engine}", whole, "tasks")
            self.note(f"failed of these on {engine}", 100 * became.failed(engine), "%")
        self.promised("tasks were lost", holds=became.lost == 0)
        self.promised("tasks did not end just once", holds=became.again == 0)
        self.promised(f"tasks failed on {_OLD}", holds=became.failed(_OLD) == 0)

    def comparison(self, when: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the comparison says: over all with its cautions, of failures and completion. The measures by name."""
        measures = {one["name"]: one for one in told["measures"]}
        compared = told["b"]["compared_tasks"]
        said = [f"{told['verdict']}: {told['words']}", *(one["words"] for one in told["cautions"])]
        self.note(f"compared {when}", compared, f"tasks of {_NEW}", " ".join(said))
        for name, one in measures.items():
            if name in {"failures", "completion"}:
                figure = one["figures"][one["decides"]]
                by_share = name == "failures"
                apart = figure["difference"] if by_share else figure["ratio"]
                value = None if apart is None else 100 * apart if by_share else apart
                self.note(f"compared {when}: {name}", value, "points more" if by_share else "times", one["words"])
        return measures


def _failing(databases: Databases, rounds: Rounds) -> _Seen:
    """Of the new engine's tasks one in ten fails: half of the users are moved, and the guard is left alone with it."""
    seen = _Seen("failing")
    with _world(databases, rounds, _FAILS) as world, watched() as machine:
        rate = world.rate()
        with world.people.uploading(rate):
            time.sleep(_BEFORE)
            moved = world.roll_out(round(_HALF))
            began = time.monotonic()
            world.until(lambda: not world.rollout()["rules"], "the end of the roll-out", _PATIENCE)
            took = time.monotonic() - began
            say(f"    taken back after {took:.0f} s")
            time.sleep(_AFTER)
        world.idle()
        acted, left = world.acted(), world.users_of(_NEW)
        told, became = world.compared(), world.became()
    why = acted[0]["why"] if acted else ""
    seen.note(f"users moved to {_NEW}", moved, "users")
    seen.note("until it is taken back", took, "s", why)
    seen.note(f"users left on {_NEW}", left, "users")
    seen.load(world, became, rate, machine.foreign)
    failures = seen.comparison("at the end", told)["failures"]
    by = acted[0]["figures"].get("measure") if acted else None
    seen.promised("it was not taken back for its failures", holds=len(acted) == 1 and by == "failures")
    seen.promised(f"users are left on {_NEW}", holds=left == 0)
    seen.promised("the comparison's verdict is another one", holds=told["verdict"] == "worse")
    seen.promised("the comparison's headline names no failures", holds="failures" in told["words"])
    seen.promised("the comparison does not say that it fails more often", holds="fail more often" in failures["words"])
    return seen


def _whole(databases: Databases, rounds: Rounds) -> _Seen:
    """Nothing fails: a few users are moved, then half, then all."""
    seen = _Seen("whole")
    with _world(databases, rounds) as world, watched() as machine:
        rate = world.rate()
        with world.people.uploading(rate):
            time.sleep(_BEFORE)
            for percent, looks in _LOOKS.items():
                moved = world.roll_out(percent)
                guard = world.looked(1 if rounds.quick else looks)
                seen.note(f"users on {_NEW} at {percent} %", moved, "users", f"{guard['state']}: {guard['words']}")
                if percent < max(_LOOKS):
                    told = world.compared()
                    seen.comparison(f"at {percent} %", told)
                    few = moved < LEAST_USERS and told["verdict"] != "too_small"
                    seen.promised(f"at {percent} % it finds {told['verdict']} by few users", holds=not few)
            time.sleep(_AFTER)
        world.idle()
        rules, left = world.rollout()["rules"], world.users_of(_OLD)
        told, became = world.compared(), world.became()
        seen.note("times that a guard acted", len(world.acted()), "times")
        seen.promised("a guard acted", holds=not world.acted())
    seen.load(world, became, rate, machine.foreign)
    failures = seen.comparison("at the end", told)["failures"]
    whole = left == 0 and bool(rules) and (rules[0]["engine"], rules[0]["percent"]) == (_NEW, 100)
    seen.promised("it did not reach 100 %", holds=whole)
    seen.promised("the comparison finds that it fails more", holds=failures["verdict"] != "worse")
    seen.note(f"users left on {_OLD}", left, "users")
    return seen


_RUNS: Mapping[str, Callable[[Databases, Rounds], _Seen]] = {"failing": _failing, "whole": _whole}
MINUTES: Mapping[str, float] = {"failing": 9, "whole": 13}
"""By the name of a run, how long it may take; on a machine that does nothing else four and eight."""


def measured(name: str, databases: Databases, rounds: Rounds) -> Sequence[Figure]:
    """One of the runs. Failed where something is not as promised; what was seen is said then."""
    seen = _RUNS[name](databases, rounds)
    if seen.broken:
        say(page.summary(seen.figures))
        raise Failed("; ".join(seen.broken))
    return seen.figures
