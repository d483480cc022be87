"""Holds so many tasks at once on a whole service, while people use it, and writes down what they meet with."""

import asyncio
import math
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from paperlane.bench.ground import Ground
from paperlane.bench.house import House, model, running
from paperlane.bench.people import Book, People, Person, accepted, everybody, moment
from paperlane.bench.spread import Started
from paperlane.bench.writing import Writer
from paperlane.carriers import CARRIED
from paperlane.errors import BadRequest
from paperlane.settings import Settings

BATCH = 50
"""Documents in a heavy user's upload: the requirements measure such a batch."""

SPARE = 1.03
"""Slots beside the tasks that are to be held: what ends leaves its slot empty until the next task is there."""

_LOOK = 1.0  # seconds
_VISITS = 2.0  # seconds between two things that a person asks for, on average
_PAGES = ("/", "/queue", "/queue/now")
_FILLING = 600.0  # seconds at most
_JOINING = 60.0  # seconds at most: who has not joined by then is missed in what is measured
_STANDS = 60.0  # seconds in which nothing more is held, after which no more is waited for
_DRAINING = 900.0  # seconds at most
_SILENT = 10  # looks without an answer, after which no more is waited for
_NEARLY = 0.98
_OWN = 0.1  # seconds between two looks at how late this process itself is


@dataclass(frozen=True, slots=True)
class Plan:
    """What is held, for whom and how long: `tasks` at once, of which one user has the share `heavy`.

    Behind them wait `queued` more for each that runs, so that users compete. The model's answers take `median` seconds,
    log-normal with `sigma`. A worker is killed with -9 every `kill_every` seconds; 0: none. BadRequest for more users
    than tasks: each but the heavy one has at least one.
    """

    engine: str = "database"
    tasks: int = 200
    users: int = 20
    heavy: float = 0.8
    minutes: float = 2.0
    kill_every: float = 0.0
    median: float = 60.0
    sigma: float = 0.5
    queued: float = 0.25
    workers: int = 2
    sentences: int = 20
    seed: int = 1

    def __post_init__(self) -> None:
        """There is a task for each."""
        if self.users > self.tasks:
            raise BadRequest(
                f"There are more users ({self.users}) than tasks ({self.tasks}).",
                hint=f"Name at most --users {self.tasks}, or at least --tasks {self.users}.",
            )

    @property
    def unfinished(self) -> int:
        """Tasks that run or wait, of all users."""
        return math.ceil(self.tasks * (1 + self.queued))

    def share(self, user: int) -> int:
        """How many of them are this user's; the first one is the heavy one."""
        if self.users == 1:
            return self.unfinished
        heavy = round(self.unfinished * self.heavy)
        return heavy if user == 0 else max(1, round((self.unfinished - heavy) / (self.users - 1)))

    def upload(self, user: int) -> int:
        """How many documents are in an upload of this user; 0: they upload nothing."""
        share = self.share(user)
        return min(BATCH, share) if user == 0 else max(1, share // 2)


@dataclass(frozen=True, slots=True)
class Look:
    """The service as it was at one time: what ran and waited, bytes of its processes, connections to the database."""

    at: float
    running: int
    queued: int
    memory: Mapping[str, int]
    connections: int | None
    processes: int
    """Of the service, those that open the database: itself and its workers."""


@dataclass(slots=True)
class Seen:
    """All that was seen of a run. Times in seconds since 1970.

    `promised` are the accepted tasks, `tasks` what became of each that the service still knows, None where it did not
    tell. `lag` are the seconds by which this process itself was late. `foreign` is the share of the machine that others
    used meanwhile.
    """

    plan: Plan
    settings: Mapping[str, object]
    began: float = 0.0
    held: float = 0.0
    ended: float = 0.0
    drained: float = 0.0
    book: Book = field(default_factory=Book)
    looks: list[Look] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    promised: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, Mapping[str, Any]] | None = None
    most: int = 0
    foreign: float = 0.0

    def started(self) -> Sequence[Started]:
        """Every task that some attempt has begun."""
        return [
            Started(self.promised[name], moment(task["created_at"]), moment(task["started_at"]))
            for name, task in (self.tasks or {}).items()
            if task["started_at"] and name in self.promised
        ]


def settings_of(plan: Plan, model_url: str, folder: Path, database: str, usual: Settings) -> dict[str, object]:
    """The settings that such a load needs; all others are the usual ones, but where brokers are."""
    slots = math.ceil(plan.tasks * SPARE)
    models = [
        {
            "model": "slow",
            "base_url": f"{model_url}/v1",
            "key_env": "PAPERLANE_MODEL_API_KEY",
            "in_flight": min(10_000, max(1, slots)),
            "seconds": 3_600.0,
        }
    ]
    given: dict[str, object] = {
        "data": str(folder / "data"),
        "database_url": database,
        "engine": plan.engine,
        "models": models,
        "model_api_key": "none",
        "workers": plan.workers if plan.engine == "database" else 0,
        "slots": math.ceil(slots / plan.workers) if plan.engine == "database" else slots,
        "inline_slots": slots if plan.engine == "inline" else 1,
        "pool_slots": slots if plan.engine == "pool" else 0,
        "pool_backlog": 2 * plan.unfinished,
        "user_limit": slots,
        "user_backlog": 2 * plan.unfinished + BATCH,
        "system_backlog": 3 * plan.unfinished + BATCH,
        "max_user_sockets": 10,
        "log_level": "warning",
    }
    given["system_limit"] = slots + 2 + plan.workers  # and what inline asks for
    if plan.kill_every:
        given["max_crashes"] = 1_000  # or documents would be taken for poison that only stood by
    if plan.engine in CARRIED:
        given |= {"redis_url": usual.redis_url, "amqp_url": ""}  # see `brokers`
    for adaptive in ("slots_min", "slots_max"):  # what is held is asked for: nobody shall make it fewer
        given[adaptive] = given["slots"]
    return given


class Load:
    """One run: fill, hold, let all end, account for every task."""

    def __init__(self, plan: Plan, ground: Ground, folder: Path, usual: Settings, say: Callable[[str], None]) -> None:
        self.plan, self.say = plan, say
        self.house: House | None = None
        self._ground, self._folder, self._usual = ground, folder, usual
        self._chance = random.Random(plan.seed)  # noqa: S311  spreads load, keeps no secret
        self._newest: dict[str, str] = {}
        self._unfinished: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._known: dict[str, list[str]] = defaultdict(list)

    async def run(self) -> Seen:
        """All that was seen. What the service does wrong stands there; only what keeps it from starting is raised."""
        plan = self.plan
        async with AsyncExitStack() as kept:
            address = await kept.enter_async_context(model(plan.median, plan.sigma, plan.seed))
            settings = settings_of(plan, address, self._folder, self._ground.url, self._usual)
            beside = [("--engine", plan.engine)] if plan.engine in CARRIED else []
            self.house = await kept.enter_async_context(running(House(self._folder, settings, beside)))
            seen = Seen(plan, settings, most=self._ground.most())
            people = await kept.enter_async_context(everybody(self.house.url))
            people.book = seen.book
            admin = Person("bench-admin", 0, await self.house.admin())
            slots = math.ceil(plan.tasks * SPARE)
            users = [await people.add(admin, f"user-{n + 1:02}", slots) for n in range(plan.users)]
            await self._warm(people, admin)
            await self._hold(seen, people, admin, users)
            await self._end(seen, people, admin, users, address)
        return seen

    async def _warm(self, people: People, admin: Person) -> None:
        """A start is no load: wait until the workers have joined, and upload one document that nobody counts."""
        deadline = time.monotonic() + _JOINING
        while time.monotonic() < deadline:
            answer = await people.ask("setup", admin, "GET", "/api/v1/workers")
            here = [] if answer is None or answer.is_error else answer.json()["items"]
            if sum(one["live"] and one["engine"] == self.plan.engine for one in here) >= self._workers:
                break
            await asyncio.sleep(_LOOK / 5)
        await people.upload("setup", admin, [Writer(self.plan.seed, self.plan.sentences).next()])

    @property
    def _workers(self) -> int:
        return self.plan.workers if self.plan.engine == "database" else 1

    async def _hold(self, seen: Seen, people: People, admin: Person, users: Sequence[Person]) -> None:
        """Fill, and hold for the time that was asked for."""
        assert self.house is not None
        busy, own = _busy(), self._used()
        seen.began, began = time.time(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            going = [group.create_task(self._watch(seen, people, admin)), group.create_task(_late(seen))]
            for number, user in enumerate(users):
                going.append(group.create_task(self._refill(seen, people, user, number)))
                going.append(group.create_task(self._visit(people, user)))
                going.append(group.create_task(self._follow(people, user)))
            await self._until_held(seen)
            seen.held = time.time()
            self.say(f"holding {seen.looks[-1].running if seen.looks else 0} tasks for {self.plan.minutes:g} minutes")
            if self.plan.kill_every:
                going.append(group.create_task(self._kill(seen)))
            await asyncio.sleep(self.plan.minutes * 60)
            seen.ended = time.time()
            for one in going:
                one.cancel()
        spent = (time.perf_counter() - began) * (os.cpu_count() or 1)
        seen.foreign = max(0.0, min(1.0, (_busy() - busy - (self._used() - own)) / spent))

    async def _until_held(self, seen: Seen) -> None:
        """Until as many run as are asked for; or no more do for a while, as this machine can no more."""
        most, since = 0, time.monotonic()
        deadline = since + _FILLING
        while time.monotonic() < deadline:
            await asyncio.sleep(_LOOK / 4)
            now = seen.looks[-1].running if seen.looks else 0
            if now >= self.plan.tasks * _NEARLY:
                return
            if now > most:
                most, since = now, time.monotonic()
            elif time.monotonic() - since > _STANDS:
                break
        self.say(f"no more than {most} tasks run at once here")

    async def _watch(self, seen: Seen, people: People, admin: Person) -> None:
        """Look at the queue, the processes and the database's connections, every second."""
        loop = asyncio.get_running_loop()
        while True:
            soon = loop.time() + _LOOK
            asked = {"limit": self.plan.users + 1}
            answer = await people.ask("queue", admin, "GET", "/api/v1/queue", params=asked)
            queue = answer.json() if answer is not None and not answer.is_error else None
            if queue is not None:
                self._unfinished = Counter({user["name"]: user["queued"] + user["running"] for user in queue["users"]})
            seen.looks.append(await loop.run_in_executor(None, self._look, queue))
            await asyncio.sleep(max(0.05, soon - loop.time()))

    def _look(self, queue: Mapping[str, Any] | None) -> Look:
        """Of a service that does not answer, nothing runs that anybody could see."""
        assert self.house is not None
        alive = self.house.alive()
        memory: dict[str, int] = {}
        for name, process in alive.items():
            with suppress(psutil.Error):
                memory[name] = process.memory_info().rss
        opens = [process for name, process in alive.items() if not name.startswith("sandbox")]
        connections = None
        with suppress(Exception):  # the database may be away, which is not for us to judge
            connections = self._ground.connections(opens)
        now, waits = (queue["running"], queue["queued"]) if queue is not None else (0, 0)
        return Look(time.time(), now, waits, memory, connections, len(opens))

    async def _refill(self, seen: Seen, people: People, user: Person, number: int) -> None:
        """Upload whenever this user has room for another batch."""
        share, writer = self.plan.share(number), Writer(self.plan.seed * 1_000 + number, self.plan.sentences)
        if (size := self.plan.upload(number)) == 0:
            return
        kind = "batch" if size == BATCH else "small batch"
        sent = 0  # since the last look: the queue does not show it yet
        shown = self._unfinished
        while True:
            if shown is not self._unfinished:
                shown, sent = self._unfinished, 0
            if shown[user.name] + sent + size <= share:
                batch = await people.upload(kind, user, [writer.next() for _ in range(size)])
                if batch is not None:
                    seen.promised |= dict.fromkeys(accepted(batch), user.name)
                    self._known[user.name] = list(accepted(batch))
                    self._newest[user.name] = batch["id"]
                    sent += size
                    continue
            await asyncio.sleep(_LOOK / 2)

    async def _visit(self, people: People, user: Person) -> None:
        """Ask for this and that as people at a page do, each time whether the last answer is there or not."""
        chance = random.Random(f"{self.plan.seed} {user.name}")  # noqa: S311  spreads load, keeps no secret
        done: list[str] = []

        async def once() -> None:
            match chance.randrange(6):
                case 0 | 1:
                    answer = await people.ask("list", user, "GET", "/api/v1/tasks", params={"limit": 100})
                    if answer is not None and not answer.is_error:
                        done[:] = [task["id"] for task in answer.json()["items"] if task["status"] == "completed"]
                case 2:
                    await people.ask("own queue", user, "GET", "/api/v1/queue")
                case 3 if done:
                    await people.ask("report", user, "GET", f"/api/v1/tasks/{chance.choice(done)}/report?format=html")
                case 4 if known := self._known[user.name]:
                    await people.ask("task", user, "GET", f"/api/v1/tasks/{chance.choice(known)}")
                case _:
                    known = self._known[user.name]
                    pages = [*_PAGES, *(f"/tasks/{task}" for task in known[:1])]
                    await people.ask("page", user, "GET", chance.choice(pages), by_cookie=True)

        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(chance.expovariate(1 / _VISITS))
                group.create_task(once())

    async def _follow(self, people: People, user: Person) -> None:
        """Follow the newest batch by a socket, and then the newest one again."""
        while True:
            if (batch := self._newest.pop(user.name, "")) == "":
                await asyncio.sleep(_LOOK)
            else:
                await people.follow(user, batch)

    async def _kill(self, seen: Seen) -> None:
        assert self.house is not None
        while True:
            await asyncio.sleep(self.plan.kill_every)
            if await asyncio.to_thread(self.house.kill_worker, len(seen.kills)):
                seen.kills.append(time.time())
                self.say("killed a worker")

    async def _end(self, seen: Seen, people: People, admin: Person, users: Sequence[Person], address: str) -> None:
        """Let the model hurry, wait until all has ended, and ask what became of every task."""
        self.say(f"letting all end: {len(seen.promised)} tasks were accepted")
        with suppress(OSError):
            await _hurry(address)
        deadline = time.monotonic() + _DRAINING
        lost = 0
        while time.monotonic() < deadline:
            answer = await people.ask("account", admin, "GET", "/api/v1/queue")
            queue = answer.json() if answer is not None and not answer.is_error else None
            lost = 0 if queue is not None else lost + 1
            if lost > _SILENT or (queue is not None and queue["queued"] + queue["running"] == 0):
                break
            await asyncio.sleep(_LOOK / 2)
        seen.drained = time.time()
        found: dict[str, Mapping[str, Any]] = {}
        for user in users:
            if (tasks := await people.all_tasks(user)) is None:
                return
            found |= {task["id"]: task for task in tasks}
        seen.tasks = found

    def _used(self) -> float:
        """Processor seconds of all that this run does, as far as it lives."""
        assert self.house is not None
        used = 0.0
        mine = [*self.house.alive().values(), psutil.Process(), *psutil.Process().children()]
        for process in {one.pid: one for one in mine}.values():
            with suppress(psutil.Error):
                spent = process.cpu_times()
                used += spent.user + spent.system + spent.children_user + spent.children_system
        return used


async def _late(seen: Seen) -> None:
    """How late this process itself is: what it measures can be no truer."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _OWN
        await asyncio.sleep(_OWN)
        seen.lag.append(max(0.0, loop.time() - due))


async def _hurry(address: str) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /hurry HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def _busy() -> float:
    """Processor seconds that this machine spent on anything."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def planned(plan: Plan) -> Mapping[str, object]:
    """The plan, for a report."""
    return asdict(plan)
