"""Measures how much of a model's rate several workers use, and how its users share it: of the scripted server.

`python tools/model_rate.py [--store database|redis|postgresql] [--workers 3] [--seconds 150] [--requests 1000]`
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import httpx
from tests.model_server.script import Script
from tools import servers

from paperlane.ai import Lane, Question, Rates
from paperlane.ai.memory import MemoryAnswers, MemoryBooks
from paperlane.ai.opening import open_asker
from paperlane.ai.purses import Payer, Purses
from paperlane.clock import SystemClock
from paperlane.errors import ModelAway
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import migrate
from paperlane.model.documents import Language
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.answers import LedgerAnswers
from paperlane.records.rates import LedgerRates
from paperlane.settings import ModelTerms
from paperlane.threads import Threads

ROOT = Path(__file__).parents[1]
WEIGHTS = {1: 1.0, 2: 2.0, 3: 4.0}
_ASKING = 4  # documents that one user has at one worker at any time
_PASSAGES = 60
WARM = 15.0  # seconds that are not counted


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["database", "redis", "postgresql"], default="database")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--median", type=float, default=2.0)
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        asyncio.run(work(json.loads(given.worker)))
    else:
        measure(given)


def measure(given: argparse.Namespace) -> None:
    """Start the server, the store and the workers; count what came."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = f"sqlite:///{folder}/ledger.db"
        if given.store != "database":
            server = servers.redis() if given.store == "redis" else servers.postgresql()
            stack.callback(server.close)
            store = server.url
        if given.store != "redis":
            dialect = connect(store)
            migrate(dialect.unlimited)
            dialect.close()
        script = Script(median=given.median, sigma=0.5, requests=given.requests, window="both")
        command = [sys.executable, "-m", "tests.model_server", "--script", json.dumps(vars(script))]
        endpoint = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        stack.callback(endpoint.kill)
        assert endpoint.stdout is not None
        url = endpoint.stdout.readline().split()[-1]
        begin = time.time()
        words = {"url": url, "store": store, "requests": given.requests, "until": begin + given.seconds}
        workers = [
            subprocess.Popen(
                [sys.executable, __file__, "--worker", json.dumps(words | {"name": f"worker {number}"})],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
            )
            for number in range(given.workers)
        ]
        for worker in workers:
            worker.wait()
        if endpoint.poll() is not None:
            sys.exit(f"the server ended ({endpoint.returncode})")
        calls = httpx.get(url.removesuffix("/v1") + "/calls", timeout=60).json()["calls"]
    tell(calls, begin + WARM, begin + given.seconds, given.requests)


def tell(calls: Sequence[dict[str, object]], begin: float, end: float, requests: int) -> None:
    """Print what was used, refused and shared between two times."""
    inside = [call for call in calls if begin <= float(str(call["at"])) < end]
    good = [call for call in inside if call["status"] == httpx.codes.OK]
    permitted = requests * (end - begin) / 60
    users = Counter(str(call["text"]).split()[1] for call in good)
    print(f"{len(good)} of {permitted:.0f} permitted requests used: {len(good) / permitted:.1%}")
    print(f"refused for the rate: {sum(call['status'] == httpx.codes.TOO_MANY_REQUESTS for call in calls)}")
    for user, weight in WEIGHTS.items():
        due = weight / sum(WEIGHTS.values())
        print(f"user {user}, weight {weight:g}: {users[str(user)] / len(good):.1%} (due {due:.1%})")


async def work(words: dict[str, str]) -> None:
    """Be a worker whose three users always have something to ask."""
    threads, looking = Threads("answers", 2), Threads("rates")
    rates: Rates
    if words["store"].startswith("redis"):
        from paperlane.ai.redis_rates import RedisRates  # noqa: PLC0415  only where it is used

        rates, answers = RedisRates(words["store"]), MemoryAnswers()
    else:
        ledger = SqlLedger(connect(words["store"]))
        rates, answers = LedgerRates(ledger), LedgerAnswers(ledger, SystemClock())
    terms = ModelTerms(model="fake", base_url=words["url"], requests_a_minute=int(words["requests"]))
    purses = Purses(MemoryBooks(), {terms.called: terms}, threads)
    asker = await open_asker(terms, rates, answers, threads, looking, words["name"])
    numbers = count()

    async def user(number: int) -> None:
        def fresh() -> Question:
            return Question(0, f"user {number} {words['name']} passage {next(numbers)} shall be fast.", Language.EN)

        async def one() -> None:
            while True:
                lane, asked = Lane(number, WEIGHTS[number]), [fresh() for _ in range(_PASSAGES)]
                payer = Payer(TaskId(asked[0].text), 1)
                try:
                    async with purses.account(UserId(number), payer) as (account, _):
                        await asker.ask_all(asked, lane, account)
                except ModelAway as away:
                    await asyncio.sleep(away.retry_after)

        await asyncio.gather(*(one() for _ in range(_ASKING)))

    try:
        async with asyncio.timeout(float(words["until"]) - time.time()):
            await asyncio.gather(*map(user, WEIGHTS))
    except TimeoutError:
        await asker.close()


if __name__ == "__main__":
    main()
