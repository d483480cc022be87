"""Traces, where the environment asks for them: who listens to this process's spans, and to the ends of tasks."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from paperlane import tracing
from paperlane.errors import PaperlaneError
from paperlane.ledger import Ledger
from paperlane.ledger.traces import spans_of
from paperlane.model.tasks import TaskId

if TYPE_CHECKING:
    from paperlane.otlp import Otlp

log = structlog.get_logger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"
_MOST = 1_000  # tasks that ended, and wait for their spans to be told
_LAST_WORDS = 2.0  # seconds that telling may take at the end


def is_asked_for() -> bool:
    """Does the environment name where spans go?"""
    return bool(_first_of(_ENDPOINTS))


@contextmanager
def traced() -> Generator[None]:
    """Spans of this process are sent inside, if the environment names where to: OpenTelemetry's own variables.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ What is wrong with them is told,
    and keeps nobody from working.
    """
    if (sending := _asked_for()) is None:
        yield
        return
    tracing.listen(sending)
    try:
        yield
    finally:
        tracing.listen(None)
        sending.close()


def _asked_for() -> "Otlp | None":
    endpoint = _first_of(_ENDPOINTS)
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if not endpoint or exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if exporter != "otlp":
        return _without("OTEL_TRACES_EXPORTER names another exporter than otlp", "Set it to otlp, or to none.")
    if (protocol := _first_of(_PROTOCOLS) or _SPOKEN) != _SPOKEN:
        return _without(
            f"OTLP is spoken over {_SPOKEN} only, not {protocol[:20]}", "Name the collector's port for HTTP."
        )
    if not (where := _place_of(endpoint)):
        return _without("the endpoint is no address", "Write http://HOST:4318 in OTEL_EXPORTER_OTLP_ENDPOINT.")
    try:
        from paperlane.otlp import Otlp  # noqa: PLC0415  its libraries are an extra, and take a tenth of a second

        sending = Otlp(where)
        sending.try_out()
    except ImportError as error:
        return _without(f"a library is missing ({error.name})", "pip install 'paperlane[otel]'")
    except Exception as error:  # noqa: BLE001  the libraries read their variables when imported, made and begun
        return _without(
            f"OpenTelemetry's library cannot be set up ({type(error).__name__}: {error})"[:300],
            "Mend the variables OTEL_*: OTEL_BSP_MAX_QUEUE_SIZE is at least OTEL_BSP_MAX_EXPORT_BATCH_SIZE, or 512.",
        )
    return sending


def _first_of(names: Sequence[str]) -> str:
    return next(filter(None, (os.environ.get(name, "").strip() for name in names)), "")


def _place_of(endpoint: str) -> str:
    """Host and port of an address of HTTP, without a password that stands there; "" for anything else."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    return parts.hostname if port is None else f"{parts.hostname}:{port}"


def _without(why: str, hint: str) -> None:
    log.warning("no traces are sent", why=why, hint=hint)


@contextmanager
def following(ledger: Ledger) -> Generator[None]:
    """Where somebody listens, the trace of each task that this process ends is told whole inside."""
    if not tracing.listening():
        yield
        return
    chronicler = _Chronicler(ledger)
    ledger.follow_ends(chronicler.ended)
    try:
        yield
    finally:
        ledger.follow_ends(None)
        chronicler.close()


class _Chronicler:
    """Reads the histories of tasks that ended, on a thread of its own; what comes too fast for it is left out."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: Queue[TaskId | None] = Queue(_MOST)
        self._left_out = 0
        self._thread = Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def ended(self, tasks: Sequence[TaskId]) -> None:
        """These have ended, by a commit a moment ago. From any thread."""
        for task in tasks:
            if tracing.wanted(task):
                try:
                    self._waiting.put_nowait(task)
                except Full:
                    if not self._left_out:
                        log.warning("tasks end faster than their traces can be told; some are left out")
                    self._left_out += 1

    def close(self) -> None:
        """Tell what is left, for some seconds at most."""
        try:
            self._waiting.put(None, timeout=_LAST_WORDS)
        except Full:
            return
        self._thread.join(_LAST_WORDS)

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            try:
                spans = self._ledger.read(partial(spans_of, task=task))
                for span in spans:
                    tracing.tell(span)
            except PaperlaneError as error:  # the database is away, or the task was deleted
                log.debug("a task's trace cannot be told", task=task, why=error.message)
            except Exception:
                log.exception("a task's trace cannot be told", task=task)
