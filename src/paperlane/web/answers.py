"""What the interface answers, as `/openapi.json` describes it: the forms that `shapes` fills."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from paperlane.desk import ENGINES, STATES
from paperlane.model.documents import Block, Change, Notice, Section, Severity, Status
from paperlane.model.tasks import EngineState, Fault, StepTime, Unreadable
from paperlane.records.accounts import Role

Given = TypeVar("Given")


def _one_of(*words: str) -> Any:
    """A word of these: described, not asked again of what our own code chose."""
    return WithJsonSchema({"type": "string", "enum": list(words)})


Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Percent = Annotated[float, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100})]
TaskStatus = Annotated[str, _one_of(*STATES)]
SeverityName = Annotated[str, _one_of(*Severity)]
EngineName = Annotated[str, _one_of(*ENGINES)]


class Problem(TypedDict):
    """Why a request was refused (RFC 9457); `code` is stable, `detail` and `hint` are for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    rejected: NotRequired[Sequence["Rejected"]]


class Page(TypedDict, Generic[Given]):
    """A page of a list; `next` is the `cursor` of the next one, null at the end."""

    items: Sequence[Given]
    next: str | None


class Document(TypedDict):
    """The file that a task tests."""

    name: str
    media_type: str
    bytes: int
    sha256: str


class Brief(TypedDict):
    """How a document is tested; of the words of its owner's group how many there are."""

    profiles: Sequence[str]
    also: Sequence[str]
    without: Sequence[str]
    terms: int
    ignored: int
    models: Sequence[str]


class Reach(TypedDict):
    """Passages of the document by whether one judge, the rules or a model, tested them."""

    tested: int
    failed: int
    skipped: int


class Coverage(Reach):
    """Passages of the document by whether all of its judges tested them; `by` tells it of each if there are several."""

    by: Mapping[str, Reach]


class Counts(TypedDict):
    """Issues by severity."""

    error: int
    warning: int
    info: int


class Changes(TypedDict):
    """How the issues stand to those of the version before, which the task `compared_with` tested."""

    compared_with: str
    new: int
    fixed: int
    unchanged: int


class Task(TypedDict):
    """One document to test. One that waits for a retry is queued, with an attempt and a `run_at`.

    `issues` counts all that were found, `dismissed` those of them that somebody dismissed.
    """

    id: str
    batch: str
    owner: int
    document: Document
    brief: Brief
    status: TaskStatus
    priority: int
    engine: EngineName | None
    step: str | None
    percent: Percent
    message: str
    seq: int
    attempt: int
    max_attempts: int
    created_at: Moment | None
    started_at: Moment | None
    finished_at: Moment | None
    run_at: Moment | None
    error: Fault | None
    warnings: Sequence[Notice]
    coverage: Coverage
    issues: Counts
    dismissed: Counts
    changes: Changes | None


class Batch(TypedDict):
    """Documents that were uploaded together; `counts` holds the statuses that tasks of it have."""

    id: str
    owner: int
    name: str
    created_at: Moment | None
    counts: Mapping[str, int]
    percent: Percent


class Spending(TypedDict):
    """What all runs of a user's tasks came to since they are counted, deleted ones too, and what waits and runs now.

    `sockets` are those that are open at the service that answers. `sessions` of the database are none: nothing that
    runs or is followed holds one between two statements.
    """

    user: int
    name: str
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    cpu_seconds: float
    tokens: int
    money: float
    currency: str
    sockets: int
    sessions: int


class Used(TypedDict):
    """What a user's documents used up at one model."""

    user: int
    name: str
    model: str
    requests: int
    tokens_in: int
    tokens_out: int
    money: float
    currency: str


class Quota(TypedDict):
    """What is used of a quota, and the most that may be; null: there is no limit."""

    used: int
    limit: int | None


class Money(TypedDict):
    """The same of money, in the models' currency."""

    used: float
    limit: float | None


class Quotas(TypedDict):
    """What a user uses and may use. Requests and sockets are those of the web process that answers."""

    user: int
    name: str
    running: Quota
    waiting: Quota
    storage_bytes: Quota
    requests_a_minute: Quota
    model_tokens: Quota
    model_money: Money
    sockets: Quota


class Rejected(TypedDict):
    """A file of an upload that is not tested."""

    name: str
    code: str
    message: str
    hint: str


class Submitted(Batch):
    """A batch as it was taken in."""

    tasks: Sequence[Task]
    rejected: Sequence[Rejected]


class Attempt(TypedDict):
    """One try at a task."""

    number: int
    engine: str
    worker: str
    started_at: Moment | None
    ended_at: Moment | None
    outcome: str | None
    error: Fault | None
    steps: Sequence[StepTime]


class DeadLetter(TypedDict):
    """A task that failed for good. `document` is its name, null for everybody but its owner; `attempts` began."""

    id: str
    batch: str
    owner: int
    document: str | None
    error: Fault | None
    attempts: int
    created_at: Moment | None
    failed_at: Moment | None


class Cause(TypedDict):
    """How many dead letters have this code."""

    code: str
    count: int


class LeftOver(TypedDict):
    """Dead letters that stay what they are, and why; `tasks` names the first hundred of them."""

    code: str
    message: str
    hint: str
    count: int
    tasks: Sequence[str]


class Handled(TypedDict):
    """What is left of dead letters, and where to go on."""

    left: Sequence[LeftOver]
    next: str | None


class Replayed(Handled):
    """How many start again, and which do not; ask again with `next` as the `cursor` for those that are to come."""

    replayed: int


class Discarded(Handled):
    """How many are dead letters no more; ask again with `next` as the `cursor` for those that are to come."""

    discarded: int


class Location(TypedDict):
    """A place in the document: `text[start:end]`, in code points; lines and columns count from 1."""

    section: Sequence[str]
    page: int | None
    line: int
    column: int
    start: int
    end: int
    cell: str | None


class Issue(TypedDict):
    """What a check found, and what people made of it."""

    id: str
    task: str
    rule: str
    category: str
    severity: SeverityName
    confidence: Annotated[float, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
    message: str
    quote: str
    suggestion: str
    location: Location
    source: Annotated[str, _one_of("rule", "model")]
    status: Annotated[str, _one_of(*Status)]
    reason: str
    comment: str
    fingerprint: str
    change: Annotated[str | None, WithJsonSchema({"enum": [*Change, None]})]


class Frame(TypedDict):
    """What a WebSocket tells: a task's state after its event number `seq`."""

    seq: int
    task: str
    status: TaskStatus
    step: str | None
    percent: Percent
    message: str
    at: Moment | None


class Text(TypedDict):
    """A document's text and structure; offsets count code points of `text`."""

    name: str
    media_type: str
    language: str
    pages: int
    encoding: str
    text: str
    blocks: Sequence[Block]
    sections: Sequence[Section]


class User(TypedDict):
    """An account, with what its lane may where that is told, and its own quotas: null as the settings say, 0 none."""

    id: int
    name: str
    role: Annotated[str, _one_of(*Role)]
    group: str
    created_at: Moment | None
    limit: NotRequired[int]
    weight: NotRequired[float]
    engine: NotRequired[EngineName]
    paused: NotRequired[bool]
    storage_mb: NotRequired[int | None]
    requests_a_minute: NotRequired[int | None]
    model_tokens: NotRequired[int | None]
    stored_bytes: NotRequired[int]


class GroupWords(TypedDict):
    """What a group's terms mean, and words that no check complains of."""

    group: str
    terms: Mapping[str, str]
    ignored: Sequence[str]


class Token(TypedDict):
    """A fresh token, told this once."""

    token: str


class Added(User, Token):
    """A new account with its token."""


class Revoked(TypedDict):
    """How many tokens are of no more use."""

    revoked: int


class Schedule(TypedDict):
    """Documents that are tested again and again; `refusal` tells why a due one could not start since `refused_at`."""

    name: str
    cron: str
    timezone: str
    priority: int
    documents: int
    paused: bool
    created_at: Moment | None
    next_at: Moment | None
    last_at: Moment | None
    last_batch: str | None
    refusal: Fault | None
    refused_at: Moment | None


class Lane(TypedDict):
    """What one user has waiting and running; `oldest_wait` is how many seconds ago what is next was first to start."""

    user: int
    name: str
    engine: EngineName
    queued: int
    running: int
    limit: int
    weight: float
    oldest_wait: float
    paused: bool


class Queue(TypedDict):
    """What waits and runs; waits in seconds. `limit` is the whole system's, `default_limit` that of its settings.

    `users` are those of the `busy_users` who have most that could start now, then most waiting; all figures beside them
    are of all who may be seen.
    """

    queued: int
    running: int
    oldest_wait: float
    limit: int
    default_limit: int
    busy_users: int
    users: Sequence[Lane]
    engines: Sequence[EngineState]
    unreadable: Sequence[Unreadable]


class GuardFinding(TypedDict):
    """One measure of a guard: `a` of the control, `b` of the new engine. Shares, or seconds.

    `apart` is a difference for failures, else a factor; `low` is the least that it surely is, null for nothing yet, and
    `margin` what is borne with. It is `worse` where `low` is above `margin`. `day` is the day since the rule was set
    that alone shows it, 0 for the whole time, and `hour` the hour, of all since then, 0 for a whole day.
    """

    measure: Literal["failures", "completion", "wait"]
    a: float
    b: float
    apart: float
    low: float | None
    margin: float
    worse: bool
    day: int
    hour: int
    a_users: int
    b_users: int
    a_tasks: int
    b_tasks: int


class Guard(TypedDict):
    """What compares a roll-out with what it replaces, what it does where that is worse, and what it has found."""

    mode: Literal["act", "stop", "tell", "off"]
    state: Literal[
        "off", "waits", "no_control", "nobody", "too_little", "watches", "worse", "held", "taken_back", "acknowledged"
    ]
    words: str
    control: str | None
    looked_at: Moment | None
    changed_at: Moment | None
    findings: Sequence[GuardFinding]


class Rule(TypedDict):
    """An engine carries so many percent of all users, or of a group; `set_by` null: at the machine itself.

    `hidden`: it carries nobody, for newer rules take the same users.
    """

    id: int
    engine: EngineName
    percent: Percent
    group: str | None
    set_at: Moment | None
    set_by: str | None
    hidden: bool
    guard: Guard


class Carried(TypedDict):
    """How many users an engine carries, for how many of these it was chosen alone, and its live workers."""

    engine: EngineName
    users: int
    of_their_own: int
    workers: int


class RolledOut(TypedDict):
    """The rules in force, the newest first, what each engine carries, and which flags are on.

    `usual` carries whom no rule takes in; `unserved` are engines that carry somebody and have no worker. `settled`: all
    users are where rules and flags say.
    """

    usual: EngineName
    flags: Mapping[str, bool]
    rules: Sequence[Rule]
    engines: Sequence[Carried]
    unserved: Sequence[EngineName]
    settled: bool


class Moved(RolledOut):
    """The same after a change; `moved` users were given to another engine until it was answered."""

    moved: int


class Worker(TypedDict):
    """A worker of an engine: `slots` are granted to it, `asked` is its most and `least` its least, `wants` is now.

    `cpu` and `memory` are shares of its machine, null where it cannot tell; `seen` is how many seconds ago it was.
    """

    id: str
    engine: str
    host: str
    pid: int
    slots: int
    asked: int
    least: int
    wants: int
    running: int
    cpu: float | None
    memory: float | None
    started_at: Moment | None
    seen_at: Moment | None
    seen: float
    live: bool
    stages: Sequence[str]
    shard: int
    shards: int


class AuditEntry(TypedDict):
    """Who changed what; `name` is theirs, "" for the command line of the machine itself, whose `user` is 0."""

    id: str
    at: Moment | None
    user: int
    name: str
    what: str
    details: Mapping[str, Any]


class FailureGroup(TypedDict):
    """Failures that are alike; `message` has … for numbers, names and places, `tasks` are five of them at most."""

    fingerprint: str
    code: str
    step: str
    message: str
    hint: str
    count: int
    users: int
    first_at: Moment | None
    last_at: Moment | None
    engines: Sequence[str]
    tasks: Sequence[str]


class Failures(TypedDict):
    """Groups of failures, the most frequent first; `whole` where no older task was left out of the look."""

    items: Sequence[FailureGroup]
    next: str | None
    looked: int
    whole: bool


class Incident(TypedDict):
    """What an alert found: of a subject, "" for the whole; `value` and `limit` as they were when it opened."""

    id: str
    alert: str
    subject: str
    severity: Annotated[str, _one_of("warning", "critical")]
    message: str
    hint: str
    value: float
    limit: float
    opened_at: Moment | None
    closed_at: Moment | None
    acknowledged_by: str | None
    acknowledged_at: Moment | None
    silenced_until: Moment | None


class Kind(TypedDict):
    """An alert that there is, and what its incidents are each of: `subject`, "" where there is one, of the whole.

    `limit_said` is its limit for people, `setting` what changes it, null: nothing does.
    """

    name: str
    title: str
    what: str
    severity: Annotated[str, _one_of("warning", "critical")]
    subject: Annotated[str, _one_of("", "engine", "engine on host", "host", "resource", "user")]
    limit: float
    limit_said: str
    setting: str | None


class Silence(TypedDict):
    """The webhook is told nothing of this alert: of a subject, "" for all."""

    id: str
    alert: str
    subject: str
    created_at: Moment | None
    until: Moment | None


class Samples(TypedDict):
    """Figures for plots: `at` in seconds since 1970, and of each name as many numbers; null: not known then."""

    step: int
    at: Sequence[int]
    series: Mapping[str, Sequence[float | None]]


class Health(TypedDict):
    """The process answers."""

    status: str


class Readiness(TypedDict):
    """Can it serve? `database` is "ok" or what is wrong with it, `workers` counts those that live."""

    status: Annotated[str, _one_of("ok", "unready")]
    database: str
    workers: int


class Interval(TypedDict):
    """Where a figure lies, by a trust of 95 %; null where it has no end on that side."""

    low: float | None
    high: float | None


class Figure(TypedDict):
    """A figure of both engines, and B's beside A's; `beyond`: the sides where it exceeds all that was seen."""

    a: float | None
    b: float | None
    a_interval: Interval | None
    b_interval: Interval | None
    beyond: Sequence[str]
    ratio: float | None
    ratio_interval: Interval | None
    difference: float | None
    difference_interval: Interval | None


class Measure(TypedDict):
    """What was found of one question; `figures[decides]` answers it."""

    name: str
    unit: str
    verdict: str
    words: str
    decides: str
    figures: Mapping[str, Figure]
    superiority: float | None
    superiority_interval: Interval | None
    cliffs_delta: float | None
    p: float | None
    p_holm: float | None
    smallest: float | None


class EngineSide(TypedDict):
    """What an engine was given in the period, and what of that is compared."""

    engine: str
    users: int
    tasks: int
    completed: int
    failed: int
    cancelled: int
    queued: int
    running: int
    oldest_seconds: float
    retried: int
    compared_users: int
    compared_tasks: int
    left_out: int
    effective_users: float


class Stratum(TypedDict):
    """Tasks of a kind, estimated at `low` to `high` slot-seconds, and the medians of their completion."""

    kind: str
    low: float
    high: float
    a: int
    b: int
    weight: float
    a_median: float | None
    b_median: float | None


class Caution(TypedDict):
    """Why the figures may say less than they seem to."""

    code: str
    words: str


class Sampled(TypedDict):
    """Of so many users so many were asked for their tasks; `whole` if no task of the period is missing."""

    users: int
    asked: int
    cut: int
    whole: bool


class Comparison(TypedDict):
    """Engine B beside engine A."""

    a: EngineSide
    b: EngineSide
    since: str | None
    until: str | None
    group: str | None
    verdict: str
    words: str
    measures: Sequence[Measure]
    strata: Sequence[Stratum]
    left_out: Sequence[Stratum]
    users_on_both: int
    cautions: Sequence[Caution]
    sampled: Sampled
    resamples: int
    seed: int
