"""What the webhook is told, by whom it can be checked, and what becomes of it where the receiver is no good one."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from tests.monitor.receiver import Receiver

from paperlane.clock import SystemClock
from paperlane.errors import Misconfigured
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import UserId
from paperlane.monitor import webhook
from paperlane.monitor.webhook import Teller
from paperlane.patience import Patience
from paperlane.records import incidents
from paperlane.records.incidents import Incident, Silence, Telling
from paperlane.settings import Settings
from paperlane.threads import Threads

KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def incident(name: str, opened_at: float = 0.0, **more: object) -> Incident:
    at = opened_at or SystemClock().now()
    return Incident(name, "queue", name, "warning", 101, 100, at, {"value": "101", "limit": "100"}, **more)  # type: ignore[arg-type]


def begin(ledger: SqlLedger, *some: Incident) -> None:
    for one in some:
        ledger.write(lambda c, one=one: incidents.begin(c, one))


def standing(ledger: SqlLedger) -> dict[str, tuple[Telling, Telling]]:
    found = ledger.read(lambda c: incidents.page(c, "all", "", 100))
    return {one.id: (one.opening, one.closing) for one in found}


@asynccontextmanager
async def telling(ledger: SqlLedger, url: str, seconds: float = 0.3) -> AsyncIterator[Teller]:
    """A teller that waits no minute after a failure."""
    chosen = webhook.Receiver.of(Settings(alert_webhook=url, alert_webhook_seconds=seconds))
    assert chosen is not None
    stop, threads = asyncio.Event(), Threads("tell")
    teller = Teller(ledger, chosen, threads, SystemClock(), leads=True, patience=Patience(0.01, 0.02))
    running = asyncio.create_task(teller.run(stop))
    yield teller
    stop.set()
    await running
    threads.close()


async def told(ledger: SqlLedger, *names: str) -> None:
    async with asyncio.timeout(60):
        while any(Telling.DUE in standing(ledger)[name] for name in names):
            await asyncio.sleep(0.01)


async def test_an_incident_is_told_when_it_opens_and_when_it_closes_once_each(ledger: SqlLedger, receiver: Receiver):
    begin(ledger, incident("a", opening=Telling.DUE), incident("quiet"))
    async with telling(ledger, receiver.url) as teller:
        await told(ledger, "a")
        ledger.write(lambda c: [incidents.end(c, name, SystemClock().now()) for name in ("a", "quiet")])
        teller.bell.set()
        async with asyncio.timeout(60):
            while standing(ledger)["a"][1] is not Telling.TOLD:
                await asyncio.sleep(0.01)
    assert receiver.told("incident.opened") == receiver.told("incident.closed") == [("queue", "a")]
    first, last = receiver.taken
    assert first["text"] == f"[warning] Queue (a): {first['data']['message']} {first['data']['hint']}"
    assert first["data"]["message"] == "101 tasks wait that could run now; the limit is 100."
    assert (first["data"]["closed_at"], last["data"]["closed_at"]) == (None, last["timestamp"])
    assert standing(ledger)["quiet"] == (Telling.NOTHING, Telling.NOTHING)


@pytest.mark.parametrize("mood", ["hang", "dawdle", "hang up", 500, 302, 404])
async def test_a_receiver_that_is_no_good_now_is_told_again(ledger: SqlLedger, receiver: Receiver, mood: int | str):
    receiver.moods = [mood, mood]
    begin(ledger, incident("a", opening=Telling.DUE))
    async with telling(ledger, receiver.url):
        await told(ledger, "a")
    assert len(receiver.arrived) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.arrived}) == 1
    assert receiver.told("incident.opened") == [("queue", "a")]


async def test_while_no_connection_can_be_made_it_is_tried_again(
    ledger: SqlLedger, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    begin(ledger, incident("a", opening=Telling.DUE))
    monkeypatch.setenv("SSL_CERT_FILE", "/not/there.pem")
    with capture_logs() as logs:
        async with telling(ledger, receiver.url) as teller:
            async with asyncio.timeout(60):
                while not teller.patience.failing:
                    await asyncio.sleep(0.01)
            monkeypatch.delenv("SSL_CERT_FILE")
            await told(ledger, "a")
    assert {line["event"] for line in logs} == {"connections to the webhook cannot be made"}
    assert receiver.told("incident.opened") == [("queue", "a")]


async def test_what_is_refused_keeps_no_other_waiting(ledger: SqlLedger, receiver: Receiver):
    receiver.moods = [400]
    begin(ledger, incident("a", opening=Telling.DUE), incident("b", opening=Telling.DUE))
    async with telling(ledger, receiver.url):
        await told(ledger, "a", "b")
    assert receiver.told("incident.opened") == [("queue", "b"), ("queue", "a")]


async def test_a_receiver_that_is_not_there_leaves_all_that_is_due(ledger: SqlLedger):
    begin(ledger, incident("a", opening=Telling.DUE))
    async with telling(ledger, "http://127.0.0.1:1/hook") as teller:
        async with asyncio.timeout(60):
            while not teller.patience.failing:
                await asyncio.sleep(0.01)
    assert standing(ledger)["a"][0] is Telling.DUE


async def test_a_silence_keeps_quiet_what_was_due_before_it(ledger: SqlLedger, receiver: Receiver):
    begin(ledger, incident("a", opening=Telling.DUE), incident("b", opening=Telling.DUE))
    ledger.write(lambda c: incidents.silence(c, Silence("s", "queue", "a", 0.0, 9e9, UserId(0))))
    ledger.write(lambda c: incidents.end(c, "a", SystemClock().now()))
    async with telling(ledger, receiver.url):
        await told(ledger, "a", "b")
    assert receiver.told("incident.opened") == [("queue", "b")]
    assert receiver.told("incident.closed") == []
    assert standing(ledger)["a"] == (Telling.NOTHING, Telling.NOTHING)


async def test_nobody_is_told_any_more_of_what_has_been_over_for_an_hour(ledger: SqlLedger, receiver: Receiver):
    now = SystemClock().now()
    begin(ledger, incident("old", now - 9_000, opening=Telling.DUE), incident("a", opening=Telling.DUE))
    ledger.write(lambda c: incidents.end(c, "old", now - 3_601))
    async with telling(ledger, receiver.url):
        await told(ledger, "a", "old")
    assert receiver.told("incident.opened") == [("queue", "a")]
    assert standing(ledger)["old"] == (Telling.GIVEN_UP, Telling.GIVEN_UP)


async def test_what_lasts_after_a_silence_of_hours_is_told_and_so_is_its_end(ledger: SqlLedger, receiver: Receiver):
    begin(ledger, incident("long", SystemClock().now() - 5_400))
    ledger.write(lambda c: incidents.make_due(c, ["long"]))
    async with telling(ledger, receiver.url) as teller:
        await told(ledger, "long")
        ledger.write(lambda c: incidents.end(c, "long", SystemClock().now()))
        teller.bell.set()
        await told(ledger, "long")
    assert receiver.told("incident.opened") == receiver.told("incident.closed") == [("queue", "long")]


@pytest.mark.parametrize("written", [KEY, f"whsec_{base64.b64encode(KEY.encode()).decode()}"])
async def test_what_is_told_is_signed(
    ledger: SqlLedger, receiver: Receiver, written: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PAPERLANE_ALERT_WEBHOOK_KEY", written)
    begin(ledger, incident("a", opening=Telling.DUE))
    async with telling(ledger, receiver.url):
        await told(ledger, "a")
    ((headers, body),) = receiver.arrived
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(KEY.encode(), signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["type"] == "incident.opened"


@pytest.mark.parametrize("behind", ["not base64!", "abc", "密钥", "", " ", "===="])
def test_a_key_that_cannot_be_read_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, behind: str):
    monkeypatch.setenv("PAPERLANE_ALERT_WEBHOOK_KEY", f"whsec_{behind}")
    with pytest.raises(Misconfigured) as refused:
        webhook.Receiver.of(Settings(alert_webhook="https://hooks.example/x"))
    assert refused.value.hint
    assert f"whsec_{behind.strip() or '!'}" not in refused.value.message + refused.value.hint


def test_a_key_is_not_shown_with_what_has_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PAPERLANE_ALERT_WEBHOOK_KEY", KEY)
    assert KEY not in repr(webhook.Receiver.of(Settings(alert_webhook="https://hooks.example/x")))


@pytest.mark.parametrize("address", ["hooks.example", "ftp://hooks.example", "https://me:secret@hooks.example/"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(ValueError, match="http://HOST/PATH"):
        Settings(alert_webhook=address)
