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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self

import structlog

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
        self._inside: set[asyncio.Task[None]] = set()
        self._visitors: set[asyncio.StreamWriter] = set()
        self._unbegun: list[Lease] = []

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> Sequence[Lease]:
        """Run what is brought until told to stop; when all that ran has ended, what was brought and not begun."""

        async def take(lease: Lease) -> None:
            if stop.is_set():
                self._unbegun.append(lease)
            else:
                await run(lease)

        async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._visitors.add(writer)
            try:
                await self._serve_visitor(reader, writer, take)
            except OSError as error:
                log.warning("whoever brought tasks went away", why=error.strerror)
            finally:
                self._visitors.discard(writer)
                writer.close()

        self._at.unlink(missing_ok=True)  # of a worker that was killed
        async with await asyncio.start_unix_server(visited, self._at, limit=_LONGEST_LINE):
            await stop.wait()
            while self._inside:
                await asyncio.wait(self._inside)
            for idle in self._visitors:
                idle.close()
        return self._unbegun

    async def _serve_visitor(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, take: RunAndFinish
    ) -> None:
        next_line = asyncio.create_task(_line(reader))
        while line := await next_line:
            next_line = asyncio.create_task(_line(reader))
            try:
                lease = lease_of(json.loads(line))
            except ValueError as error:
                log.warning("what was brought is refused", why=str(error))
                writer.write(_REFUSED)
                continue
            running = asyncio.create_task(take(lease))
            self._inside.add(running)
            running.add_done_callback(self._inside.discard)
            await asyncio.wait({running, next_line}, return_when=asyncio.FIRST_COMPLETED)
            if next_line.done() and not running.done():  # it says more before it was answered, or went away
                log.warning("whoever brought a task went away; it is handed back", task=lease.task, fence=lease.fence)
                running.cancel()
            await running
            writer.write(_ENDED)
            await writer.drain()


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


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; nothing where there is none any more."""
    try:
        line = await reader.readline()
    except (OSError, ValueError):  # reset, or longer than any lease
        return b""
    return line if line.endswith(b"\n") else b""


class Visitor:
    """Brings leases to a door, one after the other, and waits until each has ended."""

    def __init__(self, door: Path) -> None:
        self._door = door
        self._connection: socket.socket | None = None
        self._answers: BinaryIO | None = None
        self._left = False

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
        if answer != _ENDED:
            raise ValueError(f"The worker refused {words_of(lease)}.")

    def _until_answered(self, line: bytes) -> bytes:
        while not (answer := self._answer(line)):
            self.close()
            if self._left:
                raise Shut("Whoever brought the task went away.")
            self._knock()
        return answer

    def leave(self) -> None:
        """Go away, from another thread: what is under way is handed back."""
        self._left = True
        if (connection := self._connection) is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

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
        if self._connection is None or self._answers is None or self._left:
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
                if self._left or time.monotonic() > until or not self._door.parent.exists():  # nobody will open it
                    raise Shut(f"The worker beside does not answer: {error.strerror or error}.") from error
                time.sleep(_KNOCK)
            else:
                self._connection, self._answers = connection, connection.makefile("rb")
                return
