"""What operators look at while a million tasks of many users wait: metrics, pages, and the calls behind them."""

import time
from collections.abc import Sequence

import httpx

from benchmarks.figures import Figure, percentile
from benchmarks.ledger.backlog import Backlog, analyse, load
from benchmarks.ledger.databases import Databases, on_each
from benchmarks.rounds import Rounds, say
from benchmarks.service import Service, running
from paperlane.assembly import open_ledger
from paperlane.desk.uploads import to_test
from paperlane.model.documents import Upload
from paperlane.model.tasks import TaskId
from paperlane.settings import Settings

_TASKS, _USERS = 1_000_000, 100_000
_APART = 1.2  # seconds between two scrapes: sooner than after one, the answer may be the one before
_SCRAPES, _VIEWS = 15, 10
PAGES = ("/admin", "/admin/queue", "/admin/tasks", "/admin/workers", "/admin/users", "/admin/errors", "/admin/dead")
_CALLS = ("queue?limit=100", "tasks?limit=100", "usage/accounts?limit=100")


def measured(databases: Databases, rounds: Rounds) -> Sequence[Figure]:
    """Each as `operating.KIND.WHAT`, in milliseconds, beside a service that has nothing to run."""
    share = 100 if rounds.quick else 1
    upload = Upload("document.md", "text/markdown", 4_000, "0" * 64, "0" * 32)  # pages show its name; nobody reads it
    payload = to_test(TaskId("any"), upload).payload
    backlog = Backlog(_TASKS // share, _USERS // share, payload=payload)
    return on_each("operating", lambda kind: _on(kind, databases, backlog))


def _on(kind: str, databases: Databases, backlog: Backlog) -> Sequence[Figure]:
    url = "" if kind == "sqlite" else databases.fresh(kind)
    settings = {"workers": "0", "log_level": "error"} | ({"database_url": url} if url else {})
    with running(settings) as service:
        client = service.user("operator", "--role", "admin")
        ledger = open_ledger(Settings(data=service.data, database_url=url))
        load(ledger, backlog)
        analyse(ledger)
        ledger.close()
        say(f"  {kind}: {backlog.tasks:,} tasks of {backlog.users:,} users wait")
        service.stop()
        service.start()
        client.base_url = f"{service.url}/api/v1"
        found = [*_scrapes(service, client), *_views(service, client)]
    if url:
        databases.drop(url)
    return [Figure(f"operating.{kind}.{name}", milliseconds, "ms") for name, milliseconds in found]


def _scrapes(service: Service, client: httpx.Client) -> Sequence[tuple[str, float]]:
    """The first one after the start, which finds nothing that was looked up before, and those that follow."""
    address = f"{service.url}/metrics"
    took = [_took(client, address)]
    for _ in range(_SCRAPES):
        time.sleep(_APART)
        took.append(_took(client, address))
    first, *later = took
    return [
        ("scrape, first", first),
        ("scrape, later, P50", percentile(later, 0.5)),
        ("scrape, later", max(later)),
    ]


def _views(service: Service, client: httpx.Client) -> Sequence[tuple[str, float]]:
    """Pages by a session's cookie and calls by a token; the first view of each, which fills caches, is not counted."""
    token = client.headers["Authorization"].split()[1]
    found: list[tuple[str, float]] = []
    with httpx.Client(timeout=60) as browser:
        browser.post(f"{service.url}/api/v1/session", json={"token": token}).raise_for_status()
        for path in PAGES:
            took = [_took(browser, f"{service.url}{path}") for _ in range(_VIEWS + 1)][1:]
            found.append((f"page {path}, P95", percentile(took, 0.95)))
    for path in _CALLS:
        took = [_took(client, f"{service.url}/api/v1/{path}") for _ in range(_VIEWS + 1)][1:]
        found.append((f"GET {path.partition('?')[0]}, P95", percentile(took, 0.95)))
    return found


def _took(client: httpx.Client, address: str) -> float:
    began = time.perf_counter()
    client.get(address).raise_for_status()
    return (time.perf_counter() - began) * 1_000
