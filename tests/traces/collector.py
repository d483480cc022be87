"""A collector that takes spans by OTLP over HTTP, as their definition has it; it may hang, or refuse."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.conftest import until

from paperlane import tracing
from paperlane.model.tasks import TaskId


@dataclass(frozen=True)
class Told:
    """A span as it arrived."""

    name: str
    trace: str
    id: str
    parent: str
    began: float
    ended: float
    fields: Mapping[str, Any]
    fault: str
    links: frozenset[str]
    service: str
    kind: int


@dataclass
class Collector:
    """What has arrived; `answers` is its status, or 0 to hang until `release`."""

    url: str
    answers: int = 200
    bodies: list[bytes] = field(default_factory=list)
    spans: list[Told] = field(default_factory=list)
    asked: int = 0
    release: Event = field(default_factory=Event)

    def take(self, body: bytes) -> None:
        """Read a batch."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _fields(resource.resource.attributes)["service.name"]
            self.spans += [_told(span, service) for scope in resource.scope_spans for span in scope.spans]

    def of(self, task: str) -> list[Told]:
        """The spans of a task's trace, once its own is there."""
        trace = f"{tracing.trace_of(TaskId(task)):032x}"

        def whole() -> list[Told]:
            found = [span for span in self.spans if span.trace == trace]
            return found if any(span.name == "task" for span in found) else []

        return until(whole)

    def until(self, holds: Callable[[list[Told]], Any]) -> Any:
        """Wait until that holds of what came."""
        return until(lambda: holds(list(self.spans)))


def _told(span: Any, service: str) -> Told:
    return Told(
        span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
        span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9, _fields(span.attributes),
        span.status.message if span.status.code == 2 else "",
        frozenset(link.span_id.hex() for link in span.links), service, span.kind,
    )  # fmt: skip


def _fields(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """On a free port of this machine."""

    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked += 1
            if not made.answers:
                made.release.wait(60)
                self.close_connection = True
                return
            if made.answers == 200:
                assert self.path == "/v1/traces"
                made.take(body)
            self.send_response(made.answers)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its base's name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    made = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def tree(spans: list[Told], root: Told) -> dict[str, list[str]]:
    """The names of each span's children, in the order in which they began; each span leads to the root."""
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans), sorted(span.name for span in spans)
    names: dict[str, list[str]] = {}
    for span in sorted(spans, key=lambda span: (span.began, span.ended)):
        if span.id != root.id:
            names.setdefault(by_id[span.parent].name, []).append(span.name)
    return names
