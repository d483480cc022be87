"""One user with many documents, and ten users with ten each: how long all take, and how far apart users end."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from paperlane.bench.ground import Ground
from paperlane.bench.house import House, model, running
from paperlane.bench.people import People, Person, accepted, everybody, moment
from paperlane.bench.plots import bars
from paperlane.bench.report import Report, Table, machine, told
from paperlane.bench.spread import apart, jain, mean, percentile
from paperlane.bench.writing import Writer
from paperlane.carriers import CARRIED
from paperlane.errors import Misconfigured
from paperlane.settings import Settings

ENGINES = ("database", "inline", "pool", *CARRIED)

_OURS = ("workers", "slots", "inline_slots", "pool_slots", "sandboxes", "system_limit", "user_limit", "rq_spawn")
"""Settings of the installation that decide how fast it is: the benchmark takes them over."""

_LOOK = 0.2  # seconds
_SIGMA = 0.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many users who upload so many documents each, at the same time."""

    name: str
    users: int
    tasks: int


SCENARIOS = (Scenario("one user with 50", 1, 50), Scenario("ten users with 10 each", 10, 10))


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long documents are, in sentences, and how many seconds a scenario may take.

    A model takes `median` seconds for each of their parts; 0: there are only rules.
    """

    sentences: int = 40
    median: float = 0.0
    patience: float = 1_800.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """One scenario on one engine. Seconds.

    `whole` from the first upload until the last task had ended, `task` the mean and `task_p95` from the upload of a
    task to its end; `users` from the first upload to the end of each user's last task. `failed` are tasks that did not
    complete.
    """

    engine: str
    scenario: str
    whole: float
    task: float
    task_p95: float
    users: Sequence[float]
    failed: int

    @property
    def fairness(self) -> float:
        """Jain's index of the users' times: 1 where all end at once."""
        return jain(self.users)

    @property
    def spread(self) -> float:
        """How many times the first user's time the last one's is."""
        return apart(self.users)


def settings_of(engine: str, usual: Settings, folder: Path, database: str, model_url: str) -> dict[str, object]:
    """The settings of the service: those of this installation that decide how fast it is, and places of its own."""
    given: dict[str, object] = {
        "data": str(folder / "data"),
        "database_url": database,
        "engine": engine,
        "log_level": "warning",
        "user_backlog": 10_000,
        "pool_backlog": 10_000,
    }
    given |= {name: value for name in _OURS if (value := getattr(usual, name)) is not None}
    if "slots" not in usual.model_fields_set:
        del given["slots"]  # each engine has its own usual number
    if engine in CARRIED:
        given |= {"redis_url": usual.redis_url, "amqp_url": ""}  # see `brokers`
    if model_url:
        given |= {
            "models": [{"model": "slow", "base_url": f"{model_url}/v1", "key_env": "PAPERLANE_MODEL_API_KEY"}],
            "model_api_key": "none",
        }
    return given


async def ran_on(
    engine: str, usual: Settings, ground: Ground, folder: Path, sizes: Sizes, scenarios: Sequence[Scenario] = SCENARIOS
) -> tuple[Sequence[Ran], Mapping[str, object]]:
    """Each scenario on this engine, one after the other on one service, and the settings that it had."""
    async with AsyncExitStack() as kept:
        address = ""
        if sizes.median:
            address = await kept.enter_async_context(model(sizes.median, _SIGMA, sizes.seed))
        settings = settings_of(engine, usual, folder, ground.url, address)
        beside = [("--engine", engine)] if engine in CARRIED else []
        house = await kept.enter_async_context(running(House(folder, settings, beside)))
        people = await kept.enter_async_context(everybody(house.url))
        admin = Person("bench-admin", 0, await house.admin())
        await _served(people, admin, engine)
        found = [
            await _one(people, admin, engine, scenario, sizes, sizes.seed * 1_000 + 100 * number)
            for number, scenario in enumerate(scenarios)
        ]
        return found, settings


async def _served(people: People, admin: Person, engine: str) -> None:
    """Until some worker of the engine is there. Misconfigured where none comes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = await people.ask("setup", admin, "GET", "/api/v1/queue")
        if answer is not None and not answer.is_error:
            slots = {one["name"]: one["slots"] for one in answer.json()["engines"]}
            if slots.get(engine, 0):
                return
        await asyncio.sleep(_LOOK)
    raise Misconfigured(f"No worker of the engine {engine} came.", hint="See whether its broker can be reached.")


async def _one(people: People, admin: Person, engine: str, scenario: Scenario, sizes: Sizes, seed: int) -> Ran:
    users = [
        await people.add(admin, f"{scenario.users}x{scenario.tasks}-{n + 1:02}", 10) for n in range(scenario.users)
    ]
    writers = [Writer(seed + n, sizes.sentences) for n in range(scenario.users)]
    documents = [[writer.next() for _ in range(scenario.tasks)] for writer in writers]
    began = time.time()
    batches = await asyncio.gather(*(people.upload("batch", *of) for of in zip(users, documents, strict=True)))
    if None in batches:
        raise Misconfigured(f"The engine {engine} refused an upload.", hint="Its limits are below 50 documents.")
    promised = sum(len(list(accepted(batch))) for batch in batches if batch is not None)
    ends, took, failed = await _ended(people, admin, users, promised, began, sizes.patience)
    return Ran(
        engine, scenario.name, max(ends, default=math.nan), mean(took),
        percentile(took, 0.95), ends, failed,
    )  # fmt: skip


async def _ended(
    people: People, admin: Person, users: Sequence[Person], promised: int, began: float, patience: float
) -> tuple[Sequence[float], Sequence[float], int]:
    """When each user's last task ended, how long each task took, and how many did not complete."""
    deadline = time.monotonic() + patience
    while True:
        # one look at the queue, for what is asked here is work for the service too
        queue = await people.ask("queue", admin, "GET", "/api/v1/queue")
        if queue is not None and not queue.is_error and queue.json()["queued"] + queue.json()["running"] == 0:
            tasks = [await people.all_tasks(user) or () for user in users]
            if sum(task["finished_at"] is not None for of in tasks for task in of) >= promised:
                break
        if time.monotonic() > deadline:
            raise Misconfigured(f"{promised} tasks did not end in {patience:g} s.", hint="Give them more --patience.")
        await asyncio.sleep(_LOOK)
    every = [task for of in tasks for task in of]
    return (
        [max(moment(task["finished_at"]) for task in of) - began for of in tasks],
        [moment(task["finished_at"]) - moment(task["created_at"]) for task in every],
        sum(task["status"] != "completed" for task in every),
    )


def report_of(ran: Sequence[Ran], settings: Mapping[str, Mapping[str, object]], sizes: Sizes) -> Report:
    """All scenarios on all engines beside each other."""
    here = machine()
    of_model = f"a model answers in {sizes.median:g} s in the middle" if sizes.median else "rules only, no model"
    failed = sum(one.failed for one in ran)
    what = (
        f"Documents of {sizes.sentences} sentences, English and Chinese by turns; {of_model}. Each engine had a new "
        "service on an empty database, one after the other."
    )
    said = [
        what,
        f"{here['cores']} cores, {here['memory_gb']} GB, {here['system']}, Python {here['python']}; {here['taken']}.",
        *([f"{failed} tasks did not complete."] if failed else []),
    ]
    head = ("engine", "scenario", "all s", "a task s", "a task P95 s", "Jain's index", "last / first user", "failed")
    rows = [
        (one.engine, one.scenario, one.whole, one.task, one.task_p95, one.fairness, one.spread, one.failed)
        for one in ran
    ]
    names = list(dict.fromkeys(one.scenario for one in ran))
    plots = [
        bars(f"Until all had ended: {name}", "s", {one.engine: one.whole for one in ran if one.scenario == name})
        for name in names
    ]
    plots += [
        bars(f"When each user's last task had ended: {one.engine}, {one.scenario}", "s",
             {f"user {n + 1}": seconds for n, seconds in enumerate(one.users)})
        for one in ran if len(one.users) > 1
    ]  # fmt: skip
    tables = [
        Table("Scenarios", head, rows),
        *(Table(f"Settings: {engine}", ("setting", "value"), told(of)) for engine, of in settings.items()),
    ]
    words = {
        "benchmark": "scenarios",
        "machine": here,
        "sizes": asdict(sizes),
        "settings": {engine: dict(told(of)) for engine, of in settings.items()},  # type: ignore[arg-type]  pairs
        "scenarios": [{**asdict(one), "jain": one.fairness, "spread": one.spread} for one in ran],
    }
    return Report("Paperlane's engines", said, tables, plots, words, failed == 0)
