"""What makes no sense is refused before it is written: a NaN would spoil every comparison after it.

What people give is refused with BadRequest and a hint, what only programs give with ValueError. How an attempt ended is
never refused: that is cut to what makes sense, in `endings`.
"""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

from sqlalchemy import Column, String

from paperlane.errors import BadRequest, NotFound
from paperlane.ledger import Note
from paperlane.ledger.schema import batches, checkpoints, chores, engines, schedules, tasks, workers
from paperlane.model.schedules import NewSchedule
from paperlane.model.tasks import Channel, Lease, Letters, NewBatch, NewTask, Pulse, Sought, Span, WorkerId


def _length(column: Column[Any]) -> int:
    """Characters that it holds."""
    assert isinstance(column.type, String)
    return column.type.length or 0


LARGEST_LIMIT = 1_000_000
MOST_SHARDS = 1_000  # each has a clock, which every submit and every claim reads
LEAST_WEIGHT, LARGEST_WEIGHT = 0.01, 100.0  # beyond it shares mean nothing
LONGEST_MESSAGE = 2_000  # characters: as JSON, with a hint as long, it fits in 64 KB, MariaDB's longest text
LONGEST_STEP, LONGEST_HOST = _length(tasks.c.step), _length(workers.c.host)
_LONGEST_ID, _LONGEST_KEY, _LONGEST_NAME = _length(tasks.c.id), _length(batches.c.key), 4_096
_LONGEST_COST = 86_400.0
_LONGEST_PAUSE = 366 * 86_400.0  # between two turns at a chore
_LAST_MOMENT = 253_402_300_799.0  # the end of the year 9999, which no calendar goes past
_LARGEST_INTEGER, _LARGEST_USER = 2**31 - 1, 2**63 - 1  # that their columns hold


def check_terms(limit: int | None, weight: float | None) -> None:
    """BadRequest for a lane's limit or weight that makes no sense."""
    if limit is not None and not 1 <= limit <= LARGEST_LIMIT:
        raise BadRequest(f"A limit lies between 1 and {LARGEST_LIMIT}.", hint="To stop a user's tasks, pause them.")
    if weight is not None and not LEAST_WEIGHT <= weight <= LARGEST_WEIGHT:
        raise BadRequest(
            f"A weight lies between {LEAST_WEIGHT} and {LARGEST_WEIGHT:g}.",
            hint="1 is the usual share, 2 twice as much.",
        )


def check_limit(limit: int | None) -> None:
    """BadRequest for a limit of the whole system that makes no sense."""
    if limit is not None and not 1 <= limit <= LARGEST_LIMIT:
        raise BadRequest(
            f"A limit of the whole system lies between 1 and {LARGEST_LIMIT}.", hint="To start nothing, pause engines."
        )


def check_priority(priority: int) -> None:
    """BadRequest for a priority that there is not."""
    if not 0 <= priority <= 9:  # noqa: PLR2004  the range that interfaces promise
        raise BadRequest(f"There is no priority {priority}.", hint="Choose 0 to 9; 5 is the usual one.")


def check_batch(batch: NewBatch) -> None:
    """BadRequest for a batch that makes no sense; ValueError for ids and versions that do not."""
    check_priority(batch.priority)
    if not isfinite(batch.run_at) or batch.run_at > _LAST_MOMENT:
        raise BadRequest(f"{batch.run_at:g} is no time.", hint="Give seconds since 1970, or 0 for now.")
    if len(batch.name) > _LONGEST_NAME:
        raise BadRequest("The name of the batch is too long.", hint=f"Use at most {_LONGEST_NAME} characters.")
    if batch.key and not _fits(batch.key, _LONGEST_KEY):
        raise BadRequest("This is no Idempotency-Key.", hint=f"Use at most {_LONGEST_KEY} characters of any text.")
    if not batch.tasks:
        raise BadRequest("A batch needs at least one task.", hint="Give it one, or submit none.")
    check_text("A batch's id", batch.id, batches.c.id)
    check_user(batch.user)
    if len(batch.content) > _length(batches.c.content):
        raise ValueError(f"The hash of a batch's content is too long: {batch.content[:100]!r}")
    for task in batch.tasks:
        if not _fits(task.id, _LONGEST_ID):
            check_text("A task's id", task.id, tasks.c.id)
        _check_task(task)


def check_batches(new: Sequence[NewBatch]) -> None:
    """The same for batches that come together; BadRequest also for two under one key."""
    for batch in new:
        check_batch(batch)
    keyed = [(batch.user, batch.key) for batch in new if batch.key]
    if len(set(keyed)) < len(keyed):
        raise BadRequest("Two batches that come together have one Idempotency-Key.", hint="Submit them one by one.")


def check_schedule(new: NewSchedule) -> None:
    """BadRequest for a schedule that makes no sense, but for its times; ValueError for ids and versions."""
    check_priority(new.priority)
    if not _fits(new.name, length := _length(schedules.c.name)):
        raise BadRequest(
            f"{new.name[:100]!r} is no name of a schedule.", hint=f"Use 1 to {length} characters of any text."
        )
    check_text("A schedule's id", new.id, schedules.c.id)
    check_user(new.user)
    for task in new.tasks:
        _check_task(task)


def _check_task(task: NewTask) -> None:
    if not 0.0 <= task.cost <= _LONGEST_COST:
        raise BadRequest(
            f"A task cannot cost {task.cost:g} slot-seconds.", hint="Estimate 0 to 86400; 1 where nothing is known."
        )
    if not 1 <= task.version <= _LARGEST_INTEGER:
        raise ValueError(f"Versions of payloads count from 1: {task.version}")


def check_letters(which: Letters) -> None:
    """BadRequest for bounds that are no times: they would bound nothing; and for what can be no letter's."""
    if not (-inf <= which.since < inf and -inf < which.until <= inf):
        raise BadRequest(
            f"From {which.since:g} until {which.until:g} is no time.", hint="Give seconds since 1970, or leave it out."
        )
    if which.user is not None and not 1 <= which.user <= _LARGEST_USER:
        raise BadRequest(f"No user has the id {which.user}.", hint=f"Users' ids lie between 1 and {_LARGEST_USER}.")
    for text in (which.code, which.batch or "", *(which.ids or ())):
        if clean(text) != text:
            raise BadRequest(f"{text[:100]!r} is no code and no id.", hint="Give it as it was shown.")


def check_sought(which: Sought) -> None:
    """BadRequest for what can be no task's."""
    if which.user is not None and not 1 <= which.user <= _LARGEST_USER:
        raise BadRequest(f"No user has the id {which.user}.", hint=f"Users' ids lie between 1 and {_LARGEST_USER}.")
    for text in (which.code, which.engine, which.batch or ""):
        if clean(text) != text:
            raise BadRequest(f"{text[:100]!r} is no code, no engine and no id.", hint="Give it as it was shown.")


def check_user(user: int) -> None:
    """ValueError for what is no user's id; 0 stands for nobody known."""
    if not 1 <= user <= _LARGEST_USER:
        raise ValueError(f"Users' ids count from 1: {user}")


def check_worker(worker: WorkerId, engine: str, slots: int, version: int, channel: Channel, span: Span) -> None:
    """ValueError for a worker that would be mistaken for another: "" is nobody. It may have no slots.

    Also for a channel that no task could come through, or one of more shards than are kept apart.
    """
    check_text("A worker's id", worker, workers.c.id)
    check_text("An engine's name", engine, engines.c.name)
    for count in (slots, span.most):
        if not 0 <= count <= LARGEST_LIMIT:
            raise ValueError(f"A worker has 0 to {LARGEST_LIMIT} slots, not {count}")
    if not 1 <= version <= _LARGEST_INTEGER:
        raise ValueError(f"Versions of payloads count from 1: {version}")
    if not (channel.stages and 0 <= channel.shard < channel.shards):
        raise ValueError(f"No task comes through this channel: {channel}")
    if channel.shards > MOST_SHARDS:
        raise ValueError(f"Users are divided into {MOST_SHARDS} shards at most, not {channel.shards}")


def pulse_told(pulse: Pulse) -> Mapping[str, float]:
    """What of a pulse is written down, by column; -1 for what is no share."""
    shares = {"cpu": pulse.cpu, "memory": pulse.memory}
    known = {name: -1.0 if share is None or not 0 <= share <= 1 else share for name, share in shares.items()}
    return {"wants": min(max(pulse.wants, 0), LARGEST_LIMIT), **known}


def check_notes(notes: Sequence[Note]) -> None:
    """ValueError for what is no name of a step, for a result that would not be found again, for two of one step.

    Asking for the key "" means the newest result. Also for what is to be written beside a result where there is none.
    """
    for note in notes:
        check_text("A step's name", note.progress.step, checkpoints.c.step)
        if note.checkpoint is not None:
            check_text("A step's name", note.checkpoint.step, checkpoints.c.step)
            check_text("A checkpoint's key", note.checkpoint.key, checkpoints.c.key)
        elif note.also is not None:
            raise ValueError("Others write beside a step's result, not where there is none")
    results = [(note.lease, note.checkpoint.step) for note in notes if note.checkpoint is not None]
    if len(set(results)) < len(results):
        raise ValueError("An attempt has one result of a step to tell at a time, not several")


def check_chore(name: str, seconds: float) -> None:
    """ValueError for a chore that would come up all the time, or never again."""
    check_text("A chore's name", name, chores.c.name)
    if not 0 < seconds <= _LONGEST_PAUSE:
        raise ValueError(f"A chore comes up every 0 to {_LONGEST_PAUSE:g} seconds, not every {seconds}")


def check_page(limit: int) -> None:
    """ValueError for a page of less than nothing, which some databases take for everything."""
    if not 0 <= limit <= _LARGEST_INTEGER:
        raise ValueError(f"A page has 0 to {_LARGEST_INTEGER} entries, not {limit}")


def is_lease(lease: Lease) -> bool:
    """Could it be a lease of any ledger? It comes from a broker, which nobody trusts."""
    return 0 < lease.fence <= _LARGEST_INTEGER and _fits(lease.task, _LONGEST_ID)


def check_text(what: str, text: str, column: Column[Any]) -> None:
    """ValueError for an id or a name that its column does not take on every database."""
    if not _fits(text, length := _length(column)):
        raise ValueError(f"{what} has 1 to {length} characters that every database takes, not {text[:100]!r}")


def check_known(what: str, name: str) -> None:
    """NotFound for an id or a name that cannot be there: some databases would not even look for it."""
    if clean(name) != name:
        raise NotFound(f"There is no such {what}.")


def check_cursor(cursor: str) -> None:
    """BadRequest for a cursor that no page has given."""
    if clean(cursor) != cursor:
        raise BadRequest("This cursor leads nowhere.", hint="Use the `next` of the page before, as it is.")


def _fits(text: str, length: int) -> bool:
    return 0 < len(text) <= length and clean(text) == text


def clean(text: str) -> str:
    """A text without what some databases refuse: NUL, and halves of characters."""
    return text if text.isprintable() else text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def cut(message: str) -> str:
    """A message, as much of it as is kept."""
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
