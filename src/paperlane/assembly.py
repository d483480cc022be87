"""Builds the parts of an installation and joins them; the one file that knows every room."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from math import ceil, inf

import structlog
import uvicorn
from pydantic import TypeAdapter
from sqlalchemy import Connection
from starlette.types import ASGIApp

from paperlane import hosting
from paperlane.blobs.folder import Folder
from paperlane.blobs.whole import Whole
from paperlane.clock import SortableIds, SystemClock
from paperlane.desk import Desk
from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.errors import Misconfigured
from paperlane.hosting import Host
from paperlane.ledger import Also, Kept, Ledger, Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import UPLOAD_VERSION, Report, Severity, Upload
from paperlane.model.tasks import NewBatch, TaskId
from paperlane.patience import Stopped, patiently
from paperlane.pipeline import DOCUMENT_PROCESSING, REPORT, test_document
from paperlane.records import accounts, documents
from paperlane.records.issues import save
from paperlane.retention import Places, keep_house
from paperlane.scheduling.wakeup import Wakeup
from paperlane.settings import Settings
from paperlane.threads import Threads, apart
from paperlane.web.app import create_app
from paperlane.web.gate import Gate
from paperlane.web.impatience import Impatient
from paperlane.work import Chain
from paperlane.work.sandbox import Limits, Sandbox
from paperlane.work.supervisor import Supervisor

log = structlog.get_logger(__name__)

STEPS = "paperlane.pipeline:STEPS"

_SOON = 1.0  # seconds of a start that nobody wonders about
_LAST_WORDS = 10.0  # seconds that a worker may take to end after its grace
_GOODBYE = 5  # seconds that open requests get at the end
_DAY = 86_400.0

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
    )
    return hosting.open_ledger(settings.database, rules, settings.task_seconds, Whole(open_results(settings)))


async def reach_ledger(
    settings: Settings, stop: asyncio.Event, waits: Callable[[], None] = lambda: None
) -> SqlLedger | None:
    """The ledger, as soon as its database can be reached; None when told to stop before, whatever it waits for.

    `waits` is called once when that takes longer than a start usually does. Unavailable when the database cannot be
    reached for `database_wait_seconds`: whoever started this process tries again then.
    """
    most = inf if settings.database_wait_seconds is None else settings.database_wait_seconds
    # apart: to connect may take seconds, and to wait for another process that migrates minutes
    opening = asyncio.create_task(patiently(lambda: apart(open_ledger, settings), "starting", lambda _: most))
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


def open_blobs(settings: Settings) -> Folder:
    """Where the uploaded files lie."""
    return Folder(settings.data / "blobs")


def open_results(settings: Settings) -> Folder:
    """Where large results of steps lie: apart, or who looks for uploads that nothing names would have to know them."""
    return Folder(settings.data / "results")


def open_desk(settings: Settings, ledger: Ledger) -> Desk:
    """What people can ask for."""
    return Desk(ledger, open_blobs(settings), settings, clock, new_id)


def user_names(ledger: Ledger) -> Mapping[int, str]:
    """The name of each account by its id."""
    return {account.id: account.name for account in ledger.read(accounts.everyone)}


def secret_of(settings: Settings) -> str:
    """What signs the page's sessions: made once, and kept in the data folder for its owner only."""
    path = settings.data / "secret.key"
    settings.data.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        mine = path.with_name(f"secret.{secrets.token_hex(8)}")
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another service of this folder starts too, and was first
            path.hardlink_to(mine)  # whole or not there: half a secret would sign what anybody can forge
        mine.unlink()
    if not (secret := path.read_text().strip()):
        raise Misconfigured(f"{path} is empty.", hint="Remove it: a new one is made, and everybody signs in again.")
    return secret


def open_sandbox(settings: Settings) -> Sandbox:
    """Child processes for the steps of the document chain."""
    limits = Limits(
        memory_bytes=settings.step_memory_mb << 20,
        cpu_seconds=settings.step_cpu_seconds,
        wall_seconds=settings.step_seconds,
        output_bytes=settings.step_output_mb << 20,
    )
    return Sandbox(STEPS, limits, children=settings.sandboxes)


def document_chain() -> Chain:
    """Testing a document: the steps, and what its report leaves in the records."""

    def also(task: TaskId, step: str, result: bytes) -> Also | None:
        if step != REPORT.name:
            return None
        report = _REPORT.validate_json(result)
        return lambda connection: save(connection, task, report.issues)

    def summary(result: bytes) -> Mapping[str, object]:
        report = _REPORT.validate_json(result)
        return {
            "coverage": asdict(report.coverage),
            "issues": {severity.value: report.count(severity) for severity in Severity},
            "warnings": [asdict(notice) for notice in report.notices],
        }

    return Chain(test_document, also, summary, UPLOAD_VERSION)


def record_documents(connection: Connection, batch: NewBatch, now: float) -> None:
    """What a schedule submits are documents, as if somebody had uploaded them again."""
    uploads = {task.id: _UPLOAD.validate_json(task.payload) for task in batch.tasks}
    documents.add(connection, batch.user, uploads, now)


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
    """Do all files of the data folder belong to this ledger? Then those that it does not name may be removed.

    Each ledger that was ever served over the folder leaves a mark in it; an embedded database counts as one.
    """
    since = ledger.read(accounts.first_at)  # the first account stays, and no other ledger began at that instant
    alone = open_blobs(settings).mark(f"{since or 0.0:.6f}")
    embedded = settings.data.absolute() / "paperlane.db"
    return alone and (settings.database == f"sqlite:///{embedded}" or not embedded.exists())


@asynccontextmanager
async def host_of(settings: Settings, ledger: Ledger, token: str = "") -> AsyncGenerator[Host]:
    """What runs documents' tasks in this process."""
    async with open_sandbox(settings) as sandbox:
        yield Host(
            ledger,
            document_chain(),
            sandbox.run,
            open_blobs(settings).open,
            heartbeat=settings.heartbeat_seconds,
            sweep=settings.sweep_seconds,
            grace=settings.grace_seconds,
            clock=clock,
            fired=record_documents,
            token=token,
        )


async def run_worker(settings: Settings, engine: str, slots: int, stop: asyncio.Event, token: str = "") -> None:
    """A worker process of a pull engine, until told to stop; then it drains. Its supervisor knows it by `token`."""
    if engine != Database.traits.name:
        raise Misconfigured(f"There are no worker processes for the engine {engine!r}.", hint="Use --engine database.")
    if (ledger := await reach_ledger(settings, stop)) is None:
        return
    try:
        async with host_of(settings, ledger, token) as host:
            await host.pull(Database(), slots, stop)
    finally:
        ledger.close()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals end the workers too, so they are not the server's own."""
        yield


def _server(app: ASGIApp, settings: Settings) -> _Server:
    class Protocol(Impatient):
        patience = settings.upload_idle_seconds

    return _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_GOODBYE,
            http=Protocol,
            ws="websockets-sansio",
            lifespan="off",
        )
    )


@asynccontextmanager
async def _answering(
    app: ASGIApp, settings: Settings, listening: socket.socket, stop: asyncio.Event
) -> AsyncGenerator[_Server]:
    """The server answers; after it no request is under way. `stop` is set when it ends by itself."""
    server = _server(app, settings)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    serving.add_done_callback(lambda _: stop.set())
    try:
        yield server
    finally:
        server.should_exit = True
        await serving


def listen(settings: Settings) -> socket.socket:
    """The socket that the service answers on. Misconfigured when it cannot be had."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        # the protocol is named, or asyncio would leave Nagle's algorithm on: 40 ms an answer
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(512)
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.",
            hint="Choose another --port, or a --host that this machine has.",
        ) from error
    return listening


def divide_limit(settings: Settings) -> tuple[int, int]:
    """The slots that `inline` asks for, and each worker: who registers first must not take what the others need.

    Where all together want more than the system's limit, each gets its proportional share, and at least 1. Of a limit
    of 1 only the default engine gets something.
    """
    workers = settings.workers or int(settings.engine == Database.traits.name)  # none here: one that people start
    wanted = workers * settings.slots + settings.inline_slots
    if workers == 0 or wanted <= settings.system_limit:
        return settings.inline_slots, settings.slots
    least = int(settings.system_limit > 1 or settings.engine == Inline.traits.name)
    inline = max(least, settings.system_limit * settings.inline_slots // wanted)
    return inline, max(1, ceil((settings.system_limit - inline) / workers))


async def serve(
    settings: Settings, stop: asyncio.Event, announce: Callable[[str, str], None], waits: Callable[[str], None]
) -> None:
    """The service until told to stop: API, page, the engine `inline`, and supervised workers.

    It listens at once, and a gate answers until its database is reached. `announce` is told the service's URL when it
    is ready and, at the first start, the path of the link that signs the first admin in; `waits` is told the URL when
    that is long in coming.
    """
    listening = listen(settings)
    url = f"http://{_shown(settings.host)}:{listening.getsockname()[1]}"
    gate = Gate()
    async with AsyncExitStack() as kept, _answering(gate, settings, listening, stop) as server:
        kept.callback(listening.close)  # as all that is kept: requests under way still need it
        if (ledger := await reach_ledger(settings, stop, partial(waits, url))) is None:
            return
        kept.callback(ledger.close)
        threads = Threads("serve")
        kept.callback(threads.close)
        host = await kept.enter_async_context(host_of(settings, ledger))
        secret = secret_of(settings)
        desk = open_desk(settings, ledger)
        owns = partial(owns_files, settings, ledger)
        try:
            first_sign_in = await patiently(lambda: threads(desk.first_sign_in), "starting", stop=stop)
            # leaves the mark before the first upload, for others to see
            await patiently(lambda: threads(owns), "starting", stop=stop)
        except Stopped:
            return
        async with asyncio.TaskGroup() as running:
            bell: asyncio.Future[Wakeup] = asyncio.get_running_loop().create_future()
            slots, of_each_worker = divide_limit(settings)
            pushing = running.create_task(host.push(Inline(slots), slots, stop, bell.set_result))
            await asyncio.wait({bell, pushing}, return_when=asyncio.FIRST_COMPLETED)
            if not bell.done():  # told to stop before it could join
                return
            app = create_app(desk, settings, bell.result().ring, secret)
            await kept.enter_async_context(app.router.lifespan_context(app))
            command = _worker_command(settings, of_each_worker)
            # not on the command line, which everybody on this machine can read: it may hold a password
            where = {"PAPERLANE_DATABASE_URL": settings.database}
            supervisor = Supervisor(command, settings.workers, partial(bury, ledger, threads), where)
            running.create_task(supervisor.run(stop, settings.grace_seconds + _LAST_WORDS))
            places = Places(open_blobs(settings), open_results(settings))
            house = keep_house(ledger, places, kept_of(settings), threads, stop, owns)
            running.create_task(house)
            gate.open(app)
            announce(url, first_sign_in or "")
            await stop.wait()
            server.should_exit = True


def _shown(host: str) -> str:
    """The host as it stands in a link that can be opened here: every address of a machine is none."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104  asked for, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _worker_command(settings: Settings, slots: int) -> Sequence[str]:
    """The same command line, as a worker that ends when its standard input does; a token is still to follow."""
    options = ("--engine", "database", "--slots", str(slots))
    return (sys.executable, "-m", "paperlane", "worker", "--data", str(settings.data), *options, "--supervised")


async def bury(ledger: Ledger, threads: Threads, token: str) -> None:
    """A worker that this process started died: what it held goes on now, not when its lease ends."""
    for member in await threads(ledger.members):
        if member.host.endswith(f"/{token}"):
            found = await threads(ledger.leave, member.id)
            log.warning("recovered from a dead worker", worker=member.id, tasks=found.expired)


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
