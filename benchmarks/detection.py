"""How soon a running service with default settings tells of trouble, and that it is over: by its list of alerts."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from benchmarks.figures import Figure
from benchmarks.ledger.databases import Databases
from benchmarks.rounds import Rounds, say
from benchmarks.service import document, running, tasks, upload

_AIM = 30.0  # seconds in which each is to be told
_LONGEST = 180.0  # that is waited for
_PAUSE = 0.2
_BROKEN = ("cut off.docx", b"PK\x03\x04", "application/octet-stream")
_SLOW = 1_500  # sentences, with which a worker is busy for some seconds
_UPLOADS, _EACH, _LONG = (
    3,
    60,
    600,
)  # of so many documents of so many sentences: more wait than the alert allows, for long


@dataclass
class _Alerts:
    """The alerts of a service, as its admin sees them, and how long each took to open and to close."""

    admin: httpx.Client
    figures: list[Figure] = field(default_factory=list)

    def opens(self, alert: str, since: float) -> None:
        """Note when it stands there, from when its cause did (monotonic)."""
        seconds = self._until(lambda: alert in self._open(), since)
        note = "" if seconds <= _AIM else f"more than {_AIM:g} s"
        self.figures.append(Figure(f"detection.{alert}.opened", seconds, "s", note=note))

    def closes(self, alert: str, since: float) -> None:
        """Likewise when it stands there no more, from when its cause did not."""
        seconds = self._until(lambda: alert not in self._open(), since)
        self.figures.append(Figure(f"detection.{alert}.closed", seconds, "s"))

    def _open(self) -> set[str]:
        return {one["alert"] for one in self.admin.get("/alerts").raise_for_status().json()["items"]}

    def _until(self, holds: Callable[[], bool], since: float) -> float:
        while not holds():
            if time.monotonic() - since > _LONGEST:
                raise TimeoutError(f"not within {_LONGEST:g} s")
            time.sleep(_PAUSE)
        return time.monotonic() - since


@contextmanager
def _service() -> Iterator[tuple[_Alerts, httpx.Client]]:
    with (
        running() as service,
        service.user("operator", "--role", "admin") as admin,
        service.user("user", "--limit", "1") as user,
    ):
        yield _Alerts(admin), user


def measured(_databases: Databases, _rounds: Rounds) -> Sequence[Figure]:
    """A queue of more than 100 and a user's of more than 20, a dead letter, and a worker that is killed."""
    with _service() as (alerts, user):
        say("a dead letter")
        _fails(alerts, user)
        say("a worker that is killed")
        _dies(alerts, user)
        say(f"a queue of {_UPLOADS * _EACH} tasks of one user")
        _waits(alerts, user)
    return alerts.figures


def _fails(alerts: _Alerts, user: httpx.Client) -> None:
    user.post("/batches", files={"files": _BROKEN}).raise_for_status()
    while not (dead := alerts.admin.get("/dead").raise_for_status().json()["items"]):
        time.sleep(_PAUSE)
    alerts.opens("dead-letters", time.monotonic())
    alerts.admin.post("/dead/discard", json={"ids": [one["id"] for one in dead]}).raise_for_status()
    alerts.closes("dead-letters", time.monotonic())


def _dies(alerts: _Alerts, user: httpx.Client) -> None:
    """While it runs a task, and others have seen it do so."""
    upload(user, [document(0, _SLOW)] * 8)
    busy = None
    while busy is None:
        time.sleep(_PAUSE)
        workers = alerts.admin.get("/workers").raise_for_status().json()["items"]
        busy = next((one for one in workers if one["engine"] == "database" and one["running"]), None)
    os.kill(busy["pid"], signal.SIGKILL)
    began = time.monotonic()
    alerts.opens("worker-gone", began)
    alerts.closes("worker-gone", began)
    _cancel(user)


def _waits(alerts: _Alerts, user: httpx.Client) -> None:
    """One after the other is run, so that they wait long enough; then they are cancelled."""
    for batch in range(_UPLOADS):
        upload(user, [document(_EACH * batch + number, _LONG) for number in range(_EACH)])
    began = time.monotonic()
    alerts.opens("user-backlog", began)
    alerts.opens("queue", began)
    _cancel(user)
    began = time.monotonic()
    alerts.closes("queue", began)
    alerts.closes("user-backlog", began)


def _cancel(user: httpx.Client) -> None:
    for task in tasks(user):
        if task["status"] in {"queued", "running"}:
            user.post(f"/tasks/{task['id']}/cancel")
