"""The desk: whatever a person can ask for, and the one place that decides whether they may.

Something that belongs to somebody else is answered exactly as something that does not exist. Admins run everybody's
tasks; documents, issues and reports are their owner's alone.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import inf, isfinite
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from paperlane.blobs import Blobs
from paperlane.clock import Clock
from paperlane.errors import BadRequest, Conflict, NotAllowed, NotFound
from paperlane.ledger import Also, Ledger
from paperlane.ledger.sense import clean
from paperlane.model.documents import UPLOAD_VERSION, Report, Status, Upload
from paperlane.model.schedules import NewSchedule, Schedule, ScheduleId
from paperlane.model.tasks import (
    Batch,
    BatchId,
    DeadLetter,
    Fault,
    Handled,
    LeftOver,
    Letters,
    NewBatch,
    NewTask,
    PastAttempt,
    Queue,
    State,
    Task,
    TaskId,
    UserId,
)
from paperlane.records import accounts, audit, documents, issues
from paperlane.records.accounts import Account, Role
from paperlane.records.files import named_uploads, remove_unnamed
from paperlane.records.issues import Reviewed
from paperlane.reports import REPORTS
from paperlane.rollout import RollOut, check_percent
from paperlane.rollout.rules import Rule
from paperlane.settings import Settings

_UPLOAD = TypeAdapter(Upload)
_REPORT = TypeAdapter(Report)
ENGINES = ("database", "inline")
AUTO = "auto"
"""What stands for an engine where roll-outs are to say which."""

_FIRST_ADMIN = "admin"
_LINK_SECONDS = 3_600.0
# Rough: `paperlane check` on one core took up to 1.5 s a MB for PDFs and up to 3 for Markdown, on a faster machine a
# third of that, and next to nothing for 20 MB of photos in a DOCX, hence the bound. The ledger learns from turns.
_SLOT_SECONDS_PER_MB = {"application/pdf": 1.5}
_SLOT_SECONDS = 0.2
_MOST_SLOT_SECONDS = 60.0
_SCHEDULE = re.compile(r"\w[\w.@+-]{0,99}")  # stands in a path, where "." and ".." mean something else
_NAMED = 100  # of the dead letters that are left over
_UNSAID = (None, "", 0.0, inf)  # what does not narrow which letters are meant
_TIME = "Write it as 2027-01-31T08:00:00Z."
_TEN_DIGITS = 1e9  # seconds since 1970: in 2001
STATES: Mapping[str, Sequence[State]] = {
    "queued": (State.READY, State.WAITING, State.LEASED),
    **{state.value: (state,) for state in (State.RUNNING, State.COMPLETED, State.FAILED, State.CANCELLED)},
}
"""The states of the ledger behind each status that people see."""


def upload_of(task: Task) -> Upload:
    """The file that a task tests."""
    return _UPLOAD.validate_json(task.payload)


def name_of(task: Task) -> str:
    """The name of the file that a task tests; "" for a task of another application's pipeline."""
    try:
        return upload_of(task).name
    except ValidationError:
        return ""


def estimated_cost(upload: Upload) -> float:
    """Slot-seconds that testing an upload will take, about: a fixed part and one by its size, a minute at most."""
    growing = _SLOT_SECONDS_PER_MB.get(upload.media_type, 3.0) * upload.bytes / 2**20
    return min(_SLOT_SECONDS + growing, _MOST_SLOT_SECONDS)


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to be tested. `run_at` is seconds since 1970, 0 for now; `key` their Idempotency-Key."""

    uploads: Sequence[Upload]
    name: str = ""
    priority: int = 5
    run_at: float = 0.0
    key: str = ""

    @property
    def content(self) -> str:
        """A hash of what is wanted: the same key must always mean the same."""
        files = [(upload.name, upload.sha256) for upload in self.uploads]
        return hashlib.sha256(json.dumps([files, self.name, self.priority, self.run_at]).encode()).hexdigest()

    def checked(self) -> Self:
        """Itself, when it makes sense; BadRequest otherwise."""
        _check_priority(self.priority)
        if len(self.key) > 200:  # noqa: PLR2004  the column's length
            raise BadRequest("The Idempotency-Key is too long.", hint="Use at most 200 characters.")
        return self


@dataclass(frozen=True, slots=True)
class Plan:
    """When the documents of a batch shall be tested again; `cron` means the clock of `timezone`."""

    name: str
    cron: str
    batch: BatchId
    timezone: str = "UTC"
    priority: int = 5


@dataclass(frozen=True, slots=True)
class Desk:
    """Every method is synchronous, and takes the account that asks."""

    ledger: Ledger
    blobs: Blobs
    settings: Settings
    clock: Clock
    new_id: Callable[[], str]
    check_folder: Callable[[], None]
    """Raises Unmounted where a file that came now would lie apart from the others."""
    rollout: RollOut

    # documents and their tasks

    def room(self, account: Account) -> None:
        """May this account upload now? TooMany past a backlog limit, NotAllowed for viewers, Unmounted: no folder."""
        _may_change(account)
        self.ledger.room(account.id)
        self.check_folder()

    def known(self, account: Account, key: str) -> Batch | None:
        """The batch that came under this Idempotency-Key before."""
        return self.ledger.known(account.id, key) if key else None

    def submit(self, account: Account, order: Order) -> tuple[Batch, bool]:
        """All on disk, or nothing; False beside a batch that was there under this key."""
        _may_change(account)
        order.checked()
        uploads = {TaskId(self.new_id()): upload for upload in order.uploads}
        tasks = [
            NewTask(task, _UPLOAD.dump_json(upload), estimated_cost(upload), version=UPLOAD_VERSION)
            for task, upload in uploads.items()
        ]
        batch = NewBatch(
            BatchId(self.new_id()),
            account.id,
            tasks,
            order.name,
            order.priority,
            order.run_at,
            order.key,
            order.content,
        )
        now = self.clock.now()
        return self.ledger.submit(batch, lambda connection: documents.add(connection, account.id, uploads, now))

    def batch(self, account: Account, batch: BatchId) -> Batch:
        """A batch of this account's, or NotFound."""
        found = self.ledger.batch(batch)
        if not account.operates and found.user != account.id:
            raise NotFound("There is no such batch.")
        return found

    def tasks(self, account: Account, *, batch: BatchId | None, status: str, cursor: str, limit: int) -> Sequence[Task]:
        """A page of one's own tasks, newest first; or of a batch, in its order."""
        if status and status not in STATES:
            raise BadRequest(f"There is no status {status!r}.", hint=f"Choose one of {', '.join(STATES)}.")
        if batch is not None:
            self.batch(account, batch)
        user = account.id if batch is None else None
        return self.ledger.tasks(user=user, batch=batch, states=STATES.get(status, ()), cursor=cursor, limit=limit)

    def task(self, account: Account, task: TaskId) -> Task:
        """A task of this account's, or NotFound."""
        found = self.ledger.task(task)
        if not account.operates and found.user != account.id:
            raise NotFound("There is no such task.")
        return found

    def attempts(self, account: Account, task: TaskId) -> Sequence[PastAttempt]:
        """A task's history."""
        return self.ledger.attempts(self.task(account, task).id)

    def cancel(self, by: Account | None, task: TaskId) -> Task:
        """Stop a task: one's own, or anybody's for admins and at the machine itself."""
        return self.ledger.cancel(task, self._acting(by, task, "task cancelled"))

    def retry(self, by: Account | None, task: TaskId) -> Task:
        """Start a failed or cancelled task again, likewise."""
        return self.ledger.retry(task, self._acting(by, task, "task replayed"))

    def _acting(self, by: Account | None, task: TaskId, what: str) -> Also | None:
        """What is written down of somebody's act on a task, if anything. NotFound or NotAllowed where they may not."""
        if by is not None:
            self.task(by, task)
            _may_change(by)
        return self._noting(by, what, {"task": task})

    def _noting(self, by: Account | None, what: str, details: Mapping[str, object]) -> Also | None:
        """Writes down in a transaction what somebody did there, if it is of interest."""
        if not _operates(by):
            return None
        now = self.clock.now()
        return lambda connection: self._note(connection, by, now, what, details)

    # what failed for good

    def dead(self, account: Account | None, which: Letters, cursor: str, limit: int) -> Sequence[DeadLetter]:
        """A page of dead letters, the latest first: one's own, or everybody's for admins and at the machine."""
        return self.ledger.dead(_seen_by(account, which), cursor, limit)

    def causes(self, account: Account | None, which: Letters) -> Mapping[str, int]:
        """How many dead letters there are of each code."""
        return self.ledger.causes(_seen_by(account, which))

    def replay(self, by: Account | None, which: Letters, cursor: str = "") -> Iterator[Handled]:
        """Start dead letters again, page by page: one's own, or anybody's for admins and at the machine itself."""
        return self._handle(self.ledger.replay, "dead letters replayed", by, which, cursor)

    def discard(self, by: Account | None, which: Letters, cursor: str = "") -> Iterator[Handled]:
        """The same, but they are dead letters no more."""
        return self._handle(self.ledger.discard, "dead letters discarded", by, which, cursor)

    def _handle(
        self, act: Callable[..., Handled], what: str, by: Account | None, which: Letters, cursor: str
    ) -> Iterator[Handled]:
        meant = _handled_by(by, which)
        told = {name: value for name, value in asdict(which).items() if value not in _UNSAID}
        now = self.clock.now()

        def note(connection: Connection, handled: Handled) -> None:
            if _operates(by):
                self._note(connection, by, now, what, {"count": handled.done, **told})

        while True:
            handled = act(meant, cursor, note)
            yield handled
            if not (cursor := handled.cursor):
                return

    def queue(self, account: Account, most: int = 100) -> Queue:
        """What runs and waits: one's own, or everything for admins; of so many lanes at most."""
        return self.ledger.queue(None if account.operates else account.id, most)

    # schedules

    def add_schedule(self, account: Account, plan: Plan) -> Schedule:
        """Test the documents of one's own batch again and again: the same files, each time as a new batch.

        The files stay as long as the schedule does.
        """
        _may_change(account)
        _check_priority(plan.priority)
        if _SCHEDULE.fullmatch(plan.name) is None:
            raise BadRequest(
                f"{plan.name[:100]!r} is no name of a schedule.",
                hint="Begin with a letter or digit; then also . _ @ + - may come, at most 100 characters in all.",
            )
        batch = self.ledger.batch(plan.batch)
        if batch.user != account.id:
            raise NotFound("There is no such batch.")
        tasks = self.ledger.tasks(batch=batch.id, limit=sum(batch.counts.values()))
        new = NewSchedule(
            ScheduleId(self.new_id()),
            account.id,
            plan.name,
            plan.cron,
            plan.timezone,
            [NewTask(task.id, task.payload, estimated_cost(upload_of(task)), version=task.version) for task in tasks],
            plan.priority,
        )
        return self.ledger.add_schedule(
            new, lambda connection: documents.hold(connection, new.id, [task.id for task in tasks])
        )

    def schedules(self, account: Account, owner: UserId, *, after: str, limit: int) -> Sequence[Schedule]:
        """A page of one's own, by name, or of anybody's for admins; another one's are as if there were none."""
        if owner != account.id and not account.operates:
            return ()
        return self.ledger.schedules(owner, after, limit)

    def change_schedule(
        self,
        by: Account | None,
        owner: UserId,
        name: str,
        *,
        cron: str | None = None,
        timezone: str | None = None,
        priority: int | None = None,
        paused: bool | None = None,
    ) -> Schedule:
        """Change one's own schedule, or anybody's for admins and at the machine itself; what is None stays as it is."""
        found = self._schedule(by, owner, name)
        if priority is not None:
            _check_priority(priority)
        given = {"cron": cron, "timezone": timezone, "priority": priority, "paused": paused}
        asked = {word: value for word, value in given.items() if value is not None}
        also = self._noting(by, "schedule changed", {"owner": owner, "name": name, **asked})
        return self.ledger.change_schedule(
            found.id, cron=cron, timezone=timezone, priority=priority, paused=paused, also=also
        )

    def remove_schedule(self, by: Account | None, owner: UserId, name: str) -> None:
        """Test no more, likewise; what was tested stays, and so do files that a document is in."""
        found = self._schedule(by, owner, name)
        noting = self._noting(by, "schedule removed", {"owner": owner, "name": name})
        files: list[str] = []

        def also(connection: Connection) -> None:
            files.extend(documents.release(connection, found.id))  # of every try: nobody knows which was committed
            if noting is not None:
                noting(connection)

        self.ledger.remove_schedule(found.id, also)
        remove_unnamed(self.blobs, files, partial(named_uploads, self.ledger))

    def _schedule(self, by: Account | None, owner: UserId, name: str) -> Schedule:
        """A schedule that somebody wants to change. NotFound or NotAllowed where they may not."""
        if by is not None and by.id != owner and not by.operates:
            raise NotFound("There is no such schedule.")
        found = self.ledger.schedule(owner, name)
        if by is not None:
            _may_change(by)
        return found

    # what was found

    def issues(
        self, account: Account, task: TaskId, *, severity: str, status: str, after: int, limit: int
    ) -> Sequence[Reviewed]:
        """A page of a task's issues, in reading order."""
        self._own(account, task)
        return self.ledger.read(lambda c: issues.of_task(c, task, severity, status, after, limit))

    def issue(self, account: Account, issue: str) -> Reviewed:
        """An issue of this account's documents, or NotFound."""
        found = self.ledger.read(lambda connection: issues.one(connection, issue))
        if self.ledger.task(found.task).user != account.id:
            raise NotFound("There is no such issue.")
        return found

    def review(
        self, account: Account, issue: str, status: Status | None, reason: str | None, comment: str | None
    ) -> Reviewed:
        """Accept or dismiss an issue, or comment on it."""
        self.issue(account, issue)
        _may_change(account)
        now = self.clock.now()
        self.ledger.write(lambda c: issues.review(c, issue, account.id, now, status, reason, comment))
        return self.issue(account, issue)

    def report(self, account: Account, task: TaskId, form: str, language: str) -> tuple[bytes, str, str]:
        """The report as a file: its content, media type and name. Conflict while there is none.

        Issues that were dismissed are left out of what people read, and counted.
        """
        found = self._own(account, task)
        if form not in REPORTS:
            raise BadRequest(f"There is no report format {form!r}.", hint=f"Choose one of {', '.join(REPORTS)}.")
        report = _REPORT.validate_json(self._result(found, "report"))
        statuses = self.ledger.read(lambda connection: issues.statuses(connection, task))
        if len(statuses) == len(report.issues):  # else the task starts again, and its issues are not yet written anew
            report = replace(report, statuses=statuses)
        content = REPORTS[form].render([report], (), language)
        stem = upload_of(found).name.rpartition(".")[0] or "report"
        return content, REPORTS[form].media_type, stem + REPORTS[form].suffix

    def document(self, account: Account, task: TaskId) -> Mapping[str, Any]:
        """The document's text and structure. Conflict while it was not read yet."""
        saved: dict[str, Any] = json.loads(self._result(self._own(account, task), "document_processing"))
        parsed = saved["parsed"]
        return {
            "name": parsed["name"],
            "media_type": parsed["media_type"],
            "language": saved["language"],
            "pages": parsed["pages"],
            "encoding": parsed["encoding"],
            "text": parsed["text"],
            "blocks": parsed["blocks"],
            "sections": saved["sections"],
        }

    def _own(self, account: Account, task: TaskId) -> Task:
        """A task whose document this account uploaded, or NotFound: nobody reads another one's documents."""
        found = self.ledger.task(task)
        if found.user != account.id:
            raise NotFound("There is no such task.")
        return found

    def _result(self, task: Task, step: str) -> bytes:
        saved = self.ledger.checkpoint(task.id, step)
        if saved is None:
            if task.state is State.COMPLETED:
                raise Conflict(
                    "What the task gave cannot be read any more.",
                    code="result_lost",
                    hint="Upload the document again.",
                )
            ended = task.state.ended
            raise Conflict(
                f"There is none: the task is {task.status}." if ended else f"There is none yet: it is {task.status}.",
                code="not_ready",
                hint="Its error says why; start it again." if ended else "Ask again once it has completed.",
            )
        return saved

    # accounts

    def first_sign_in(self) -> str | None:
        """The path of a link that signs an admin in once; None as soon as one holds a token or has signed in.

        Several services may start, each with its link: all are good until one is used.
        """
        now = self.clock.now()
        if self.ledger.read(lambda connection: accounts.can_sign_in(connection, Role.ADMIN)):
            return None
        account = self._first_admin()
        link = self.ledger.write(lambda c: accounts.new_link(c, account.id, now, _LINK_SECONDS))
        return f"/sign-in?once={link}"

    def _first_admin(self, number: int = 1) -> Account:
        """The oldest admin; one is made where there is none, by the first name that nobody has."""
        for account in self.users():
            if account.role is Role.ADMIN:
                return account
        name = _FIRST_ADMIN if number == 1 else f"{_FIRST_ADMIN}-{number}"
        try:
            return self.add_user(None, name, Role.ADMIN, "", None, None)
        except Conflict:  # a user is called so; or another service starts too, and was first
            return self._first_admin(number + 1)

    def add_user(
        self, by: Account | None, name: str, role: Role, group: str, limit: int | None, weight: float | None
    ) -> Account:
        """A new account with its lane; limits by role where none is given."""
        made: list[Account] = []
        now = self.clock.now()

        def write(connection: Connection) -> UserId:
            made.append(accounts.add(connection, name, role, group, now))
            self._note(connection, by, now, "user added", {"name": name, "role": role})
            return made[-1].id

        self.ledger.lane(
            write,
            max_running=self._usual_limit(role) if limit is None else limit,
            weight=weight,
            engine=lambda connection, user: self.rollout.engine_for(connection, user, made[-1].group, ""),
        )
        return made[-1]

    def _usual_limit(self, role: Role) -> int:
        return self.settings.admin_limit if role is Role.ADMIN else self.settings.user_limit

    def users(self) -> Sequence[Account]:
        """All accounts."""
        return self.ledger.read(accounts.everyone)

    def names(self, users: Sequence[UserId]) -> Mapping[int, str]:
        """What these accounts are called; those that there are not are left out."""
        return self.ledger.read(lambda connection: accounts.names(connection, users))

    def user(self, name: str) -> Account:
        """The account of this name, or NotFound."""
        return self.ledger.read(lambda connection: accounts.named(connection, name))

    def user_of(self, user: UserId) -> Account:
        """The account of this id, or NotFound."""
        return self.ledger.read(lambda connection: accounts.of_id(connection, user))

    def change_user(
        self,
        by: Account | None,
        account: Account,
        *,
        role: Role | None = None,
        group: str | None = None,
        limit: int | None = None,
        weight: float | None = None,
        engine: str | None = None,
        paused: bool | None = None,
    ) -> Account:
        """Change an account and its lane while everything runs; a lowered limit kills nothing.

        Another role brings its usual limit with it, where none is given and the lane had that of the role before. A
        named `engine` carries this account's tasks whatever roll-outs say, until it is `auto`.
        """
        now = self.clock.now()
        asked = {"role": role, "group": group, "limit": limit, "weight": weight, "engine": engine, "paused": paused}
        changes = {name: value for name, value in asked.items() if value is not None}
        pinned = None if engine is None else "" if engine == AUTO else engine
        if pinned:
            _check_engine(pinned)
        usual = None
        if role is not None and limit is None:
            limit, usual = self._usual_limit(role), self._usual_limit(account.role)

        def also(connection: Connection) -> None:
            if role not in {None, Role.ADMIN} and accounts.holders(connection, Role.ADMIN) == [account.id]:
                raise Conflict(
                    f"{account.name} is the last admin.", code="last_admin", hint="Make somebody else an admin first."
                )
            accounts.change(connection, account.id, role, group, pinned)
            if usual is not None and (terms := accounts.terms(connection, account.id)) is not None:
                changes["limit"] = terms.limit
            self._note(connection, by, now, "user changed", {"name": account.name, **changes})

        def to(connection: Connection, user: UserId) -> str:
            self.rollout.hold(connection)  # or somebody else may be changing this account
            found = accounts.of_id(connection, user)
            own = found.pinned if pinned is None else pinned
            return self.rollout.engine_for(connection, user, found.group if group is None else clean(group), own)

        self.ledger.lane(
            account.id, max_running=limit, weight=weight, engine=None if (engine, group) == (None, None) else to,
            paused=paused, instead_of=usual, also=also,
        )  # fmt: skip
        return self.user_of(account.id)

    def new_token(self, by: Account | None, account: Account) -> str:
        """A fresh token; it is shown this once."""
        now = self.clock.now()

        def write(connection: Connection) -> str:
            self._note(connection, by, now, "token made", {"name": account.name})
            return accounts.new_token(connection, account.id, now)

        return self.ledger.write(write)

    def revoke(self, by: Account | None, account: Account) -> int:
        """Make all tokens of an account useless."""
        now = self.clock.now()

        def write(connection: Connection) -> int:
            count = accounts.revoke(connection, account.id, now)
            self._note(connection, by, now, "tokens revoked", {"name": account.name, "count": count})
            return count

        return self.ledger.write(write)

    def account_of_token(self, token: str) -> tuple[Account, str] | None:
        """Who holds this token, and the token's hash."""
        return self.ledger.read(lambda connection: accounts.of_token(connection, token))

    def account_of_session(self, session: str) -> Account | None:
        """Whose session of the page this is, while it lasts."""
        return self.ledger.read(lambda connection: accounts.of_session(connection, session))

    def begin_session(self, account: Account, token: str) -> str:
        """A session of the page, on the token of this hash."""
        now, seconds = self.clock.now(), self.settings.session_hours * 3600.0
        return self.ledger.write(lambda c: accounts.begin_session(c, account.id, token, now, seconds))

    def end_session(self, session: str) -> None:
        """Sign out."""
        self.ledger.write(lambda c: accounts.end_session(c, session))

    def use_link(self, secret: str) -> str | None:
        """Spend a one-time link: the session that it begins; None for a void one, for which nothing is written."""
        now = self.clock.now()
        if not self.ledger.read(lambda connection: accounts.is_link(connection, secret, now)):
            return None
        return self.ledger.write(lambda connection: accounts.use_link(connection, secret, now))

    def roll_out(
        self, by: Account | None, engine: str, percent: float, group: str = "", *, force: bool = False
    ) -> None:
        """This engine carries so many percent of all users, or of a group; `rollout.settle` moves them.

        BadRequest for an engine or a group that there is not, and for what is no percentage; Conflict for an engine
        that no worker serves, unless by `force`.
        """
        _check_engine(engine)
        check_percent(percent)
        group = clean(group)
        if group and not self.ledger.read(lambda connection: accounts.has_group(connection, group)):
            raise BadRequest(f"Nobody is in a group {group!r}.", hint="See: paperlane user list.")
        if percent and not force and not any(one.live and one.engine == engine for one in self.ledger.members()):
            raise Conflict(
                f"No worker of {engine} is running, so their tasks would wait.",
                code="engine_unserved",
                hint="Start one first; or insist with --force.",
            )
        now = self.clock.now()
        details = {"engine": engine, "percent": percent, "group": group}
        self.rollout.set(engine, percent, group, _id_of(by), now, lambda c: self._note(c, by, now, "rollout", details))

    def roll_back(self, by: Account | None) -> Rule:
        """Take the last roll-out back: which one that was. Conflict where there is none."""
        now = self.clock.now()

        def note(connection: Connection, of: Rule) -> None:
            details = {"engine": of.engine, "percent": of.percent, "group": of.group}
            self._note(connection, by, now, "rollout taken back", details)

        return self.rollout.undo(_id_of(by), now, note)

    def pause(self, by: Account | None, engine: str, *, paused: bool) -> None:
        """Whether an engine starts tasks. BadRequest for an engine that there is not."""
        _check_engine(engine)
        what = "engine paused" if paused else "engine resumed"
        now = self.clock.now()
        self.ledger.pause(engine, paused=paused, also=lambda c: self._note(c, by, now, what, {"engine": engine}))

    def limit(self, by: Account | None, max_running: int | None) -> None:
        """How many tasks run at once in the whole system, None for what the settings say; lowered, it kills nothing.

        BadRequest for a number that makes no sense.
        """
        now = self.clock.now()
        details = {"max_running": max_running}
        self.ledger.limit(max_running, also=lambda c: self._note(c, by, now, "limit changed", details))

    def _note(
        self, connection: Connection, by: Account | None, now: float, what: str, details: Mapping[str, object]
    ) -> None:
        """Leave a line in the audit trail; without an account it was somebody at the machine's own command line."""
        audit.note(connection, self.new_id(), _id_of(by), now, what, details)


def together(pages: Iterable[Handled]) -> Handled:
    """What became of several pages of dead letters; goes on where the last one does."""
    done, cursor = 0, ""
    left: dict[Fault, LeftOver] = {}
    for page in pages:
        done, cursor = done + page.done, page.cursor
        for one in page.left:
            before = left.get(one.why, LeftOver(one.why, 0, ()))
            named = (*before.tasks, *one.tasks)[:_NAMED]
            left[one.why] = LeftOver(one.why, before.count + one.count, named)
    return Handled(done, tuple(left.values()), cursor)


def _id_of(by: Account | None) -> UserId:
    return audit.NOBODY if by is None else by.id


def _operates(by: Account | None) -> bool:
    """Does it go into the audit trail what they do to tasks and schedules? Of others it is their own business."""
    return by is None or by.operates


def _seen_by(account: Account | None, which: Letters) -> Letters:
    return which if account is None or account.operates else _own(account, which)


def _handled_by(account: Account | None, which: Letters) -> Letters:
    if account is None or account.operates:
        return which
    _may_change(account)
    return _own(account, which)


def _own(account: Account, which: Letters) -> Letters:
    """The same letters, as far as they are this account's: another one's are as if there were none."""
    if which.user not in {None, account.id}:
        return replace(which, ids=())
    return replace(which, user=account.id)


def moment_of(said: str) -> float:
    """Seconds since 1970 of a time that is said so, or in ISO 8601 (UTC without an offset). BadRequest for no time.

    Eight digits are a date. Other numbers of less than ten digits are no time: 2027 means no second of 1970.
    """
    if len(said) == len("20270131") and said.isdecimal():
        return _seconds(said)
    try:
        at = float(said)
    except ValueError:
        return _seconds(said)
    if not isfinite(at) or 0 < at < _TEN_DIGITS:
        raise BadRequest(f"{said!r} is no time.", hint=_TIME)
    return at


def _seconds(said: str) -> float:
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        raise BadRequest(f"{said!r} is no time.", hint=_TIME) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _may_change(account: Account) -> None:
    if account.role is Role.VIEWER:
        raise NotAllowed("A viewer changes nothing.", hint="Ask an admin for the role user.")


def _check_engine(name: str) -> None:
    if name not in ENGINES:
        raise BadRequest(f"There is no engine {name!r}.", hint=f"Choose {' or '.join(ENGINES)}.")


def _check_priority(priority: int) -> None:
    if not 0 <= priority <= 9:  # noqa: PLR2004  the range that interfaces promise
        raise BadRequest(f"There is no priority {priority}.", hint="Choose 0 to 9; 5 is the usual one.")
