"""Documents that a model reviews, through a real service: what is paid for once is not paid for again."""

from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from sqlalchemy import func, select
from tests.ai.endpoint import Endpoint
from tests.conftest import Service, until
from tests.model_server.script import Rule
from tests.service.test_service import ended, upload

from paperlane.records.schema import answers

SECTIONS = [
    f"# {number} Part {number}\n\nThe part number {number} of the gate shall open for the driver. "
    f"{'Its use is told in the manual of part ' + str(number) + '. '} {'It is kept shut by night. ' * 22}\n"
    for number in range(1, 9)
]
TEXT = "\n".join(SECTIONS)


@pytest.fixture(scope="module")
def one_endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint.start()
    yield endpoint
    endpoint.close()


@pytest.fixture
def endpoint(one_endpoint: Endpoint) -> Endpoint:
    one_endpoint.does(Rule(match="driver", quotes=["shall open for the driver"]))
    return one_endpoint


@pytest.fixture
def service(new_service: Callable[..., Service], endpoint: Endpoint) -> Service:
    return new_service(
        workers=1, model="judge", model_base_url=endpoint.url, model_price_in="3", model_price_out="15",
        lease_seconds=3, heartbeat_seconds=1, sweep_seconds=1,
    )  # fmt: skip


def report(client: httpx.Client, task: str) -> dict:
    (document,) = client.get(f"tasks/{task}/report?format=json").json()["documents"]
    return document


def upload_with(client: httpx.Client, **fields: str) -> dict:
    answer = client.post("batches", files={"files": ("0.md", TEXT)}, data=fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


@pytest.mark.parametrize("kind", ["sqlite file"], indirect=True)
def test_a_document_that_comes_again_pays_for_its_changed_passage_only(service: Service, endpoint: Endpoint):
    client = service.user("ann")
    (first,) = ended(client, upload(client, TEXT))
    found = report(client, first["id"])
    (cost,) = found["costs"]
    said = [issue for issue in found["issues"] if issue["source"] == "model"]
    assert first["brief"]["models"] == ["judge"]
    assert found["judges"] == ["rules", "judge"]
    assert found["coverage"]["whole"]
    assert len(said) == len(endpoint.calls()) == cost["requests"] == cost["passages"] == len(SECTIONS)
    assert {issue["quote"] for issue in said} == {"shall open for the driver"}
    assert cost["money"] == pytest.approx((3 * cost["tokens_in"] + 15 * cost["tokens_out"]) / 1e6)

    (second,) = ended(client, upload(client, TEXT.replace("manual of part 5", "handbook of part 5")))
    (cost,) = report(client, second["id"])["costs"]
    assert len(endpoint.calls()) == len(SECTIONS) + 1
    assert (cost["passages"], cost["kept"], cost["requests"]) == (len(SECTIONS), len(SECTIONS) - 1, 1)

    (third,) = ended(client, upload_with(client, model="none"))
    assert report(client, third["id"])["judges"] == ["rules"]
    assert len(endpoint.calls()) == len(SECTIONS) + 1

    refused = client.post("batches", files={"files": ("a.md", TEXT)}, data={"model": "unheard-of"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")
    assert "judge" in refused.json()["hint"]
    for several in (["none", "judge"], ["judge,none"], ["judge", "unheard-of"]):
        refused = client.post("batches", files={"files": ("a.md", TEXT)}, data={"model": several})
        assert (refused.status_code, bool(refused.json()["hint"])) == (422, True)
    twice = client.post("batches", files={"files": ("0.md", TEXT)}, data={"model": ["judge", "", " judge ,"]}).json()
    assert twice["tasks"][0]["brief"]["models"] == ["judge"]


@pytest.mark.parametrize("kind", ["sqlite file"], indirect=True)
def test_a_worker_that_is_killed_in_the_middle_pays_for_no_stored_answer_twice(service: Service, endpoint: Endpoint):
    last = Rule(say="hang", match="Part 8", times=1)
    endpoint.does(last, Rule(match="driver", quotes=["shall open for the driver"]))
    client = service.user("ann")
    batch = upload(client, TEXT)
    until(lambda: len(endpoint.calls()) == len(SECTIONS))
    with closing(service.ledger()) as ledger:
        until(lambda: ledger.read(lambda c: c.scalar(select(func.count()).select_from(answers))) == len(SECTIONS) - 1)
    service.kill()
    service.start()
    client.base_url = httpx.URL(f"{service.url}/api/v1/")
    (task,) = ended(client, batch)
    assert len(endpoint.calls()) == len(SECTIONS) + 1  # the one that hung is asked again
    assert task["status"] == "completed"
    found = report(client, task["id"])
    assert found["coverage"]["whole"]
    (cost,) = found["costs"]
    # all that it paid, in both attempts; what the first of them spent is written down every few seconds
    assert (cost["kept"], 1 <= cost["requests"] <= len(SECTIONS)) == (0, True)


@pytest.mark.parametrize("kind", ["sqlite file"], indirect=True)
def test_a_model_that_is_down_makes_documents_wait_without_a_try(service: Service, endpoint: Endpoint):
    endpoint.does(down=401)
    client = service.user("ann")
    (name,) = (task["id"] for task in upload(client, TEXT)["tasks"])
    waits = until(lambda: (now := client.get(f"tasks/{name}").json())["run_at"] and now)
    assert (waits["status"], waits["attempt"], waits["step"]) == ("queued", 0, "model_review")
    assert "judge" in waits["message"]
    assert client.post(f"tasks/{name}/cancel").json()["status"] == "cancelled"
