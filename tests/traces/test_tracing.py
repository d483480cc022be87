"""How spans are told: under which ids, of whose, and that nothing is done where nobody listens."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs
from tests.databases import opened

from paperlane import tracing
from paperlane.errors import StepFault
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import TaskId
from paperlane.telemetry import following
from paperlane.tracing import Place, Span

TASK = TaskId("01m8nkdxhzk1wbxrgbzvw0fns8")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class Heard:
    """Hears what it wants."""

    spans: list[Span] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)

    def wants(self, trace: int, parent: Place | None = None, *, sampled: bool = False) -> bool:
        return trace not in self.refused and (parent is None or sampled)

    def tell(self, span: Span) -> None:
        self.spans.append(span)


@pytest.fixture
def heard() -> Iterator[Heard]:
    one = Heard()
    tracing.listen(one)
    yield one
    tracing.listen(None)


def test_anybody_can_tell_a_tasks_trace_from_its_id():
    assert f"{tracing.trace_of(TASK):032x}" == hashlib.sha256(f"paperlane task {TASK}".encode()).hexdigest()[:32]


def test_what_is_told_inside_an_attempt_hangs_below_it(heard: Heard):
    with tracing.inside(tracing.during_attempt(TASK, 3)):
        for _ in range(2):
            with tracing.span("step", resumed=False):
                tracing.note(child=7)
                with tracing.span("chat"):
                    pass
    chat, step, other_chat, other_step = heard.spans
    assert (step.parent, chat.parent, other_chat.parent) == (tracing.attempt_of(TASK, 3), step.place, other_step.place)
    assert (step.fields, step.fault) == ({"resumed": False, "child": 7}, "")
    assert len({span.place for span in heard.spans}) == 4
    assert step.began <= chat.began <= chat.ended <= step.ended


def test_the_same_attempt_told_by_another_process_has_the_same_ids(heard: Heard):
    for _ in range(2):
        with tracing.inside(tracing.during_attempt(TASK, 3)), tracing.span("step"):
            pass
    one, other = heard.spans
    assert one.place == other.place == tracing.attempt_of(TASK, 3).child("step")


def test_what_goes_wrong_is_told_by_its_code_and_not_in_its_words(heard: Heard):
    def fail(error: Exception) -> None:
        with pytest.raises(type(error)), tracing.span("step"):
            raise error

    with tracing.inside(tracing.during_attempt(TASK, 3)):
        fail(StepFault("The secret plan.", code="step_crashed"))
        fail(ValueError("The secret plan."))
    assert [span.fault for span in heard.spans] == ["step_crashed", "ValueError"]
    assert "secret" not in repr(heard.spans)


def test_nothing_is_told_of_a_trace_that_nobody_wants(heard: Heard):
    heard.refused.add(tracing.trace_of(TASK))
    with tracing.inside(tracing.during_attempt(TASK, 3)), tracing.span("step"):
        tracing.note(child=7)
    tracing.submitted([TASK], 1.0)
    with tracing.request(f"00-{TRACE}-{PARENT}-00"):
        assert tracing.tracing_now() == ""
    assert heard.spans == []


def test_where_nobody_listens_nothing_is_kept():
    assert tracing.during_attempt(TASK, 3) is None
    with tracing.request(""), tracing.span("step"):
        assert tracing.tracing_now() == ""
    tracing.submitted([TASK], 1.0)


@dataclass
class Failing(Heard):
    """Fails whatever it is told, or asked."""

    asked: bool = False

    def wants(self, trace: int, parent: Place | None = None, *, sampled: bool = False) -> bool:
        if self.asked:
            raise ValueError("OTEL_BSP_MAX_QUEUE_SIZE")
        return super().wants(trace, parent, sampled=sampled)

    def tell(self, span: Span) -> None:
        raise ValueError(span.name)


@pytest.mark.parametrize("asked", [True, False])
def test_who_fails_to_listen_hears_no_more_and_nothing_else_fails(asked: bool):  # noqa: FBT001  a parameter
    tracing.listen(Failing(asked=asked))
    with capture_logs() as logs:
        for _ in range(2):
            with tracing.request(""), tracing.inside(tracing.during_attempt(TASK, 3)), tracing.span("step"):
                pass
            tracing.submitted([TASK], 1.0)
    assert not tracing.listening()
    assert [line["event"] for line in logs] == ["traces cannot be told any more; this process goes on without them"]


def test_a_task_whose_trace_cannot_be_told_does_not_end_the_telling(heard: Heard, monkeypatch: pytest.MonkeyPatch):
    ledger, told = SqlLedger(opened("sqlite://"), Rules()), tracing.tell

    def shaky(span: Span) -> None:
        if span.place.trace == tracing.trace_of(TASK):
            raise RuntimeError
        told(span)

    def spans_of(_: Connection, task: TaskId) -> list[Span]:
        return [Span("task", tracing.root_of(task), 1.0, 2.0)]

    def follow(_: SqlLedger, one: Callable[[Sequence[TaskId]], None] | None) -> None:
        if one is not None:
            one([TASK, TaskId("another")])

    monkeypatch.setattr(tracing, "tell", shaky)
    monkeypatch.setattr("paperlane.telemetry.spans_of", spans_of)
    monkeypatch.setattr(SqlLedger, "follow_ends", follow)
    with following(ledger):
        pass
    ledger.close()
    assert [span.place for span in heard.spans] == [tracing.root_of(TaskId("another"))]


def test_a_request_is_a_part_of_the_trace_that_its_caller_names(heard: Heard):
    with tracing.request(f"00-{TRACE}-{PARENT}-01"):
        assert tracing.tracing_now() == TRACE
    (request,) = heard.spans
    assert request.parent == Place(int(TRACE, 16), int(PARENT, 16))


@pytest.mark.parametrize(
    "header",
    [
        "", "nonsense", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more",
        f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE[1:]}-{PARENT}-01", f"00-{TRACE[1:]}é-{PARENT}-01",
    ],
)  # fmt: skip
def test_a_request_that_names_none_begins_one(heard: Heard, header: str):
    with tracing.request(header):
        assert tracing.tracing_now() not in {TRACE, ""}
    assert heard.spans[0].parent is None


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known(heard: Heard):
    with tracing.request(f"01-{TRACE}-{PARENT}-01-more"):
        assert tracing.tracing_now() == TRACE


def test_an_upload_and_its_tasks_are_linked_both_ways(heard: Heard):
    many = [TaskId(f"task{number}") for number in range(150)]
    with tracing.request(""):
        tracing.submitted(many, 1.0)
    *submits, request = heard.spans
    assert [span.parent for span in submits] == [tracing.root_of(task) for task in many]
    assert {span.links for span in submits} == {(request.place,)}
    assert request.links == [tracing.root_of(task) for task in many[:100]]  # a span holds so many


def test_a_trace_is_wanted_by_all_processes_or_by_none(monkeypatch: pytest.MonkeyPatch):
    otlp = pytest.importorskip("paperlane.otlp")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    traces = [tracing.trace_of(TaskId(f"task{number}")) for number in range(400)]
    one, other = ([made.wants(trace) for trace in traces] for made in (otlp.Otlp(), otlp.Otlp()))
    assert one == other
    assert 60 < sum(one) < 140
    above = Place(1 << 127 | 1, 1)
    assert [otlp.Otlp().wants(above.trace, above, sampled=sampled) for sampled in (True, False)] == [True, False]
