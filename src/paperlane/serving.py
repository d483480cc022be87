"""The service: one process that answers people, runs the engine `inline` and supervises workers."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from math import ceil

import structlog
import uvicorn
from starlette.types import ASGIApp

from paperlane.assembly import (
    at_start,
    clock,
    host_of,
    kept_of,
    new_id,
    open_blobs,
    open_desk,
    open_guarding,
    open_results,
    owns_files,
    reach_ledger,
    span_of,
)
from paperlane.carriers import CARRIED, slots_of
from paperlane.desk import Desk
from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.engines.pool import Pool
from paperlane.errors import Misconfigured, Unavailable
from paperlane.ledger import Ledger
from paperlane.machine import Machine
from paperlane.monitor.watching import watch
from paperlane.monitor.webhook import Receiver
from paperlane.patience import Patience, Stopped, patiently
from paperlane.retention import Places, keep_house
from paperlane.rollout import RollOut
from paperlane.rollout.flags import WORKER_POOL
from paperlane.rollout.guarding import Guarding
from paperlane.scheduling.pace import every, pause
from paperlane.settings import Settings
from paperlane.telemetry import following
from paperlane.threads import Threads
from paperlane.web.app import create_app
from paperlane.web.gate import Gate
from paperlane.web.impatience import Impatient
from paperlane.work.supervisor import Crew, Supervisor

log = structlog.get_logger(__name__)

_LAST_WORDS = 10.0  # seconds that a worker may take to end after its grace
_LOOK_FOR_TURN = 10.0  # seconds between questions whether roll-outs are to be judged
_LOOK_FOR_ROLL_OUTS = 1.0  # seconds: so soon a flag is followed here
_USUAL_POOL = 10  # slots of the engine `pool`, where it is the default one
_GOODBYE = 5  # seconds that open requests get at the end
_DAY = 86_400.0


@contextmanager
def _in_data_folder() -> Generator[None]:
    """Misconfigured where the system refuses something in the data folder: no server's database has looked there."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Misconfigured(
            f"The data folder cannot be used: {where}{error.strerror}.", hint="Name another one with --data."
        ) from error


@_in_data_folder()
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
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no name of a host"
        raise Misconfigured(
            f"Cannot listen on {settings.host}:{settings.port}: {why}.",
            hint="Choose another --port, or a --host that this machine has.",
        ) from error
    return listening


def divide_limit(settings: Settings) -> tuple[int, int, int]:
    """The slots that `inline` and `pool` ask for, and each worker: who registers first must not take what others need.

    Where all together want more than the system's limit, each gets its proportional share, and at least 1. Of a limit
    of 1 only the default engine gets something.
    """
    workers = settings.workers or int(settings.engine == Database.traits.name)  # none here: one that people start
    elsewhere = slots_of(settings, settings.engine) if settings.engine in CARRIED else 0  # a worker that they start
    here = {Inline.traits.name: settings.inline_slots, Pool.traits.name: _pool_slots(settings)}
    wanted = workers * settings.slots + elsewhere + sum(here.values())
    if workers + elsewhere == 0 or wanted <= settings.system_limit:
        return *here.values(), settings.slots  # type: ignore[return-value]

    def share(engine: str, slots: int) -> int:
        least = int(settings.system_limit > 1 or settings.engine == engine)
        return max(least, settings.system_limit * slots // wanted) if slots else 0

    shares = [share(engine, slots) for engine, slots in here.items()]
    left = settings.system_limit - sum(shares) - share(settings.engine, elsewhere)
    return *shares, max(1, ceil(left / max(1, workers)))  # type: ignore[return-value]


def _pool_slots(settings: Settings) -> int:
    if settings.pool_slots is not None:
        return settings.pool_slots
    return _USUAL_POOL if settings.engine == Pool.traits.name else 0


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
        kept.enter_context(following(ledger))
        # apart: what a dead worker held, and a flag, must not wait until old tasks are removed
        threads, burying, flags, guards = Threads("serve"), Threads("bury"), Threads("flags"), Threads("guards")
        for apart in (threads, burying, flags, guards):
            kept.callback(apart.close)
        host = await kept.enter_async_context(host_of(settings, ledger))
        secret, receiver = secret_of(settings), Receiver.of(settings)
        desk = open_desk(settings, ledger)
        owns = partial(owns_files, settings, ledger)
        try:
            first_sign_in = await patiently(lambda: threads(desk.accounts.first_sign_in), "starting", stop=stop)
            # leaves the mark before the first upload, for others to see
            with _in_data_folder():
                await patiently(lambda: threads(at_start, owns), "starting", stop=stop)
            await patiently(lambda: threads(_name_engine, desk, settings.engine), "starting", stop=stop)
        except Stopped:
            return
        async with asyncio.TaskGroup() as running:
            joined = asyncio.Event()
            inline, pool, of_each_worker = divide_limit(settings)
            pushing = running.create_task(host.push(Inline(), span_of(settings, inline), stop, joined.set))
            if pool:
                running.create_task(host.pull(Pool(), span_of(settings, pool), stop))
            joining = running.create_task(joined.wait())
            await asyncio.wait({joining, pushing}, return_when=asyncio.FIRST_COMPLETED)
            joining.cancel()
            if not joined.is_set():  # told to stop before it could join
                return
            app = create_app(desk, settings, secret)
            await kept.enter_async_context(app.router.lifespan_context(app))
            command = _worker_command(settings, of_each_worker)
            # not on the command line, which everybody on this machine can read: it may hold a password
            where = {"PAPERLANE_DATABASE_URL": settings.database}
            supervisor = partial(Supervisor, command, settings.workers, partial(bury, ledger, burying), where)
            crew = Crew(supervisor, settings.grace_seconds + _LAST_WORDS, running)
            places = Places(open_blobs(settings), open_results(settings))
            running.create_task(_roll_out(desk.rollout, flags, crew, stop))
            running.create_task(_guard(open_guarding(desk), guards, stop))
            answers_kept = settings.keep_answers_days * _DAY
            house = keep_house(ledger, places, kept_of(settings), threads, stop, owns, answers_kept)
            running.create_task(house)
            running.create_task(watch(ledger, settings, Machine(), clock, new_id, stop, receiver))
            gate.open(app)
            announce(url, first_sign_in or "")
            await stop.wait()
            crew.want(wanted=False)
            server.should_exit = True


def _name_engine(desk: Desk, engine: str) -> None:
    """Who starts a service says which engine is the usual one, whatever others say."""
    if before := desk.operating.name_usual(engine):
        log.info("the default engine is another one", engine=engine, before=before)


async def _roll_out(rollout: RollOut, threads: Threads, crew: Crew, stop: asyncio.Event) -> None:
    """Follow flags, and bring lanes where roll-outs say, in place of who set one and died before all were there."""
    patience = Patience()
    async for _ in every(_LOOK_FOR_ROLL_OUTS, stop):
        try:
            pages, page, moved = rollout.settle(), 0, 0
            while page is not None:  # the flag is looked at between pages: there may be many
                has_workers = await threads(rollout.uses, WORKER_POOL)
                if not stop.is_set():
                    crew.want(wanted=has_workers)
                page = await threads(next, pages, None)
                moved += page or 0
            if moved:
                log.info("users were moved by a roll-out", users=moved)
            patience.worked()
        except Unavailable as error:
            log.warning("a roll-out waits", why=error.message)
            await pause(patience.wait(), stop)
        except Exception:
            log.exception("a roll-out failed")
            await pause(patience.wait(), stop)


async def _guard(guarding: Guarding, threads: Threads, stop: asyncio.Event) -> None:
    """Judge roll-outs, once a minute over all processes."""
    async for _ in every(_LOOK_FOR_TURN, stop):
        try:
            looking, step = guarding.looking(), 0
            while step is not None and not stop.is_set():  # there may be weeks to read
                step = await threads(next, looking, None)
        except Unavailable as error:
            log.warning("guardrails wait", why=error.message)
        except Exception:
            log.exception("a guardrail failed")


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
