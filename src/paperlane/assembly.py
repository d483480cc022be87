"""Builds the parts of an installation and joins them; knows every room but the web, which only the service loads."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import BinaryIO, TypeVar

import structlog
from pydantic import TypeAdapter
from sqlalchemy import Connection

from paperlane import hosting
from paperlane.ai import Rates
from paperlane.ai.budget import Budget
from paperlane.blobs import Store
from paperlane.blobs.folder import Folder
from paperlane.blobs.s3 import open_bucket
from paperlane.blobs.whole import Whole
from paperlane.carriers import carrier_of
from paperlane.checks import brief_of
from paperlane.clock import SortableIds, SystemClock
from paperlane.desk import (
    Accounts,
    Advising,
    Alerts,
    Comparing,
    DeadLetters,
    Desk,
    Documents,
    GroupWords,
    Operating,
    Quotas,
    Schedules,
    Tally,
    Tasks,
    Watching,
)
from paperlane.desk.trail import Trail
from paperlane.engines.database import Database
from paperlane.engines.door import Door
from paperlane.engines.pool import Pool
from paperlane.errors import BadRequest, Misconfigured, StoreRefuses, Unmounted, Unreadable
from paperlane.hosting import Host, dispatch_for
from paperlane.ledger import Also, Kept, Ledger, Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import UPLOAD_VERSION, Report, Severity, Upload
from paperlane.model.tasks import EVERYTHING, Channel, NewBatch, Span, Stage, TaskId
from paperlane.monitor.alerts import ALERTS
from paperlane.patience import patiently
from paperlane.pipeline import DOCUMENT_PROCESSING, MODEL_REVIEW, REPORT, test_document
from paperlane.records import accounts, documents, portable
from paperlane.records.answers import LedgerAnswers
from paperlane.records.books import LedgerBooks
from paperlane.records.issues import save
from paperlane.records.rates import LedgerRates
from paperlane.reviewing import Reviewing, open_reviewing
from paperlane.rollout import RollOut, Whose
from paperlane.rollout.guarding import Guarding
from paperlane.sandboxes import open_sandbox
from paperlane.settings import Settings, models_of
from paperlane.telemetry import following
from paperlane.threads import apart
from paperlane.work import Chain, RunHere

log = structlog.get_logger(__name__)

Given = TypeVar("Given")

_SOON = 1.0  # seconds of a start that nobody wonders about
_DAY, _HOUR = 86_400.0, 3_600.0
_SAMPLE = 100  # of the newest files that a ledger names: some of them may really be lost

_REPORT = TypeAdapter(Report)
_UPLOAD = TypeAdapter(Upload)

clock = SystemClock()
new_id = SortableIds(clock)


def open_ledger(settings: Settings) -> SqlLedger:
    """The ledger of this installation, its database brought to this version."""
    rules = Rules(
        system_limit=settings.system_limit,
        user_backlog=settings.user_backlog,
        system_backlog=settings.system_backlog,
        lease=settings.lease_seconds,
        undelivered=settings.undelivered_seconds,
        max_retries=settings.max_retries,
        retry_delay=settings.retry_seconds,
        max_crashes=settings.max_crashes,
        user_limit=settings.user_limit,
        engine=settings.engine,
        engine_backlogs={Pool.traits.name: settings.pool_backlog},
    )
    return hosting.open_ledger(settings.database, rules, settings.task_seconds, Whole(open_results(settings)))


async def reach_ledger(
    settings: Settings, stop: asyncio.Event, waits: Callable[[], None] = lambda: None
) -> SqlLedger | None:
    """The ledger, as soon as its database and the store of files can be reached; None when told to stop before.

    `waits` is called once when that takes longer than a start usually does. Unavailable when one of them cannot be
    reached for `database_wait_seconds`: whoever started this process tries again then.
    """
    most = inf if settings.database_wait_seconds is None else settings.database_wait_seconds
    # apart: to connect may take seconds, and to wait for another process that migrates minutes
    opening = asyncio.create_task(patiently(lambda: apart(_open_all, settings), "starting", lambda _: most))
    stopping = asyncio.create_task(stop.wait())
    try:
        for patience in (_SOON, None):
            done, _ = await asyncio.wait({opening, stopping}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
            waits()
        return opening.result() if opening.done() else None
    finally:
        stopping.cancel()
        opening.cancel()


def _open_all(settings: Settings) -> SqlLedger:
    at_start(open_blobs(settings).check)
    return open_ledger(settings)


def at_start(ask: Callable[[], Given]) -> Given:
    """What it gives; Misconfigured where the store of files refuses, which at a start is no outage."""
    try:
        return ask()
    except StoreRefuses as error:
        raise Misconfigured(error.message, hint=error.hint) from error


def open_blobs(settings: Settings) -> Store:
    """Where the uploaded files lie."""
    return _store(settings, "blobs")


def open_results(settings: Settings) -> Store:
    """Where large results of steps lie: apart, or who looks for uploads that nothing names would have to know them."""
    return _store(settings, "results")


def _store(settings: Settings, room: str) -> Store:
    return _bucket(settings.blobs, room) if settings.blobs else Folder(settings.data / room)


_bucket = cache(open_bucket)  # each has connections of its own


def open_desk(settings: Settings, ledger: Ledger) -> Desk:
    """What people can ask for."""
    blobs, trail = open_blobs(settings), Trail(clock, new_id)
    mark = cache(partial(_mark_of, ledger))
    rollout = RollOut(ledger, _whose, settings.engine)
    quotas, dead = Quotas(ledger, settings, kept_of(settings)), Tally(clock)
    return Desk(
        ledger,
        blobs,
        clock,
        rollout,
        Tasks(
            ledger, clock, new_id, trail, quotas, lambda: _check_folder(settings, mark()), dead, _profiles_of(settings)
        ),
        Documents(ledger, clock),
        DeadLetters(ledger, clock, trail, dead),
        Schedules(ledger, blobs, new_id, trail),
        Accounts(ledger, settings, clock, rollout, trail),
        Operating(ledger, _LedgersClock(ledger), rollout, trail),
        quotas,
        Watching(ledger, clock),
        GroupWords(ledger, clock, trail),
        Alerts(ledger, new_id, trail, list(ALERTS)),
        Comparing(ledger, clock, rollout, kept_of(settings)),
        Advising(ledger, clock, rollout),
    )


@dataclass(frozen=True, slots=True)
class _LedgersClock:
    """The time of the database, by which tasks come and end: rules are set by it too, on whichever machine."""

    ledger: Ledger

    def now(self) -> float:
        return self.ledger.read(portable.now)

    def monotonic(self) -> float:
        return clock.monotonic()


def open_guarding(desk: Desk) -> Guarding:
    """What judges roll-outs by itself."""
    trail = Trail(clock, new_id)

    def note(connection: Connection, now: float, what: str, details: Mapping[str, object]) -> None:
        trail.note(connection, None, now, what, details)

    return Guarding(desk.rollout, portable.now, note, documents.media_types, desk.comparing.kept)


def _profiles_of(settings: Settings) -> Sequence[str]:
    """Those that the settings name; Misconfigured where there is none such."""
    if settings.profiles:  # else no check need be loaded
        try:
            brief_of(settings.profiles, (), ())
        except BadRequest as error:
            raise Misconfigured(f"The setting profiles makes no sense: {error.message}", hint=error.hint) from error
    return settings.profiles


def _whose(connection: Connection, after: int, most: int) -> Sequence[Whose]:
    """A page of the accounts, as a roll-out looks at them."""
    page = accounts.with_terms(connection, after, most)
    return [Whose(one.id, one.group, one.pinned, terms.engine if terms else None) for one, terms in page]


def user_names(ledger: Ledger) -> Mapping[int, str]:
    """The name of each account by its id."""
    return {account.id: account.name for account in ledger.read(accounts.everyone)}


def document_chain(reviewing: RunHere | None = None) -> Chain:
    """Testing a document: the steps, and what its report leaves in the records; `reviewing` asks models."""

    def also(task: TaskId, step: str, result: bytes) -> Also | None:
        if step != REPORT.name:
            return None
        report = _REPORT.validate_json(result)
        return lambda connection: save(connection, task, report)

    def summary(result: bytes) -> Mapping[str, object]:
        report = _REPORT.validate_json(result)
        return {
            "coverage": asdict(report.coverage),
            "issues": {severity.value: report.count(severity) for severity in Severity},
            "warnings": [asdict(notice) for notice in report.notices],
        }

    return Chain(test_document, also, summary, UPLOAD_VERSION, {MODEL_REVIEW.name: reviewing} if reviewing else {})


def record_documents(connection: Connection, batch: NewBatch, now: float) -> None:
    """What a schedule submits are documents, as if its owner had uploaded them again; NotAllowed where they may not."""
    accounts.check_may_submit(connection, batch.user)
    uploads = {task.id: _UPLOAD.validate_json(task.payload) for task in batch.tasks}
    documents.add(connection, [(batch.user, uploads)], now)


def kept_of(settings: Settings) -> Kept:
    """How long ended tasks are kept; the report and the text beside it as long as the task."""
    return Kept(
        finished=settings.keep_days * _DAY,
        failed=settings.keep_failed_days * _DAY,
        most=settings.keep_tasks,
        steps=settings.keep_steps_days * _DAY,
        results=(DOCUMENT_PROCESSING.name, REPORT.name),
    )


def owns_files(settings: Settings, ledger: Ledger) -> bool:
    """Do all files of the data folder, or the bucket, belong to this ledger? Then it may remove what it does not name.

    Each ledger that was ever served over it leaves a mark in it; an embedded database counts as one of its folder.
    Where it finds less than half of the newest files that it names it leaves none: the folder's disk is not mounted, or
    it is another folder or bucket, to which some came since.
    """
    blobs, mark = open_blobs(settings), _mark_of(ledger)
    if not blobs.is_marked(mark):
        named = ledger.read(lambda connection: documents.newest_files(connection, _SAMPLE))
        if 2 * sum(map(blobs.holds, named)) < len(named):
            _warn_of_lost(settings, blobs.mark_of(mark))
            return False
    alone = blobs.mark(mark)
    if settings.blobs:
        return alone
    embedded = settings.data.absolute() / "paperlane.db"
    return alone and (settings.database == f"sqlite:///{embedded}" or not embedded.exists())


def _warn_of_lost(settings: Settings, mark: Path | str) -> None:
    if settings.blobs:
        log.warning(
            "the uploads are not in the bucket, and new ones are refused; is it the right one?",
            bucket=settings.blobs,
            if_they_are_lost=f"make the empty object {mark}",
        )
    else:
        log.warning(
            "the uploads are not in the data folder, and new ones are refused; is its disk mounted?",
            folder=str(settings.data),
            if_they_are_lost=f"touch {mark}",
        )


def _mark_of(ledger: Ledger) -> str:
    """The first account stays, and no other ledger began at that instant."""
    return f"{ledger.read(accounts.first_at) or 0.0:.6f}"


def _check_folder(settings: Settings, mark: str) -> None:
    """Unmounted where the ledger has left no mark: its files are elsewhere, or soon hidden beneath a disk."""
    with suppress(OSError):  # a share that is away answers so
        if open_blobs(settings).is_marked(mark):
            return
    place = settings.blobs or f"The data folder {settings.data}"
    raise Unmounted(f"{place} is not the one that files were stored in.", hint=_right_place(settings))


def _right_place(settings: Settings) -> str:
    if settings.blobs:
        return "Name the right bucket in PAPERLANE_BLOBS."
    return "Mount its disk, or name the right folder with --data."


def _open_upload(settings: Settings, ledger: Ledger, reference: str) -> BinaryIO:
    """An uploaded file, for reading. FileNotFoundError when it is lost; Unreadable where files lie elsewhere."""
    blobs = open_blobs(settings)
    try:
        return blobs.open(reference)
    except (FileNotFoundError, NotADirectoryError) as error:
        if blobs.is_marked(_mark_of(ledger)):
            raise
        place = "bucket" if settings.blobs else "data folder"
        raise Unreadable(
            f"The task's file cannot be read: the {place} is not the one that it was stored in.",
            hint=_right_place(settings),
        ) from error


def _reviewing(settings: Settings, ledger: Ledger) -> AbstractAsyncContextManager[Reviewing]:
    """What asks models in this process."""
    books, worker = LedgerBooks(ledger, Budget.of(settings)), f"{socket.gethostname()}-{os.getpid()}-{new_id()}"
    rates, answers = _rates(settings, ledger), LedgerAnswers(ledger, clock)
    return open_reviewing(models_of(settings), rates, answers, books, settings.model_patience_hours * _HOUR, worker)


def _rates(settings: Settings, ledger: Ledger) -> Rates:
    if settings.model_rates == "database" or not models_of(settings):
        return LedgerRates(ledger)
    try:
        from paperlane.ai.redis_rates import RedisRates  # noqa: PLC0415  its library is an extra
    except ImportError as error:
        raise Misconfigured(
            "The models' rates are to be kept on a Redis, and its library is not here.",
            hint="Install paperlane[arq], [celery] or [rq], or leave PAPERLANE_MODEL_RATES out.",
        ) from error
    return RedisRates(settings.redis_url)


@asynccontextmanager
async def host_of(settings: Settings, ledger: Ledger, token: str = "") -> AsyncGenerator[Host]:
    """What runs documents' tasks in this process."""
    async with open_sandbox(settings) as sandbox, _reviewing(settings, ledger) as reviewing:
        yield Host(
            ledger,
            document_chain(reviewing),
            sandbox.run,
            partial(_open_upload, settings, ledger),
            heartbeat=settings.heartbeat_seconds,
            sweep=settings.sweep_seconds,
            grace=settings.grace_seconds,
            clock=clock,
            fired=record_documents,
            token=token,
            refused=lambda: reviewing.refusals,
        )


async def run_worker(settings: Settings, stop: asyncio.Event, token: str = "") -> None:
    """A worker process of the engine `database`, until told to stop; then it drains.

    Its supervisor knows it by `token`.
    """
    async with _hosting(settings, stop, token) as host:
        if host is not None:
            await host.pull(Database(), span_of(settings, settings.slots, settings.slots_max or 0), stop)


async def run_beside(settings: Settings, engine: str, door: Path, stop: asyncio.Event) -> None:
    """The worker beside another maker's program, which brings what arrives through the door; until told to stop."""
    async with carrier_of(settings, engine, Door(door)) as carrier, _hosting(settings, stop) as host:
        if host is not None:
            channel = _channel_of(settings, engine)
            await host.push(carrier, span_of(settings, settings.slots), stop, channel=channel)


def span_of(settings: Settings, slots: int, most: int = 0) -> Span:
    """Between how many slots a worker chooses that begins with so many, and may have `most`."""
    return Span(slots, min(settings.slots_min, slots), max(slots, most))


def _channel_of(settings: Settings, engine: str) -> Channel:
    """What a worker of this engine serves: only Celery has a queue for each stage, and ARQ one for each shard."""
    if engine == "celery" and settings.stage:
        return Channel(frozenset({Stage(settings.stage)}))
    return Channel(shard=settings.shard, shards=settings.shards) if engine == "arq" else EVERYTHING


async def run_dispatcher(settings: Settings, engine: str, stop: asyncio.Event) -> None:
    """A dispatcher of a push engine, alone, until told to stop."""
    async with carrier_of(settings, engine) as carrier:
        if (ledger := await reach_ledger(settings, stop)) is None:
            return
        try:
            with following(ledger):
                await dispatch_for(ledger, carrier, stop, settings.sweep_seconds, clock, record_documents)
        finally:
            ledger.close()


@asynccontextmanager
async def _hosting(settings: Settings, stop: asyncio.Event, token: str = "") -> AsyncGenerator[Host | None]:
    """What runs tasks, as soon as the ledger can be reached; None when told to stop before."""
    if (ledger := await reach_ledger(settings, stop)) is None:
        yield None
        return
    try:
        with following(ledger):
            async with host_of(settings, ledger, token) as host:
                yield host
    finally:
        ledger.close()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def once(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, once, number)
    return stop
