"""One document's trace, from a real service and its workers to a real collector; and what their logs say of it."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.ai.endpoint import Endpoint
from tests.conftest import Service, shared_service, until
from tests.databases import Databases
from tests.engines.carried import interpreter
from tests.engines.test_programs import CARRIED, program
from tests.forking import run
from tests.model_server.script import Rule
from tests.service.test_models import upload_with
from tests.service.test_service import ended, upload
from tests.traces.collector import Collector, Told, collecting, tree
from tools.servers import Server

from paperlane import tracing
from paperlane.assembly import user_names
from paperlane.model.tasks import TaskId, UserId

STEPS = ["file_parsing", "document_processing", "section_merge", "issue_detection"]
OF_MODELS = ["questions", "model_review", "anchoring"]
PHRASE = "the cobalt heron nests at dawn"
TEXT = f"# Gate\n\nThe gate shall open for the driver, {PHRASE}.\n\n# Door\n\nThe door shall be fast, {PHRASE}.\n"
KEY = "sk-planted-4711"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class Scene:
    """A service that sends its traces to a collector, and a model."""

    service: Service
    collector: Collector
    endpoint: Endpoint

    def user(self, engine: str) -> httpx.Client:
        """Somebody whose tasks this engine carries."""
        client = self.service.user(engine)
        with closing(self.service.ledger()) as ledger:
            (user,) = [user for user, name in user_names(ledger).items() if name == engine]
            ledger.lane(UserId(user), engine=engine)
        return client

    def lines(self) -> list[dict[str, Any]]:
        """What the service and its workers have logged."""
        return [json.loads(line) for line in self.service.log().splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def scene(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    endpoint = Endpoint.start()
    with pytest.MonkeyPatch.context() as patch, collecting() as collector:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        patch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={KEY}")
        patch.setenv("PAPERLANE_MODEL_API_KEY", KEY)
        folder = tmp_path_factory.mktemp("traced")
        settings = {"workers": 1, "pool_slots": 2, "log_level": "debug", "log_format": "json", "sweep_seconds": 0.2}
        model = {"model": "judge", "model_base_url": endpoint.url}
        with shared_service(folder, all_databases, **settings, **model) as service:
            yield Scene(service, collector, endpoint)
    endpoint.close()


def named(spans: list[Told], name: str) -> Told:
    (found,) = [span for span in spans if span.name == name]
    return found


def whole(steps: list[str]) -> list[str]:
    return [name for step in steps for name in (step, f"{step} saved")]


@pytest.mark.parametrize("engine", ["database", "inline", "pool", *CARRIED])
def test_a_documents_trace_leads_from_its_upload_to_its_report(
    scene: Scene, request: pytest.FixtureRequest, engine: str
):
    client = scene.user(engine)
    if engine not in CARRIED:
        (task,) = ended(client, upload_with(client, model="none"))
    else:
        interpreter(engine)
        redis: Server = request.getfixturevalue("redis")
        command = ("paperlane", "worker", "--engine", engine, "--slots", "1")
        with program(engine, redis.url, scene.service, *command):
            (task,) = ended(client, upload_with(client, model="none"))
    assert (task["status"], task["engine"]) == ("completed", engine), scene.service.log()
    spans = until(lambda: len(found := scene.collector.of(task["id"])) == 4 + 2 * len([*STEPS, "report"]) and found)
    root = named(spans, "task")
    found = tree(spans, root)
    assert (sorted(found.pop("task")), found) == (
        ["attempt 1", "submit", "wait"],
        {"attempt 1": whole([*STEPS, "report"])},
    )
    attempt, wait = named(spans, "attempt 1"), named(spans, "wait")
    assert root.began == wait.began <= wait.ended <= attempt.ended <= root.ended
    assert (root.fields["paperlane.status"], root.fault, root.service) == ("completed", "", "paperlane")
    assert (attempt.fields["paperlane.engine"], attempt.fields["paperlane.outcome"]) == (engine, "completed")
    assert named(spans, "file_parsing").fields["paperlane.child"] > 0
    requests = scene.collector.until(lambda all_: [one for one in all_ if one.name == "POST /api/v1/batches"])
    (request,) = [one for one in requests if root.id in one.links]
    assert named(spans, "submit").links == {request.id}
    assert request.trace != root.trace
    assert request.fields["http.response.status_code"] == 202


def test_each_request_to_a_model_is_told_with_its_tokens_and_how_it_went(scene: Scene):
    scene.endpoint.does(Rule(say="push", match="driver", times=1), Rule(match="driver", quotes=["shall open"]))
    client = scene.service.user()
    (task,) = ended(client, upload(client, TEXT))
    spans = scene.collector.until(lambda _: scene.collector.of(task["id"]))
    assert tree(spans, named(spans, "task"))["attempt 1"] == whole([*STEPS, *OF_MODELS, "report"])
    chats = [one for one in spans if one.name == "chat judge"]
    assert {one.parent for one in chats} == {named(spans, "model_review").id}
    assert [one.kind for one in chats] == [3] * len(chats)  # a client's
    assert [one.fault for one in chats if one.fault] == ["Pushed"]
    answered = [one.fields for one in chats if not one.fault]
    assert len(answered) == len(scene.endpoint.calls()) - 1
    assert all(one["gen_ai.usage.input_tokens"] > 0 < one["gen_ai.usage.output_tokens"] for one in answered)
    assert {(one["gen_ai.request.model"], one["paperlane.outcome"]) for one in answered} == {("judge", "answered")}
    assert_says_nothing_secret(scene)


def test_a_queued_task_that_a_command_cancels_is_told_by_it(scene: Scene):
    client = scene.user("nobodys")
    (task,) = upload_with(client, model="none")["tasks"]
    command = ("queue", "cancel", task["id"], "--data", str(scene.service.data))
    assert run(command, None).returncode == 0
    spans = scene.collector.of(task["id"])
    root = named(spans, "task")
    assert tree(spans, root) == {"task": ["submit", "wait"]}
    assert root.fields["paperlane.status"] == "cancelled"


def test_a_document_that_cannot_be_read_is_told_by_its_code(scene: Scene):
    client = scene.service.user()
    files = {"files": ("a.pdf", b"%PDF-1.4 " + PHRASE.encode())}
    (task,) = ended(client, client.post("batches", files=files).json())
    assert task["status"] == "failed"
    spans = scene.collector.of(task["id"])
    code = task["error"]["code"]
    faults = {one.name: one.fault for one in spans if one.fault}
    assert faults == {"file_parsing": code, "attempt 1": code, "task": code}
    (line,) = [one for one in scene.lines() if one.get("task") == task["id"] and one["event"] == "an attempt ended"]
    assert (line["level"], line["outcome"], line["why"]) == ("info", "failed", code)
    assert_says_nothing_secret(scene)


def test_a_request_is_a_part_of_the_trace_that_its_caller_names(scene: Scene):
    client = scene.service.user()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine-1"}
    answer = client.get("tasks/nothing/report", headers=headers)
    assert answer.headers["x-request-id"] == "mine-1"
    (span,) = scene.collector.until(lambda all_: [one for one in all_ if one.trace == TRACE])
    assert (span.parent, span.name, span.kind) == (PARENT, "GET /api/v1/tasks/{task}/report", 2)
    assert (span.fields["http.response.status_code"], span.fault) == (404, "")
    (line,) = [one for one in scene.lines() if one.get("request") == "mine-1"]
    assert (line["trace_id"], line["user"]) == (TRACE, span.fields["paperlane.user"])
    other = client.get("tasks", headers={"x-request-id": "no name\twhatever"}).headers["x-request-id"]
    assert len(other) == 16


def test_every_line_of_an_attempt_says_whose_it_is(scene: Scene):
    client = scene.service.user()
    (task,) = ended(client, upload_with(client, model="none"))

    def lines() -> list[dict[str, Any]]:
        found = [one for one in scene.lines() if one.get("task") == task["id"]]
        return found if found and found[-1]["event"] == "an attempt ended" else []

    found = until(lines)
    assert [one["event"] for one in found] == [
        "an attempt begins", *(["a step begins", "a step ended"] * 5), "an attempt ended"
    ]  # fmt: skip
    trace = f"{tracing.trace_of(TaskId(task['id'])):032x}"
    user = scene.collector.of(task["id"])[-1].fields["paperlane.user"]
    said = {(one["user"], one["attempt"], one["engine"], one["trace_id"]) for one in found}
    assert said == {(user, 1, "database", trace)}
    assert len({one["worker"] for one in found}) == 1


def assert_says_nothing_secret(scene: Scene) -> None:
    """Neither what was in a document, nor its name, nor a key nor a token stands in a log or a span."""
    tokens = [client.headers["Authorization"].split()[-1] for client in scene.service.clients]
    said = scene.service.log().encode() + b"".join(scene.collector.bodies)
    assert b"an attempt ended" in said
    assert b"chat judge" in said or b"file_parsing" in said
    for secret in (PHRASE, "cobalt", KEY, "0.md", "a.pdf", *tokens):
        assert secret.encode() not in said, secret
