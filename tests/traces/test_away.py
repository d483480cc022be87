"""A collector that is away, hangs or refuses costs nobody anything; and who wants no traces loads nothing."""

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from threading import Thread

import pytest
from structlog.testing import capture_logs
from tests.conftest import until
from tests.traces.collector import Collector, collecting

from paperlane import tracing
from paperlane.model.tasks import TaskId
from paperlane.otlp import Otlp, _why
from paperlane.telemetry import traced
from paperlane.tracing import Span

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")


def span(number: int = 0) -> Span:
    return Span("step", tracing.root_of(TaskId(f"task{number}")), 1.0, 2.0)


def tell_one_by_one(sending: Otlp, collector: Collector, count: int) -> None:
    for number in range(count):
        before = collector.asked
        sending.tell(span(number))
        until(lambda before=before: collector.asked > before)


def test_a_collector_that_refuses_is_told_of_once_and_once_when_it_takes_them_again(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(ENDPOINT, collector.url)
    collector.answers = 400
    with capture_logs() as logs:
        sending = Otlp()
        tell_one_by_one(sending, collector, 3)
        collector.answers = 200
        sending.tell(span())
        until(lambda: collector.spans)
        sending.close()
    events = [(line["event"], line.get("why"), line.get("lost")) for line in logs]
    assert events == [
        ("traces cannot be sent; work goes on without them", "HTTP 400", None), ("traces can be sent again", None, 3)
    ]  # fmt: skip


def test_nobody_waits_for_one_that_hangs(collector: Collector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "512")
    collector.answers = 0
    with capture_logs() as logs:
        sending = Otlp()
        telling = Thread(target=lambda: [sending.tell(span(number)) for number in range(2_000)], daemon=True)
        telling.start()
        telling.join(30)
        assert not telling.is_alive()
        until(lambda: collector.asked)
        sending.close(0.05)
    assert not collector.release.is_set()  # it hangs still
    assert [line["event"] for line in logs] == [
        "OpenTelemetry's library complains, and may do so again", "the last traces could not be sent in time"
    ]  # fmt: skip


def test_a_process_ends_while_one_hangs(collector: Collector):
    collector.answers = 0
    script = """if True:
        from paperlane import tracing
        from paperlane.telemetry import traced
        with traced():
            tracing.tell(tracing.Span("step", tracing.root_of("task"), 1.0, 2.0))
    """
    environment = {**os.environ, ENDPOINT: collector.url}
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "the last traces could not be sent in time" in ran.stdout + ran.stderr
    assert not collector.release.is_set()


def test_why_one_that_is_away_cannot_be_reached_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        where = f"http://ann:hunter2@127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv(ENDPOINT, where)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
        with capture_logs() as logs, traced():
            tracing.tell(span())
            until(lambda: logs)
    (line,) = logs
    assert (line["log_level"], line["where"]) == ("warning", where.rpartition("@")[2])
    assert "hunter2" not in repr(logs)


def test_the_system_says_why_where_the_libraries_say_it_in_a_chain_of_their_own():
    try:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "http://ann:hunter2@host")
    except OSError as error:
        chained = RuntimeError("http://ann:hunter2@host", error)
    assert _why(("spans", chained, 1.0)) == "connection refused"
    assert _why(("spans", RuntimeError("http://ann:hunter2@host"))) == "RuntimeError"
    assert _why(("spans", 503, "no room")) == "HTTP 503"


def test_what_is_sent_after_a_fork_arrives_too(collector: Collector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ENDPOINT, collector.url)
    script = """if True:
        import os
        from paperlane import tracing
        from paperlane.otlp import Otlp
        from paperlane.tracing import Span
        sending = Otlp()
        def tell(name):
            sending.tell(Span(name, tracing.root_of(name), 1.0, 2.0))
        for name in ("before any", "after one"):
            if (child := os.fork()) == 0:
                tell(name)
                sending.close()
                os._exit(0)
            os.waitpid(child, 0)
            tell("parent, " + name)
        sending.close()
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
    told = sorted(one.name for one in collector.spans)
    assert told == ["after one", "before any", "parent, after one", "parent, before any"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({ENDPOINT: "collector:4317"}, "the endpoint is no address"),
        ({ENDPOINT: "http://[half"}, "the endpoint is no address"),
        ({ENDPOINT: "http://host:port"}, "the endpoint is no address"),
        ({ENDPOINT: "http://host", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTLP is spoken over http/protobuf only"),
        ({ENDPOINT: "http://host", "OTEL_TRACES_EXPORTER": "zipkin"}, "names another exporter than otlp"),
    ],
    ids=["no scheme", "half an address", "no port", "another protocol", "another exporter"],
)
def test_what_cannot_be_done_is_said_with_a_hint_and_keeps_nobody_from_working(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], why: str
):
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with capture_logs() as logs, traced():
        assert not tracing.listening()
    (line,) = logs
    assert why in line["why"]
    assert line["hint"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "256"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x"),
    ],
)
def test_a_variable_that_the_library_refuses_is_said_once_and_no_span_fails(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(ENDPOINT, "http://host")
    monkeypatch.setenv(name, value)
    threads = threading.active_count()
    with capture_logs() as logs, traced():
        assert not tracing.listening()
        with tracing.inside(tracing.during_attempt(TaskId("task"), 1)), tracing.span("step"):
            pass
    (line,) = logs
    assert "cannot be set up (ValueError" in line["why"]
    assert line["hint"]
    assert threading.active_count() == threads


def test_a_variable_that_the_library_refuses_when_it_is_loaded_keeps_nobody_from_working():
    script = """if True:
        from paperlane import tracing
        from paperlane.telemetry import traced
        with traced():
            assert not tracing.listening()
    """
    environment = {**os.environ, ENDPOINT: "http://host", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "x"}
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert (ran.stdout + ran.stderr).count("no traces are sent") == 1


def test_what_is_tried_out_leaves_no_thread_for_a_fork_to_break(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ENDPOINT, "http://host")
    threads = threading.active_count()
    with traced():
        assert tracing.listening()
        assert threading.active_count() == threads


def test_a_missing_library_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ENDPOINT, "http://host")
    monkeypatch.delitem(sys.modules, "paperlane.otlp", raising=False)
    monkeypatch.delattr(sys.modules["paperlane"], "otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with capture_logs() as logs, traced():
        assert not tracing.listening()
    assert [line["hint"] for line in logs] == ["pip install 'paperlane[otel]'"]


def test_who_wants_no_traces_loads_nothing_and_hears_nothing():
    script = """if True:
        import os, sys, paperlane.cli.worker, paperlane.assembly
        from paperlane.telemetry import traced
        def loaded(*names):
            return [one for one in sys.modules if one.startswith(names)]
        off = {}, {"OTEL_SDK_DISABLED": "True"}, {"OTEL_TRACES_EXPORTER": "none"}
        for one in off:
            os.environ.update(one and {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host", **one})
            with traced():
                assert not loaded("opentelemetry", "paperlane.otlp"), one
            for name in one:
                del os.environ[name]
        import paperlane.serving  # whose framework brings the library's interfaces, which do nothing by themselves
        assert not loaded("opentelemetry.sdk", "opentelemetry.exporter", "paperlane.otlp")
    """
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_the_environment_calls_the_service_is_what_it_is_called(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(ENDPOINT, collector.url)
    for name in ("", "papers"):
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        sending = Otlp()
        sending.tell(span())
        sending.close(30)
    assert [one.service for one in collector.spans] == ["paperlane", "papers"]
    assert (collector.spans[0].began, collector.spans[0].ended) == (1.0, 2.0)
