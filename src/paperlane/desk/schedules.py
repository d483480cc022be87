"""Testing the same documents again and again: one's own schedules, or anybody's for admins."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from paperlane.blobs import Blobs
from paperlane.clock import NewId
from paperlane.desk.choices import check_priority
from paperlane.desk.rights import check_may_change, runs
from paperlane.desk.trail import Trail
from paperlane.desk.uploads import to_test_again
from paperlane.errors import BadRequest, NotFound
from paperlane.ledger import Ledger
from paperlane.model.schedules import NewSchedule, Schedule, ScheduleId
from paperlane.model.tasks import BatchId, UserId
from paperlane.records import documents
from paperlane.records.accounts import Account
from paperlane.records.files import named_uploads, remove_unnamed

_NAME = re.compile(r"\w[\w.@+-]{0,99}")  # stands in a path, where "." and ".." mean something else


@dataclass(frozen=True, slots=True)
class Plan:
    """When the documents of a batch shall be tested again; `cron` means the clock of `timezone`."""

    name: str
    cron: str
    batch: BatchId
    timezone: str = "UTC"
    priority: int = 5


@dataclass(frozen=True, slots=True)
class Schedules:
    """Plans that are kept, each by its owner and its name."""

    ledger: Ledger
    blobs: Blobs
    new_id: NewId
    trail: Trail

    def add(self, account: Account, plan: Plan) -> Schedule:
        """Test the documents of one's own batch again and again: the same files, each time as a new batch.

        The files stay as long as the schedule does.
        """
        check_may_change(account)
        check_priority(plan.priority)
        if _NAME.fullmatch(plan.name) is None:
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
            [to_test_again(task) for task in tasks],
            plan.priority,
        )
        return self.ledger.add_schedule(
            new, lambda connection: documents.hold(connection, new.id, [task.id for task in tasks])
        )

    def page(self, account: Account, owner: UserId, *, after: str, limit: int) -> Sequence[Schedule]:
        """A page of one's own, by name, or of anybody's for admins; another one's are as if there were none."""
        return self.ledger.schedules(owner, after, limit) if runs(account, owner) else ()

    def change(
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
        found = self._found(by, owner, name)
        if priority is not None:
            check_priority(priority)
        given = {"cron": cron, "timezone": timezone, "priority": priority, "paused": paused}
        asked = {word: value for word, value in given.items() if value is not None}
        also = self.trail.noting(by, "schedule changed", {"owner": owner, "name": name, **asked})
        return self.ledger.change_schedule(
            found.id, cron=cron, timezone=timezone, priority=priority, paused=paused, also=also
        )

    def remove(self, by: Account | None, owner: UserId, name: str) -> None:
        """Test no more, likewise; what was tested stays, and so do files that a document is in."""
        found = self._found(by, owner, name)
        noting = self.trail.noting(by, "schedule removed", {"owner": owner, "name": name})
        files: list[str] = []

        def also(connection: Connection) -> None:
            # of every try: nobody knows which was committed
            files.extend(documents.release(connection, found.id, owner))
            if noting is not None:
                noting(connection)

        self.ledger.remove_schedule(found.id, also)
        remove_unnamed(self.blobs, files, partial(named_uploads, self.ledger))

    def _found(self, by: Account | None, owner: UserId, name: str) -> Schedule:
        """A schedule that somebody wants to change. NotFound or NotAllowed where they may not."""
        if not runs(by, owner):
            raise NotFound("There is no such schedule.")
        found = self.ledger.schedule(owner, name)
        if by is not None:
            check_may_change(by)
        return found
