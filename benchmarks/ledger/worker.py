"""Our side as a program: a worker that takes no-op tasks through their whole life by the public `Ledger`."""

import asyncio
import secrets
import time
from typing import Any

from benchmarks.ledger.backlog import Backlog, analyse, load
from benchmarks.protocol import speak
from paperlane.hosting import open_ledger
from paperlane.ledger import Ledger, Rules
from paperlane.model.tasks import BatchId, Completed, Ended, Lease, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads

MANY = 10_000_000
ENGINE = "database"
_DRY = 0.5  # seconds without a task, after which others have taken the rest


def rules(user_limit: int = 10) -> Rules:
    """Limits and fairness are on; only what refuses work is out of the way."""
    return Rules(system_limit=10_000, user_backlog=MANY, system_backlog=MANY, user_limit=user_limit, lease=600.0)


def joined(ledger: Ledger, slots: int = 1_000) -> WorkerId:
    """A new worker of the ledger."""
    worker = WorkerId(f"w{secrets.token_hex(8)}")
    ledger.register(worker, ENGINE, "bench", 1, slots)
    return worker


def ended(leases: list[Lease]) -> list[Ended]:
    """They did nothing, and it took no time worth telling."""
    return [Ended(lease, Completed(seconds=0.001)) for lease in leases]


def batch(user: int, tasks: int = 1) -> NewBatch:
    """New tasks of a user."""
    mark = secrets.token_hex(8)
    return NewBatch(BatchId(mark), UserId(user), [NewTask(TaskId(f"{mark}-{n}"), b"{}") for n in range(tasks)])


class Ours:
    """Answers the benchmark's questions."""

    def setup(self, url: str, user_limit: int = 10) -> str:
        self._ledger = open_ledger(url, rules(user_limit))
        return f"1,000 users, at most {user_limit} running of each"

    join = setup

    def prepare(self, count: int, users: int = 1_000) -> None:
        load(self._ledger, Backlog(count, min(users, count)))
        analyse(self._ledger)

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        """Until all are done, the time is over, or others have taken the rest; timed to the last one's end."""
        worker = joined(self._ledger)
        leases: list[Lease] = []
        done = 0
        began = last = time.perf_counter()
        while done < count and last - began < seconds:
            found = list(self._ledger.step(ENGINE, worker, ended(leases), in_flight))
            now = time.perf_counter()
            done += len(leases)
            if leases or found:
                last = now
            elif now - last > _DRY:
                break
            else:
                time.sleep(0.001)
            leases = found
        self._ledger.finish(worker, ended(leases))
        self._ledger.leave(worker)
        return {"done": done, "seconds": last - began}

    def pickup(self, count: int) -> list[float]:
        async def work() -> list[float]:
            threads = Threads("bench", 8)
            worker = await threads(joined, self._ledger, 10)
            bell = Wakeup(self._ledger, ENGINE, threads)
            begun: list[float] = []
            leases: list[Lease] = []
            while len(begun) < count or leases:
                leases = list(await threads(self._ledger.step, ENGINE, worker, ended(leases), 10))
                begun += [time.monotonic()] * len(leases)
                if leases:
                    bell.took()
                if not leases and len(begun) < count:
                    await bell.wait()
            await threads(self._ledger.leave, worker)
            threads.close()
            return begun

        return asyncio.run(work())

    def submit(self, count: int, gap: float) -> list[tuple[float, float]]:
        sent: list[tuple[float, float]] = []
        for _ in range(count):
            time.sleep(gap)
            began = time.monotonic()
            self._ledger.submit(batch(1))
            sent.append((began, time.monotonic()))
        return sent

    def submit_single(self, seconds: float) -> dict[str, Any]:
        """One task a commit, for many users in turn."""
        done = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            self._ledger.submit(batch(done % 1_000 + 1))
            done += 1
        return {"done": done, "seconds": time.perf_counter() - began}

    def submit_bulk(self, seconds: float) -> dict[str, Any]:
        """A thousand tasks of a thousand users at a time, in one commit if the ledger has a call for that."""
        many = getattr(self._ledger, "submit_many", None)
        done = 0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            batches = [batch(user) for user in range(1, 1_001)]
            if many is not None:
                many(batches)
            else:
                for one in batches:
                    self._ledger.submit(one)
            done += len(batches)
        found = {"done": done, "seconds": time.perf_counter() - began}
        return {**found, "settings": "submit_many" if many else "a submit each: the ledger has no call for many users"}


if __name__ == "__main__":
    speak(Ours())
