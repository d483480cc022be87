"""Retention: old tasks go with all that was recorded of them, then the files that nothing names any more."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice

import structlog
from sqlalchemy import Connection

from paperlane.blobs import Blobs
from paperlane.errors import Unavailable
from paperlane.ledger import Doubt, Kept, Ledger, Mark
from paperlane.model.tasks import TaskId, UserId
from paperlane.records import accounts, answers, documents, issues, storage, usage
from paperlane.records.files import Named, named_uploads, remove_unnamed
from paperlane.scheduling.pace import every, pause
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

CHORE = "retention"
EVERY = 3_600.0

_LOOK = 60.0  # seconds between looks at whether it is time
_ABANDONED = 86_400.0  # seconds: no upload goes on for so long, however slow its line
_REST = 0.05  # seconds between two pages, in which others write
_FEW = 200
_PARTS = 24  # of users, in which what they store is counted anew
_NOBODY = UserId(-1)


@dataclass(frozen=True, slots=True)
class Places:
    """Where files lie: what people uploaded, and large results of steps."""

    uploads: Blobs
    results: Blobs


@dataclass(slots=True)
class Removed:
    """What a run removed: tasks, steps of tasks that stay, their files, files that nothing named, models' answers."""

    tasks: int = 0
    trimmed: int = 0
    files: int = 0
    orphans: int = 0
    answers: int = 0


async def keep_house(
    ledger: Ledger,
    places: Places,
    kept: Kept,
    threads: Threads,
    stop: asyncio.Event,
    orphans: Callable[[], bool],
    answers_kept: float = 0.0,
) -> None:
    """Let go of what is old, once an hour over all processes, until told to stop; `answers_kept` as for `clean`."""
    async for _ in every(_LOOK, stop):
        try:
            done = await clean(ledger, places, kept, threads, stop, orphans, answers_kept)
            if isinstance(done, Doubt):
                log.warning("nothing old is removed, and in an hour it is looked again", why=done.why)
                await pause(EVERY, stop)
        except Unavailable as error:
            log.warning("retention waits", why=error.message)
        except Exception:
            log.exception("retention failed")


async def clean(
    ledger: Ledger,
    places: Places,
    kept: Kept,
    threads: Threads,
    stop: asyncio.Event,
    orphans: Callable[[], bool],
    answers_kept: float = 0.0,
) -> Removed | Doubt | None:
    """One run, if it is this process's turn; between two pages it ends when told to stop, and goes on another time.

    `orphans`: whether files that nothing names are removed too; asked just before, for another ledger may have come to
    the same folder since this process started. What models answered stays for `answers_kept` seconds, 0: for ever. All
    is as old as it was when the run began: a clock that is set meanwhile makes nothing older.
    """
    chore = await threads(ledger.begin_chore, CHORE, EVERY)
    if chore is None or isinstance(chore, Doubt):
        return chore
    kept, removed = replace(kept, until=chore.at), Removed()
    forgot: list[UserId] = []
    after: UserId | None = _NOBODY
    while after is not None and not stop.is_set():
        page = await threads(ledger.overdue, kept, chore.done_until, after)
        for user in page.forget:
            count = 1
            while count and not stop.is_set():
                count = await threads(_forget_some, ledger, places.uploads, kept, user, removed)
                await asyncio.sleep(_REST)
            forgot.append(user)
        for user in page.trim:
            mark: Mark | None = Mark(chore.done_until)
            while mark is not None and not stop.is_set():
                trimmed = await threads(ledger.trim, user, kept, mark)
                removed.trimmed, mark = removed.trimmed + trimmed.tasks, trimmed.onward
                await asyncio.sleep(_REST)
        after = page.last
    await _mend_each(ledger, forgot, threads)
    if kept.steps and not stop.is_set():
        await threads(ledger.end_chore, CHORE, chore.at - kept.steps)
    count = 1 if answers_kept else 0
    while count and not stop.is_set():
        count = await threads(ledger.write, partial(answers.forget, before=chore.at - answers_kept))
        removed.answers += count
        await asyncio.sleep(_REST)
    if not stop.is_set() and await threads(orphans):
        before = chore.at - _ABANDONED
        for blobs, named in ((places.uploads, partial(named_uploads, ledger)), (places.results, ledger.named)):
            await _remove_orphans(ledger, blobs, named, before, threads, stop, removed)
    if removed != Removed():
        log.info("old things removed", **{field.name: getattr(removed, field.name) for field in fields(removed)})
    await _mend_some(ledger, chore.at, threads, stop)
    return removed


def _forget_some(ledger: Ledger, blobs: Blobs, kept: Kept, user: UserId, removed: Removed) -> int:
    """A page of a user's tasks, and then its files: a process that dies in between leaves orphans, nothing worse."""
    gone: list[str] = []

    def also(connection: Connection, tasks: Sequence[TaskId]) -> None:
        issues.forget(connection, tasks)
        usage.forget(connection, tasks)
        gone.extend(documents.forget(connection, tasks))  # of every try: nobody knows which was committed

    count = ledger.forget(user, kept, also)
    removed.tasks += count
    removed.files += remove_unnamed(blobs, gone, partial(named_uploads, ledger))
    return count


def _mend_count(ledger: Ledger, user: UserId) -> None:
    """While programs run beside this one that know nothing of the count of what a user stores, it drifts."""
    wrong = ledger.read(partial(storage.drift, user=user))
    if wrong and (by := ledger.write(partial(storage.mend, user=user))):
        log.warning("what a user stores was counted wrong, and is put right", user=user, bytes=by)


def _part(at: float) -> int:
    """The part of who runs at that time: mostly the next one. Some come twice, none is passed by for who looks late."""
    return int(at // (EVERY + 2 * _LOOK)) % _PARTS


async def _mend_each(ledger: Ledger, users: Sequence[UserId], threads: Threads) -> None:
    for user in users:
        await _mend(ledger, user, threads)
        await asyncio.sleep(_REST)


async def _mend(ledger: Ledger, user: UserId, threads: Threads) -> None:
    """What fails for one keeps nothing else from being done; within a day it is tried again."""
    try:
        await threads(_mend_count, ledger, user)
    except Unavailable as error:
        log.warning("what a user stores cannot be counted now", user=user, why=error.message)
    except Exception:
        log.exception("what a user stores cannot be counted", user=user)


async def _mend_some(ledger: Ledger, at: float, threads: Threads, stop: asyncio.Event) -> None:
    """What a part of all users store, for it goes through their documents."""
    part, last = _part(at), _NOBODY
    while not stop.is_set():
        asked = partial(storage.next_users, after=last, part=part, parts=_PARTS, most=_FEW)
        if not (users := await threads(ledger.read, asked)):
            return
        for last in users:
            await _mend(ledger, last, threads)
            if stop.is_set():
                return
        await asyncio.sleep(_REST)


async def _remove_orphans(
    ledger: Ledger,
    blobs: Blobs,
    named: Named,
    before: float,
    threads: Threads,
    stop: asyncio.Event,
    removed: Removed,
) -> None:
    """Remove the files that a power cut or `kill -9` left: a day old, and of nothing in the records or the ledger.

    Files that are older than these records belong to other ones, which may come back from a backup.
    """
    since = await threads(ledger.read, accounts.first_at)
    old: Iterator[str] = iter(()) if since is None else blobs.written(since, before)
    while not stop.is_set() and (some := await threads(lambda: list(islice(old, _FEW)))):
        removed.orphans += await threads(remove_unnamed, blobs, some, named)
