"""A door in a worker's process: programs of other makers on this machine bring leases to it, and wait until they ended.

ARQ, Celery and RQ run what arrives in processes of their own, which they fork, recycle and kill. None of them opens the
ledger or a sandbox: it knocks at the door of the worker beside it, which runs all of their attempts, writes what they
tell in common transactions, and looks after their leases. Whoever brought a lease and goes away hands it back.

A visitor sends a line for each lease, a JSON object as `words_of` makes it, and is sent a line when it has ended.
"""

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Self

import structlog
from typing_extensions import override

from paperlane.engines import RunAndFinish
from paperlane.model.tasks import Lease, Stage, TaskId, UserId

log = structlog.get_logger(__name__)

_ENDED, _REFUSED = b"ended\n", b"refused\n"
_LONGEST_LINE = 4_096  # bytes
_AT_ONCE = 100  # leases that a dispatcher may hand over
_PATIENCE = 30.0  # seconds for which a visitor waits for the door to open: a worker that was killed is started again
_KNOCK = 0.1  # seconds between two knocks


class Shut(Exception):
    """The door did not open, or was shut before the lease had ended; the ledger hands the task out again."""


def words_of(lease: Lease) -> dict[str, str | int]:
    """A lease as it travels: values of JSON."""
    return {"task": lease.task, "fence": lease.fence, "stage": lease.stage.value, "user": lease.user}


def lease_of(words: object) -> Lease:
    """The lease in what has arrived. ValueError for anything else: whoever reaches a broker may have put it there."""
    match words:
        case {"task": str(task), "fence": int(fence), "stage": str(stage), "user": int(user)}:
            return Lease(TaskId(task), fence, Stage(stage), UserId(user))
        case _:
            raise ValueError(f"This is no lease: {words!r:.100}")


class Door:
    """Where leases are brought to: `at` is the path of a Unix socket, in a folder that nobody else may enter."""

    def __init__(self, at: Path) -> None:
        self._at = at

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> Sequence[Lease]:
        """Run what is brought until told to stop; when all that ran has ended, what was brought and not begun."""
        unbegun: list[Lease] = []
        visits: set[_Visit] = set()
        shut = asyncio.Event()

        async def take(lease: Lease) -> None:
            if stop.is_set():
                unbegun.append(lease)
            else:
                await run(lease)

        self._at.unlink(missing_ok=True)  # of a worker that was killed
        loop = asyncio.get_running_loop()
        async with await loop.create_unix_server(lambda: _Visit(take, visits, shut), self._at):
            await stop.wait()
            while inside := {visit.running for visit in visits if visit.running is not None}:
                await asyncio.wait(inside)
                await asyncio.sleep(0)  # they are answered
            shut.set()
            for idle in visits:
                idle.close()
        return unbegun


class _Visit(asyncio.Protocol):
    """Somebody who brings leases, and is answered when each has ended; whoever goes away before gives it up."""

    def __init__(self, take: RunAndFinish, visits: "set[_Visit]", shut: asyncio.Event) -> None:
        self.running: asyncio.Task[None] | None = None
        self._take = take
        self._visits = visits
        self._shut = shut
        self._lines: deque[bytes] = deque()
        self._rest = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._visits.add(self)
        if self._shut.is_set():  # it was let in just before
            transport.close()

    def close(self) -> None:
        """Let it go away."""
        self._transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        """Take the next line, when the one before was answered; one that comes before that is an interruption."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if max(map(len, (self._rest, *lines))) > _LONGEST_LINE:
            self._transport.abort()
            return
        self._lines.extend(lines)
        if self.running is None:
            self._next()
        elif lines:
            self._give_up()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._visits.discard(self)
        self._lines.clear()
        self._give_up()

    def _give_up(self) -> None:
        if self.running is not None:
            log.warning("whoever brought a task went away; it is handed back", task=self.running.get_name())
            asyncio.get_running_loop().call_soon(self.running.cancel)  # once it has started, for else nobody hands back

    def _next(self) -> None:
        while self._lines and self.running is None:
            try:
                lease = lease_of(json.loads(self._lines.popleft()))
            except (ValueError, RecursionError) as error:
                log.warning("what was brought is refused", why=str(error))
                self._transport.write(_REFUSED)
            else:
                self.running = asyncio.create_task(self._run(lease), name=f"{lease.task}, lease {lease.fence}")
        if self._lines:
            self._give_up()

    async def _run(self, lease: Lease) -> None:
        try:
            await self._take(lease)
        except Exception:
            log.exception("a task that was brought could not be run", task=lease.task)
        finally:
            self.running = None
            self._transport.write(_ENDED)
            self._next()


class Brought:
    """What the engines have in common whose leases other makers' programs bring; without a door they only deliver."""

    def __init__(self, door: Door | None) -> None:
        self._door = door

    def room(self, granted: int) -> int:  # noqa: ARG002  the engine's workers share what it carries
        """How many more leases may be handed over now: the ledger counts them by the slots of live workers."""
        return _AT_ONCE

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> Sequence[Lease]:
        """Run what is brought, until told to stop."""
        if self._door is None:
            await stop.wait()
            return ()
        return await self._door.serve(run, stop)


class Visitor:
    """Brings leases to a door, one after the other, and waits until each has ended."""

    def __init__(self, door: Path) -> None:
        self._door = door
        self._connection: socket.socket | None = None
        self._answers: BinaryIO | None = None

    def bring(self, lease: Lease) -> None:
        """Return when the lease has ended. Shut when the door does not open; ValueError where the lease is none.

        Brought again to a worker that was started again, a lease that was begun before is passed over there.
        """
        line = json.dumps(words_of(lease)).encode() + b"\n"
        try:
            answer = self._until_answered(line)
        except BaseException:  # a signal of who runs this, most likely: what is under way is given up
            self.close()
            raise
        _check(answer, lease)

    def _until_answered(self, line: bytes) -> bytes:
        while not (answer := self._answer(line)):
            self.close()
            self._knock()
        return answer

    def close(self) -> None:
        """Keep no connection."""
        for end in (self._answers, self._connection):
            if end is not None:
                end.close()
        self._answers = self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _answer(self, line: bytes) -> bytes:
        """The line that came back; nothing where the door is shut."""
        if self._connection is None or self._answers is None:
            return b""
        try:
            self._connection.sendall(line)
            return self._answers.readline()
        except OSError:
            return b""

    def _knock(self) -> None:
        """Until the door opens."""
        until = time.monotonic() + _PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._door))
            except OSError as error:
                connection.close()
                _is_shut(self._door, until, error)
                time.sleep(_KNOCK)
            else:
                self._connection, self._answers = connection, connection.makefile("rb")
                return


class AsyncVisitor:
    """The same for a program with a loop; cancelled, it gives up what is under way."""

    def __init__(self, door: Path) -> None:
        self._door = door
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def bring(self, lease: Lease) -> None:
        """Return when the lease has ended. Shut when the door does not open; ValueError where the lease is none."""
        line = json.dumps(words_of(lease)).encode() + b"\n"
        try:
            while not (answer := await self._answer(line)):
                self.close()
                await self._knock()
        except BaseException:
            self.close()
            raise
        _check(answer, lease)

    def close(self) -> None:
        """Keep no connection."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None

    async def _answer(self, line: bytes) -> bytes:
        if self._ends is None:
            return b""
        reader, writer = self._ends
        try:
            writer.write(line)
            return await reader.readline()
        except OSError:
            return b""

    async def _knock(self) -> None:
        until = time.monotonic() + _PATIENCE
        while self._ends is None:
            try:
                self._ends = await asyncio.open_unix_connection(self._door)
            except OSError as error:
                _is_shut(self._door, until, error)
                await asyncio.sleep(_KNOCK)


def _is_shut(door: Path, until: float, why: OSError) -> None:
    """Shut when it has not opened until this monotonic time, or nobody will open it."""
    if time.monotonic() > until or not door.parent.exists():
        raise Shut(f"The worker beside does not answer: {why.strerror or why}.") from why


def _check(answer: bytes, lease: Lease) -> None:
    if answer != _ENDED:
        raise ValueError(f"The worker refused {words_of(lease)}.")
