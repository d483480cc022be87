"""Alerts on the running service: fired, told once to page and webhook, and cleared again."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from tests.conftest import Service, until
from tests.monitor.receiver import Receiver, receiving
from tests.service.test_service import BROKEN, DONE, SLOW, Worker, upload

from paperlane.records.accounts import Role

QUICK = {"alert_seconds": 0.3}  # else ten seconds between two looks, of which some are needed


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def incidents(client: httpx.Client, name: str, state: str = "open") -> list[dict[str, Any]]:
    answer = client.get("alerts", params={"state": state})
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["items"] if one["alert"] == name]


def test_a_long_queue_a_users_backlog_and_dead_letters_are_told_once_and_cleared(
    new_service: Callable[..., Service], receiver: Receiver
):
    service = new_service(workers=0, inline_slots=1, lease_seconds=600, alert_webhook=receiver.url, **QUICK)
    ann, adam = service.user("ann"), service.user("adam", Role.ADMIN)
    upload(ann, *["Fine."] * 101)
    wanted = [("queue", ""), ("user-backlog", "ann"), ("dead-letters", "")]

    def opens(name: str, subject: str) -> None:
        (found,) = until(lambda: incidents(adam, name))
        assert found["subject"] == subject
        assert found["value"] > found["limit"]

    opens(*wanted[0])
    opens(*wanted[1])
    with closing(service.ledger()) as ledger:
        hands = Worker(ledger)
        first, *others = hands.take().values()
        hands.end(first, BROKEN)
        opens(*wanted[2])
        for lease in others:
            hands.end(lease, DONE)
        while leases := hands.take():
            for lease in leases.values():
                hands.end(lease, DONE)
        assert adam.post("dead/discard", json={"all": True}).json()["discarded"] == 1
        for name, subject in wanted:
            until(lambda name=name: not incidents(adam, name))
            assert len(incidents(adam, name, "all")) == 1
            until(lambda one=(name, subject): one in receiver.told("incident.closed"))
            assert receiver.told("incident.opened").count((name, subject)) == 1
    assert service.log().count("incident opened alert=queue") == 1


def test_a_worker_that_is_killed_is_told_once_and_cleared_when_another_took_its_place(
    new_service: Callable[..., Service],
):
    service = new_service(workers=1, lease_seconds=3_600, **QUICK)
    ann, vera = service.user("ann"), service.user("vera", Role.VIEWER)
    upload(ann, *[SLOW] * 4)

    def seen_at_work() -> bool:
        found = vera.get("samples", params={"names": "running.database"}).json()["series"]
        return bool(found and found["running.database"][-1])  # not there before the first look at a worker

    until(seen_at_work)
    (first,) = service.workers()
    os.kill(first, signal.SIGKILL)
    (gone,) = until(lambda: incidents(vera, "worker-gone"))
    assert (gone["severity"], gone["closed_at"]) == ("warning", None)
    until(lambda: not incidents(vera, "worker-gone"))
    (over,) = incidents(vera, "worker-gone", "all")
    assert (over["id"], over["subject"]) == (gone["id"], gone["subject"])
