"""Tasks that people submit, follow, cancel or retry: one's own, or everybody's for admins."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

from sqlalchemy import Connection

from paperlane.checks.words import Words
from paperlane.clock import Clock, NewId
from paperlane.desk.choices import check_priority
from paperlane.desk.dead import Tally
from paperlane.desk.quotas import Quotas
from paperlane.desk.rights import check_may_change, runs
from paperlane.desk.trail import Trail
from paperlane.desk.uploads import to_test
from paperlane.errors import BadRequest, NotFound
from paperlane.ledger import Also, Ledger
from paperlane.ledger.submitting import accepted_tasks
from paperlane.model.documents import Brief, Upload
from paperlane.model.tasks import Batch, BatchId, NewBatch, PastAttempt, State, Task, TaskId, UserId
from paperlane.records import documents, words
from paperlane.records.accounts import Account

STATES: Mapping[str, Sequence[State]] = {
    "queued": (State.READY, State.WAITING, State.LEASED),
    **{state.value: (state,) for state in (State.RUNNING, State.COMPLETED, State.FAILED, State.CANCELLED)},
}
"""The states of the ledger behind each status that people see."""


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
        briefs = [asdict(upload.brief) for upload in self.uploads if upload.brief != Brief()]
        content = [files, self.name, self.priority, self.run_at, *briefs]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def checked(self) -> Self:
        """Itself, when it makes sense; BadRequest otherwise."""
        check_priority(self.priority)
        if len(self.key) > 200:  # noqa: PLR2004  the column's length
            raise BadRequest("The Idempotency-Key is too long.", hint="Use at most 200 characters.")
        return self


@dataclass(frozen=True, slots=True)
class Submitted:
    """A batch that is on disk, and its tasks as they were written now; None: the batch was there under its key."""

    batch: Batch
    tasks: Sequence[Task] | None


@dataclass(frozen=True, slots=True)
class Tasks:
    """Batches and their tasks, from their submission on."""

    ledger: Ledger
    clock: Clock
    new_id: NewId
    trail: Trail
    quotas: Quotas
    check_folder: Callable[[], None]
    """Raises Unmounted where a file that came now would lie apart from the others."""
    dead: Tally
    profiles: Sequence[str] = ()
    """Those of documents for which none is named; () for the usual one."""

    def room(self, account: Account) -> None:
        """May this account upload now? NotAllowed for viewers, Unmounted without the folder.

        TooMany past a backlog limit, or where no more of theirs may be kept.
        """
        check_may_change(account)
        self.quotas.check_storage(account)
        self.ledger.room(account.id)
        self.check_folder()

    def known(self, account: Account, key: str) -> Batch | None:
        """The batch that came under this Idempotency-Key before."""
        return self.ledger.known(account.id, key) if key else None

    def submit(self, account: Account, order: Order) -> tuple[Batch, bool]:
        """All on disk, or nothing; False beside a batch that was there under this key.

        TooMany past a limit or a quota; what was there under its key has its place in them already.
        """
        (submitted,) = self.submit_all([(account, order)])
        return submitted.batch, submitted.tasks is not None

    def submit_all(self, orders: Sequence[tuple[Account, Order]]) -> Sequence[Submitted]:
        """The same for orders of several people, in one transaction: all or none, and what refuses one refuses all."""
        for account, order in orders:
            check_may_change(account)
            order.checked()
        said = self.ledger.read(
            lambda connection: {
                group: words.of_group(connection, group) for group in {account.group for account, _ in orders}
            }
        )
        uploads: dict[BatchId, Mapping[TaskId, Upload]] = {}
        batches: list[NewBatch] = []
        for account, order in orders:
            batch = BatchId(self.new_id())
            own = {TaskId(self.new_id()): self._briefed(upload, said[account.group]) for upload in order.uploads}
            uploads[batch] = own
            batches.append(
                NewBatch(
                    batch,
                    account.id,
                    [to_test(task, upload) for task, upload in own.items()],
                    order.name,
                    order.priority,
                    order.run_at,
                    order.key,
                    order.content,
                )
            )
        now = self.clock.now()

        def also(connection: Connection, written: Sequence[NewBatch]) -> None:
            coming: dict[UserId, list[Upload]] = defaultdict(list)
            for batch in written:
                coming[batch.user] += uploads[batch.id].values()
            for user, of_user in sorted(coming.items()):  # in one order, so that none waits for one that waits for it
                self.quotas.take(connection, user, of_user)
            documents.add(connection, [(batch.user, uploads[batch.id]) for batch in written], now)

        rules = self.ledger.rules
        return [
            Submitted(batch, accepted_tasks(new, batch.created_at, rules) if is_new else None)
            for new, (batch, is_new) in zip(batches, self.ledger.submit_many(batches, also), strict=True)
        ]

    def _briefed(self, upload: Upload, said: Words) -> Upload:
        """The same, with what its owner left open in the brief, and the words of their group."""
        brief = upload.brief
        profiles = brief.profiles or tuple(self.profiles)
        return replace(upload, brief=replace(brief, profiles=profiles, terms=said.terms, ignored=tuple(said.ignored)))

    def batch(self, account: Account, batch: BatchId) -> Batch:
        """A batch of this account's, or NotFound."""
        found = self.ledger.batch(batch)
        if not runs(account, found.user):
            raise NotFound("There is no such batch.")
        return found

    def of_batch(self, batch: Batch) -> Sequence[Task]:
        """All tasks of a batch whose counts were just looked up, for who may see it, in its order."""
        return self.ledger.tasks(batch=batch.id, limit=sum(batch.counts.values()))

    def page(self, account: Account, *, batch: BatchId | None, status: str, cursor: str, limit: int) -> Sequence[Task]:
        """A page of one's own tasks, newest first; or of a batch, in its order."""
        if status and status not in STATES:
            raise BadRequest(f"There is no status {status!r}.", hint=f"Choose one of {', '.join(STATES)}.")
        if batch is not None:
            self.batch(account, batch)
        user = account.id if batch is None else None
        return self.ledger.tasks(user=user, batch=batch, states=STATES.get(status, ()), cursor=cursor, limit=limit)

    def one(self, account: Account, task: TaskId) -> Task:
        """A task of this account's, or NotFound."""
        found = self.ledger.task(task)
        if not runs(account, found.user):
            raise NotFound("There is no such task.")
        return found

    def attempts(self, account: Account, task: TaskId) -> Sequence[PastAttempt]:
        """A task's history."""
        return self.ledger.attempts(self.one(account, task).id)

    def cancel(self, by: Account | None, task: TaskId) -> Task:
        """Stop a task: one's own, or anybody's for admins and at the machine itself."""
        return self.ledger.cancel(task, self._acting(by, task, "task cancelled"))

    def retry(self, by: Account | None, task: TaskId) -> Task:
        """Start a failed or cancelled task again, likewise."""
        also = self._acting(by, task, "task replayed")
        try:
            return self.ledger.retry(task, also)
        finally:  # what raises may have been written down all the same
            self.dead.outdate()

    def _acting(self, by: Account | None, task: TaskId, what: str) -> Also | None:
        """What is written down of somebody's act on a task, if anything. NotFound or NotAllowed where they may not."""
        if by is not None:
            self.one(by, task)
            check_may_change(by)
        return self.trail.noting(by, what, {"task": task})
