"""Sends spans to a collector by OTLP over HTTP: the only file that knows OpenTelemetry's libraries."""

import logging
import os
import socket
from collections.abc import Sequence
from threading import Lock, Thread, local

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from typing_extensions import override

from paperlane import __version__
from paperlane.tracing import Kind, Place, Span

log = structlog.get_logger(__name__)

_KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
_NS = 1_000_000_000


class Otlp:
    """Sends spans in batches, on a thread of its own that begins with the first one: a fork before that is no matter.

    Where they go to, how many are kept meanwhile and which traces are wanted stands in the environment, `OTEL_*`. What
    cannot be sent is lost, and told once.
    """

    def __init__(self, where: str = "") -> None:
        """`where` is what the log calls the collector."""
        self._where = where
        self._ids = _Given()
        self._lock = Lock()
        self._pid = 0
        self._provider = self._provided()
        said = _Said()
        ours = logging.getLogger("opentelemetry")
        ours.handlers, ours.propagate = [said], False
        self._said = said

    def _provided(self) -> TracerProvider:
        return TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)

    def wants(self, trace: int, parent: Place | None = None, *, sampled: bool = False) -> bool:
        above = None if parent is None else _within(_context(parent, sampled=sampled, remote=True))
        return self._provider.sampler.should_sample(above, trace, "").decision.is_sampled()

    def tell(self, span: Span) -> None:
        self._start()
        self._ids.give(span.place)
        started = self._provider.get_tracer("paperlane", __version__).start_span(
            span.name,
            Context() if span.parent is None else _within(_context(span.parent)),
            _KINDS[span.kind],
            {name if "." in name else f"paperlane.{name}": value for name, value in span.fields.items()},
            [Link(_context(place)) for place in span.links],
            int(span.began * _NS),
        )
        if span.fault:
            started.set_attribute("error.type", span.fault)
            started.set_status(Status(StatusCode.ERROR, span.fault))
        started.end(int(span.ended * _NS))

    def _start(self) -> None:
        """What sends has a thread and a connection, which no process shares with the one that it was forked from."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._provider = self._provided()
                self._provider.add_span_processor(self._processor())
                self._pid = os.getpid()

    def _processor(self) -> BatchSpanProcessor:
        return BatchSpanProcessor(_Watched(OTLPSpanExporter(), self._said, self._where))

    def try_out(self) -> None:
        """Raises what is wrong with the environment, which the first span would find; no thread is left of it."""
        self._processor().shutdown()

    def close(self, seconds: float = 2.0) -> None:
        """Send what is left, for so long at most."""
        if self._pid != os.getpid():
            return
        ending = Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(seconds)
        if ending.is_alive():
            log.warning("the last traces could not be sent in time")


class _Given(IdGenerator):
    """The ids of the span that is told next, by this thread."""

    def __init__(self) -> None:
        self._of = local()

    def give(self, place: Place) -> None:
        """Those of this one."""
        self._of.place = place

    @override
    def generate_span_id(self) -> int:
        return self._of.place.span

    @override
    def generate_trace_id(self) -> int:
        return self._of.place.trace


def _resource() -> Resource:
    """What the environment says; else the service is called as the product."""
    ours = {"service.version": __version__, "host.name": socket.gethostname(), "process.pid": os.getpid()}
    said = Resource.create()
    if str(said.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        ours[SERVICE_NAME] = "paperlane"
    return said.merge(Resource(ours))


def _context(place: Place, *, sampled: bool = True, remote: bool = False) -> SpanContext:
    return SpanContext(place.trace, place.span, remote, TraceFlags(TraceFlags.SAMPLED if sampled else 0))


def _within(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), Context())


class _Said(logging.Handler):
    """Hears what the libraries log: of a collector that is away they would say so with each batch, in its own words."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.why = ""
        self._told: set[str] = set()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry.exporter"):
            self.why = _why(record.args) or self.why
        elif record.msg not in self._told:
            self._told.add(record.msg)
            log.warning("OpenTelemetry's library complains, and may do so again", why=record.getMessage()[:300])


def _why(given: object) -> str:
    """An answer's status, or what the system says: addresses may hold a password."""
    for one in given if isinstance(given, Sequence) else ():
        if isinstance(one, int):
            return f"HTTP {one}"
        cause = one if isinstance(one, BaseException) else None
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno:
                return os.strerror(cause.errno).lower()
            cause = _deeper(cause)
        if isinstance(one, BaseException):
            return type(one).__name__
    return ""


def _deeper(error: BaseException) -> BaseException | None:
    """The libraries hand one another's errors on as arguments, or as their reason."""
    inside = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    return next((one for one in inside if isinstance(one, BaseException)), None)


class _Watched(SpanExporter):
    """Sends, and says once that it cannot, and once that it can again."""

    def __init__(self, exporter: SpanExporter, said: _Said, where: str) -> None:
        self._exporter = exporter
        self._where = where
        self._said = said
        self._lost = 0

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                why = self._said.why or "it cannot be reached"
                log.warning("traces cannot be sent; work goes on without them", where=self._where, why=why)
            self._lost += len(spans)
        elif self._lost:
            log.info("traces can be sent again", lost=self._lost)
            self._lost = 0
        return result

    @override
    def shutdown(self) -> None:
        self._exporter.shutdown()
