"""The gate answers alone until the application is there, and then the application does."""

import httpx
import pytest
from tests.web.conftest import House

from paperlane.web.gate import Gate


def asking(app: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", "/api/v1/batches"), ("GET", "/api/v1/tasks"), ("GET", "/metrics"), ("POST", "/healthz")],
)
async def test_while_it_is_shut_every_call_is_to_be_made_again(method: str, path: str):
    async with asking(Gate()) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert (problem["status"], problem["code"], bool(problem["hint"])) == (503, "database_unavailable", True)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (answer.headers.get("cache-control") == "no-store") == path.startswith("/api")


async def test_while_it_is_shut_the_process_lives_and_is_not_ready():
    async with asking(Gate()) as client:
        assert (await client.head("/healthz")).status_code == 200
        alive = await client.get("/healthz")
        ready = await client.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert ready.json() == {"status": "unready", "database": "database_unavailable", "workers": 0}
    assert (ready.status_code, int(ready.headers["retry-after"]) > 0) == (503, True)


async def test_once_it_is_open_the_application_answers(house: House):
    gate = Gate()
    async with asking(gate) as client:
        headers = {"Authorization": f"Bearer {house.tokens['ann']}"}
        assert (await client.get("/api/v1/tasks", headers=headers)).status_code == 503
        gate.open(house.app)
        assert (await client.get("/api/v1/tasks", headers=headers)).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/readyz", "/openapi.json", "/static/paperlane.css", "/api/v1/tasks", "/api/v1/none"]
)
async def test_a_head_is_what_get_would_answer_without_the_body(house: House, path: str):
    async with asking(house.app) as client:
        client.headers["Authorization"] = f"Bearer {house.tokens['ann']}"
        got, asked = await client.get(path), await client.head(path)
    assert (asked.status_code, asked.headers.keys()) == (got.status_code, got.headers.keys())
    assert (asked.content, "content-length" in asked.headers) == (b"", True)
