"""What one user may use up: each quota refuses past it and only there, and a refusal leaves nothing behind."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs
from tests.web.conftest import House, Run
from tests.web.test_interface import TEXT, Untouched, blobs_of
from tests.web.test_kept import age
from tests.web.test_pacing import Hand
from tests.web.test_schedules import add, fire
from tests.web.test_sockets import Socket
from tests.web.test_usage import spend

from paperlane import retention
from paperlane.records.schema import audit, documents, users
from paperlane.settings import ModelTerms, Settings
from paperlane.web.pacing import Pace

MB = 1 << 20
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
DAY = 86_400


@pytest.fixture
def settings(settings: Settings) -> Settings:
    judge = ModelTerms(name="judge", model="m", base_url="http://127.0.0.1:9/v1")
    return settings.model_copy(update={"models": (judge,), "max_batch_mb": 3})


@pytest.fixture
def hand(house: House) -> Hand:
    """The clock of the service's pace."""
    hand = Hand()
    house.app.state.pace = Pace(hand)
    return hand


async def give(house: House, who: str, **quotas: int | None) -> None:
    user = house.desk.accounts.user(who).id
    answer = await house["adam"].patch(f"/users/{user}", json=quotas)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in quotas} == quotas


async def send(house: House, who: str, size: int, key: str = "", **fields: str) -> httpx.Response:
    files = [("files", ("a.md", b"x" * size))]
    headers = {"Idempotency-Key": key} if key else {}
    return await house[who].post("/batches", files=files, headers=headers, data={"model": "none", **fields})


def fill(house: House, who: str, size: int) -> None:
    """As if files of so many bytes more were kept."""
    more = update(users).where(users.c.name == who).values(stored=users.c.stored + size)
    house.ledger.write(lambda c: c.execute(more) and None)


def stored(house: House, who: str = "ann") -> int:
    return house.desk.accounts.user(who).stored


async def used(house: House, what: str, who: str = "ann") -> tuple[int, int | None]:
    quota = (await house[who].get("/usage/quotas")).json()[what]
    return quota["used"], quota["limit"]


def assert_refused(answer: httpx.Response, code: str, longest: int = DAY) -> int:
    assert (answer.status_code, answer.json()["code"]) == (429, code), answer.text
    assert answer.json()["hint"]
    after = int(answer.headers["retry-after"])
    assert 1 <= after <= longest
    return after


async def test_documents_are_kept_up_to_the_last_byte_of_a_users_room_and_no_further(house: House):
    await give(house, "ann", storage_mb=1)
    assert (await send(house, "ann", MB - 10)).status_code == 202
    there = blobs_of(house)
    assert_refused(await send(house, "ann", 11), "user_storage_full")
    assert blobs_of(house) == there
    assert len((await house["ann"].get("/tasks")).json()["items"]) == 1
    assert await used(house, "storage_bytes") == (MB - 10, MB)
    assert await used(house, "waiting") == (1, 20)
    assert (await send(house, "ann", 10)).status_code == 202
    assert (await send(house, "bob", MB)).status_code == 202


async def test_who_has_no_room_left_is_refused_before_the_body_is_read(house: House):
    await give(house, "ann", storage_mb=1)
    assert (await send(house, "ann", MB)).status_code == 202
    answer = await house["ann"].post("/batches", content=Untouched(b"--b\r\n"), headers=FORM)
    assert assert_refused(answer, "user_storage_full") == DAY  # nothing has ended yet
    assert "1 MB of your documents are kept; at most 1 MB may be." in answer.json()["detail"]


@pytest.mark.parametrize(("ended", "after"), [(0.5, DAY), (89.5, DAY // 2), (91, 60)])
async def test_a_full_room_says_when_the_first_document_goes(house: House, ended: float, after: int):
    await give(house, "ann", storage_mb=1)
    await send(house, "ann", 10)
    fill(house, "ann", MB)
    house.work()
    age(house, ended)
    told = assert_refused(await send(house, "ann", 1), "user_storage_full")
    assert after - 600 <= told <= after + 1


async def test_an_accepted_batch_comes_again_under_its_key_whatever_is_full(house: House, hand: Hand):
    await give(house, "ann", storage_mb=1, model_tokens=10)
    first = await send(house, "ann", 10, "k", model="judge")
    spend(house, "ann", 10, 0.0)
    fill(house, "ann", MB - 10)
    there = blobs_of(house)
    again = await send(house, "ann", 10, "k", model="judge")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert (blobs_of(house), stored(house)) == (there, MB)
    assert_refused(await send(house, "ann", 10, "other"), "user_storage_full")


async def test_a_changed_quota_holds_at_once(house: House):
    await give(house, "ann", storage_mb=1)
    fill(house, "ann", MB)
    assert (await send(house, "ann", 1)).status_code == 429
    await give(house, "ann", storage_mb=2)
    assert (await send(house, "ann", 1)).status_code == 202
    await give(house, "ann", storage_mb=1)
    assert (await send(house, "ann", 1)).status_code == 429
    await give(house, "ann", storage_mb=None)  # as the settings say: none
    assert (await send(house, "ann", 1)).status_code == 202


async def test_a_file_counts_once_however_often_it_is_tested_until_nothing_names_it(house: House, run: Run):
    await add(house, await house.upload("ann", TEXT, "Fine.", model="none"))
    size = stored(house)
    assert size == len(TEXT.encode()) + 5
    await give(house, "ann", storage_mb=1)
    fill(house, "ann", MB)
    fire(house)  # also where no room is left: it takes none
    assert stored(house) == size + MB
    house.work()
    age(house, 91)
    await run()
    assert house.ledger.read(lambda c: c.execute(select(documents)).all()) == []
    assert (stored(house), len(blobs_of(house))) == (size, 2)  # what no file stands for was no more than a mistake
    fill(house, "ann", 3)
    assert (await house["ann"].delete("/schedules/nightly")).status_code == 204
    assert (stored(house), blobs_of(house)) == (3, [])


async def test_what_retention_removes_gives_its_room_back(house: House, run: Run):
    await give(house, "ann", storage_mb=1)
    await send(house, "ann", 10)
    fill(house, "ann", MB - 10)
    await send(house, "bob", 7)
    house.work()
    age(house, 91)
    assert (await send(house, "ann", 1)).status_code == 429
    await run()
    assert (stored(house), stored(house, "bob")) == (0, 0)
    assert (await send(house, "ann", 10)).status_code == 202


async def test_what_programs_of_before_took_and_did_not_count_is_counted_soon(house: House, run: Run):
    await send(house, "ann", 10)
    house.work()
    age(house, 91)
    await add(house, await house.upload("ann", "Young.", model="none"))
    fill(house, "ann", -16)
    await run()
    assert stored(house) == 6
    house.work()
    age(house, 91)
    await run()
    assert (stored(house), len(blobs_of(house))) == (6, 1)
    fill(house, "ann", -5)
    assert (await house["ann"].delete("/schedules/nightly")).status_code == 204
    assert stored(house) == 0  # never less


async def test_what_was_counted_wrong_is_put_right_also_where_nothing_is_old(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "_PARTS", 1)
    await send(house, "ann", 10)
    await send(house, "bob", 7)
    fill(house, "ann", 5)
    fill(house, "bob", -7)
    with capture_logs() as logs:
        await run()
    assert (stored(house), stored(house, "bob")) == (10, 7)
    assert sorted(line["bytes"] for line in logs) == [-5, 7]


class TestAUsualQuota:
    """Of everybody who has none of their own."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        more = {"user_storage_mb": 1, "user_requests_a_minute": 5, "user_model_tokens": 10}
        return settings.model_copy(update=more)

    async def test_it_holds_for_who_has_no_own_one(self, house: House, hand: Hand):
        hand.at += 60
        shown = (await house["bob"].get("/usage/quotas")).json()
        assert {name: shown[name]["limit"] for name in ("storage_bytes", "requests_a_minute", "model_tokens")} == {
            "storage_bytes": MB, "requests_a_minute": 5, "model_tokens": 10,
        }  # fmt: skip
        assert shown["requests_a_minute"]["used"] == 1
        await give(house, "ann", storage_mb=0, requests_a_minute=0, model_tokens=0)
        spend(house, "ann", 10, 0.0)
        fill(house, "ann", MB)
        for _ in range(6):
            assert (await send(house, "ann", 1, model="judge")).status_code == 202
        assert {name: (await used(house, name))[1] for name in ("storage_bytes", "model_tokens")} == {
            "storage_bytes": None, "model_tokens": None,
        }  # fmt: skip
        fill(house, "bob", MB - 1)
        assert_refused(await send(house, "bob", 2), "user_storage_full")
        assert (await send(house, "bob", 1)).status_code == 202
        assert_refused(await send(house, "bob", 1), "user_storage_full")


async def test_so_many_requests_come_at_once_and_then_one_after_the_other(house: House, hand: Hand):
    await give(house, "ann", requests_a_minute=3)
    left = [(await house["ann"].get("/tasks")).headers["ratelimit"] for _ in range(3)]
    assert left == ['"requests";r=2;t=20', '"requests";r=1;t=40', '"requests";r=0;t=60']
    refused = await house["ann"].get("/tasks")
    assert assert_refused(refused, "too_many_requests") == 20
    assert (refused.headers["ratelimit-policy"], refused.headers["ratelimit"]) == (
        '"requests";q=3;w=60',
        '"requests";r=0;t=60',
    )
    other = await house["bob"].get("/tasks")
    assert (other.status_code, "ratelimit" in other.headers) == (200, False)
    hand.at += 20
    answers = [await house["ann"].get(path) for path in ("/tasks/none", "/tasks")]
    assert [answer.status_code for answer in answers] == [404, 429]
    assert all("ratelimit" in answer.headers for answer in answers)


async def test_an_upload_too_many_is_refused_before_its_body_is_read(house: House, hand: Hand):
    await give(house, "ann", requests_a_minute=1)
    await house["ann"].get("/tasks")
    answer = await house["ann"].post("/batches", content=Untouched(b"--b\r\n"), headers=FORM)
    assert_refused(answer, "too_many_requests", 60)


async def test_another_number_of_requests_holds_at_once(house: House, hand: Hand):
    await give(house, "ann", requests_a_minute=1)
    assert [(await house["ann"].get("/tasks")).status_code for _ in range(2)] == [200, 429]
    await give(house, "ann", requests_a_minute=3)
    assert [(await house["ann"].get("/tasks")).status_code for _ in range(3)] == [200, 200, 429]
    await give(house, "ann", requests_a_minute=0)
    assert (await house["ann"].get("/tasks")).status_code == 200


async def test_counting_requests_writes_nothing(house: House, hand: Hand):
    await give(house, "ann", requests_a_minute=2)
    before = house.ledger.changed()
    assert [(await house["ann"].get("/tasks")).status_code for _ in range(3)] == [200, 200, 429]
    assert house.ledger.changed() == before


async def test_a_page_too_many_looks_again_by_itself_and_a_socket_too_many_is_not_opened(house: House, hand: Hand):
    (task,) = (await house.upload("ann", "Fine."))["tasks"]
    await give(house, "ann", requests_a_minute=2)
    for path in ("/queue", "/"):
        assert (await house["ann"].get(f"http://test{path}")).status_code == 200
    for path in ("/queue", "/queue/now", "/", "/tasks/x", "/words"):
        page = await house["ann"].get(f"http://test{path}")
        assert (page.status_code, page.headers["retry-after"], page.headers["refresh"]) == (429, "30", "30"), path
        assert "the page goes on in 30 s" in page.text
    assert await Socket(house, "ann", task["id"]).answer() == ("websocket.close", 4429)
    hand.at += 30
    socket = Socket(house, "ann", task["id"])
    assert await socket.answer() == ("websocket.accept", None)
    await socket.leave()


async def test_strangers_are_looked_up_so_often_and_lock_nobody_out_who_came_before(house: House, hand: Hand):
    def as_one(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    assert (await house["ann"].get("/session")).status_code == 200
    for n in range(60):
        assert (await house["nobody"].get("/session", headers=as_one(f"pl_{n}"))).status_code == 401
    assert assert_refused(await house["nobody"].get("/session", headers=as_one("pl_x")), "too_many_requests") == 1
    assert_refused(await house["nobody"].post("/session", json={"token": "pl_x"}), "too_many_requests")
    assert (await house["nobody"].get("/tasks")).status_code == 401  # nobody is looked up
    assert [(await house["ann"].get("/session")).status_code for _ in range(3)] == [200] * 3
    hand.at += 1
    for _ in range(3):  # who is good takes nothing from the others of their address
        assert (await house["bob"].get("/session")).status_code == 200
    house.desk.accounts.revoke(None, house.desk.accounts.user("ann"))
    assert [(await house["ann"].get("/session")).status_code for _ in range(3)] == [401, 401, 429]


async def test_a_spent_months_budget_refuses_what_asks_a_model_and_nothing_else(house: House):
    await give(house, "ann", model_tokens=21)
    spend(house, "ann", 10, 0.0)  # of questions and as many of answers
    assert (await send(house, "ann", 5, model="judge")).status_code == 202
    await give(house, "ann", model_tokens=20)
    there = blobs_of(house)
    refused = await send(house, "ann", 5, model="judge")
    after = assert_refused(refused, "model_budget_spent")
    now = datetime.now(UTC)
    left = (now.replace(day=28).toordinal() + 40 - now.toordinal()) * DAY
    assert after <= min(DAY, left)
    assert "model=none" in refused.json()["hint"]
    assert_refused(await house["ann"].post("/batches", files=[("files", ("a.md", b"x"))]), "model_budget_spent")
    assert (blobs_of(house), stored(house)) == (there, 5)
    assert (await send(house, "ann", 5)).status_code == 202
    assert (await send(house, "bob", 5, model="judge")).status_code == 202
    assert await used(house, "model_tokens") == (20, 20)
    await give(house, "ann", model_tokens=None)
    assert (await send(house, "ann", 5, model="judge")).status_code == 202


async def test_everybody_sees_their_own_quotas_and_who_looks_those_of_all(house: House):
    ann = house.desk.accounts.user("ann").id
    own = (await house["ann"].get("/usage/quotas")).json()
    assert own == {
        "user": ann,
        "name": "ann",
        "running": {"used": 0, "limit": 10},
        "waiting": {"used": 0, "limit": 20},
        "storage_bytes": {"used": 0, "limit": None},
        "requests_a_minute": {"used": 0, "limit": None},
        "model_tokens": {"used": 0, "limit": None},
        "model_money": {"used": 0.0, "limit": None},
        "sockets": {"used": 0, "limit": 10},
    }
    assert (await house["adam"].get(f"/usage/quotas?user={ann}")).json() == own
    assert (await house["ann"].get(f"/usage/quotas?user={ann}")).json() == own
    assert (await house["vera"].get(f"/usage/quotas?user={ann}")).json() == own
    assert (await house["bob"].get(f"/usage/quotas?user={ann}")).status_code == 403
    assert (await house["adam"].get("/usage/quotas?user=999")).status_code == 404
    (task,) = (await house.upload("ann", "Fine."))["tasks"]
    socket = Socket(house, "ann", task["id"])
    await socket.answer()
    assert await used(house, "sockets") == (1, 10)
    await socket.leave()


async def test_a_socket_stays_open_while_what_its_user_stored_or_may_store_changes(house: House):
    before = house.desk.accounts.user("ann")
    await give(house, "ann", storage_mb=1)
    await send(house, "ann", 5)
    assert house.desk.accounts.user("ann") == before


async def test_who_changed_a_quota_is_written_down(house: House):
    made = (await house["adam"].post("/users", json={"name": "zoe", "storage_mb": 7, "model_tokens": 0})).json()
    shown = ("storage_mb", "requests_a_minute", "model_tokens", "stored_bytes")
    assert [made[name] for name in shown] == [7, None, 0, 0]
    changed = await house["adam"].patch(f"/users/{made['id']}", json={"storage_mb": None, "requests_a_minute": 9})
    assert [changed.json()[name] for name in shown] == [None, 9, 0, 0]
    assert (await house["adam"].get(f"/users/{made['id']}")).json()["requests_a_minute"] == 9
    rows = house.ledger.read(
        lambda c: c.execute(select(audit).where(audit.c.what.like("user%")).order_by(audit.c.id.desc()).limit(2)).all()
    )
    assert [(row.what, json.loads(row.details)) for row in rows] == [
        ("user changed", {"name": "zoe", "storage_mb": None, "requests_a_minute": 9}),
        ("user added", {"name": "zoe", "role": "user", "storage_mb": 7, "model_tokens": 0}),
    ]
    for wrong in (-1, 10**13, 1.5, "7", True):
        for name in shown[:3]:
            refused = await house["adam"].patch(f"/users/{made['id']}", json={name: wrong})
            assert refused.status_code == 422, (name, wrong)
    assert (await house["adam"].patch(f"/users/{made['id']}", json={"stored_bytes": 0})).status_code == 422
