"""The running service: creating batches, the API under load, waking up, fairness between users, and recovery."""

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx

from benchmarks.figures import Figure, jain, percentile
from benchmarks.rounds import Rounds
from benchmarks.service import Service, document, running, tasks, until_done, upload
from paperlane.assembly import open_ledger
from paperlane.model.tasks import State
from paperlane.settings import Settings

SMALL = [document(n) for n in range(50)]
Found = Mapping[str, tuple[float, str]]  # figures with their units, by what they tell


def at(task: Mapping[str, object], field: str) -> float:
    """A task's time, in seconds since 1970."""
    return datetime.fromisoformat(str(task[field])).timestamp()


def timed_upload(client: httpx.Client) -> float:
    """Seconds until a batch of 50 small files is answered."""
    began = time.perf_counter()
    upload(client, SMALL)
    return time.perf_counter() - began


def creation(service: Service) -> Found:
    """A batch of 50 while idle and while all workers are busy, and the API meanwhile."""
    client = service.user("creator", "--limit", "50")
    timed_upload(client)  # the first one also opens connections
    until_done(client, 50)
    idle = [timed_upload(client) for _ in range(3)]
    latencies: list[float] = []
    finished = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, headers=client.headers) as own:
            paths = ("/queue", "/tasks?limit=50", "/session")
            while not finished.is_set():
                for path in paths:
                    began = time.perf_counter()
                    own.get(path).raise_for_status()
                    latencies.append(time.perf_counter() - began)
                finished.wait(0.02)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(ask)
        busy = [timed_upload(client) for _ in range(5)]
        until_done(client, 450)
        finished.set()
    return {
        "batch of 50, idle, median": (statistics.median(idle) * 1000, "ms"),
        "batch of 50, workers busy, median": (statistics.median(busy) * 1000, "ms"),
        "batch of 50, workers busy, worst": (max(busy) * 1000, "ms"),
        "API while busy, P50": (percentile(latencies, 0.5) * 1000, "ms"),
        "API while busy, P95": (percentile(latencies, 0.95) * 1000, "ms"),
    }


def waking(service: Service) -> Found:
    """From sending an upload of one file to the start of its task, with idle workers."""
    client = service.user("waker")
    sent: list[float] = []
    for number in range(20):
        sent.append(time.time())  # the ledger's clock is this machine's
        upload(client, [document(number, 1)])
        until_done(client, number + 1)
    waits = [at(task, "started_at") - began for task, began in zip(reversed(tasks(client)), sent, strict=True)]
    return {
        "upload to start, P50": (percentile(waits, 0.5) * 1000, "ms"),
        "upload to start, P95": (percentile(waits, 0.95) * 1000, "ms"),
    }


def overlap(found: Sequence[dict[str, object]]) -> int:
    """The most tasks that ran at one instant."""
    changes = sorted(
        (moment, step)
        for task in found
        for moment, step in ((at(task, "finished_at"), -1), (at(task, "started_at"), 1))
    )
    most = now = 0
    for _, step in changes:
        now += step
        most = max(most, now)
    return most


def ten_by_ten(service: Service) -> Found:
    """Ten users with ten tasks each."""
    users = [service.user(f"even{n}") for n in range(10)]
    began = time.time()
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda client: upload(client, [document(n, 60) for n in range(10)]), users))
    found = [until_done(client, 10) for client in users]
    means = [statistics.fmean(at(task, "finished_at") - at(task, "created_at") for task in own) for own in found]
    return {
        "all done after": (max(at(task, "finished_at") for own in found for task in own) - began, "s"),
        "users' mean completion, mean": (statistics.fmean(means), "s"),
        "users' mean completion, variance": (statistics.pvariance(means), "s²"),
        "Jain's index of mean completion": (jain(means), "of 1"),
        "most running of one user (limit 10)": (max(map(overlap, found)), "at once"),
    }


def heavy_beside_light(service: Service) -> Found:
    """One user with 200 tasks beside nine with 10."""
    heavy = service.user("heavy")
    lights = [service.user(f"light{n}") for n in range(9)]
    upload(heavy, [document(n, 60) for n in range(200)])
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda client: upload(client, [document(n, 60) for n in range(10)]), lights))
    light = [until_done(client, 10) for client in lights]
    own = until_done(heavy, 200)
    last = max(at(task, "started_at") for tasks_of_one in light for task in tasks_of_one)
    started = [at(task, "started_at") for task in own]
    submitted = min(at(task, "created_at") for tasks_of_one in light for task in tasks_of_one)
    before = sum(submitted < moment <= last for moment in started)
    means = [statistics.fmean(at(task, "finished_at") - at(task, "created_at") for task in one) for one in light]
    return {
        "the last light task": (90 + before, "th to start"),
        "where equal turns put it": (100, "th to start"),
        "where first come first served puts it": (290, "th to start"),
        "Jain's index of light users' mean completion": (jain(means), "of 1"),
        "variance of their mean completion": (statistics.pvariance(means), "s²"),
        "most running of one user (limit 10)": (max(overlap(own), *map(overlap, light)), "at once"),
    }


def went_on(task: Mapping[str, object], attempts: Sequence[Mapping[str, object]], after: float) -> float:
    """When a task ran again after a moment, or ended without."""
    begun = [at(attempt, "started_at") for attempt in attempts]
    return min((moment for moment in begun if moment >= after), default=at(task, "finished_at"))


def recovery(service: Service) -> Found:
    """A batch of 50 slow documents, in the middle of it all processes killed, and the service started again."""
    client = service.user("unlucky")
    upload(client, [document(number, 1_500) for number in range(50)])
    until_done(client, 5)
    service.kill()
    ledger = open_ledger(Settings(data=service.data))
    held = [task.id for task in ledger.tasks(states=[State.LEASED, State.RUNNING])]
    ledger.close()
    began = time.time()
    service.start()
    client.base_url = httpx.URL(f"{service.url}/api/v1")
    found = {str(task["id"]): task for task in until_done(client, 50)}
    attempts = {task: client.get(f"/tasks/{task}/attempts").json()["items"] for task in held}
    last = max(went_on(found[task], attempts[task], began) for task in held)
    return {
        "held by processes that were killed": (len(held), "tasks"),
        "start until the last of these goes on": (last - began, "s"),
        "start until all 50 have ended": (max(at(task, "finished_at") for task in found.values()) - began, "s"),
        "not completed": (sum(task["status"] != "completed" for task in found.values()), "tasks"),
    }


PARTS = {
    "creation": creation,
    "waking": waking,
    "ten_by_ten": ten_by_ten,
    "heavy_beside_light": heavy_beside_light,
    "recovery": recovery,
}


def measured(name: str, _rounds: Rounds) -> list[Figure]:
    """One part, on a fresh service."""
    with running() as service:
        found = PARTS[name](service)
    return [Figure(f"service.{name}.{what}", value, unit) for what, (value, unit) in found.items()]
