"""A sandbox: warm child processes that run CPU-bound steps with limits, apart from the worker and the network."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

from paperlane.errors import DocumentError, Misconfigured, PaperlaneError, StepFault, Unreadable
from paperlane.threads import apart
from paperlane.tracing import note
from paperlane.work.child import FILE, NO_FILE, TOO_COMPLEX
from paperlane.work.metered import spend
from paperlane.work.own_time import waiting

_CHUNK = 1 << 20
_JOBS_OF_A_CHILD = 200
_RESIDENT_SHARE = 4  # a child that keeps more than this part of its memory limit is replaced
_READ_LIMIT = 1 << 20
_LONGEST_MESSAGE = 200
_DYING_SECONDS = 10.0
_START_SECONDS = 60.0  # imports on a busy machine with a cold disk; what a step may take says nothing of that
_NICE = 15


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may use."""

    memory_bytes: int = 1 << 30
    cpu_seconds: int = 300
    wall_seconds: float = 600.0
    output_bytes: int = 256 << 20


@dataclass(slots=True, eq=False)
class _Child:
    """A warm process and the way to it."""

    process: subprocess.Popen[bytes]
    way: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: "asyncio.Future[float]"  # watched for from the beginning: one that dies while it is idle is no zombie
    jobs: int = 0
    resident: int = 0
    used: float = 0.0  # seconds of processor time, when it last told
    took: bool = False  # the job that it was last given
    greeted: bool = False  # it has told that its steps are imported

    def worn(self, limits: Limits) -> bool:
        return self.jobs >= _JOBS_OF_A_CHILD or self.resident > limits.memory_bytes // _RESIDENT_SHARE

    async def over(self) -> float:
        """Wait until it has ended; how many seconds of processor time it used, by the system."""
        return await asyncio.shield(self.ended)

    def kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):  # it ended just now
                os.kill(self.process.pid, signal.SIGKILL)  # its own method would take its end, which we wait for

    async def end(self) -> float:
        """The same, at once."""
        self.writer.close()
        self.kill()
        return await self.over()


def _reap(process: subprocess.Popen[bytes]) -> float:
    """Wait for its end; what it used. Nothing where the system tells of no child's end, as its parent ignores them."""
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError:
        process.returncode = -signal.SIGKILL
        return 0.0
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


class _Gone(StepFault):
    """The process was dead before it took the job, so the job has nothing to do with it."""


class Sandbox:
    """Runs steps by name in at most `children` processes (0: one a core), first come, first served.

    `steps` names a mapping of steps ("package.module:NAME"), `paths` are further places to import from. Children start
    when they are first needed, serve many jobs, and are killed when a job is cancelled or breaks its limits.
    """

    def __init__(
        self, steps: str, limits: Limits | None = None, children: int = 0, paths: Sequence[str] = (), nice: int = _NICE
    ) -> None:
        self.children = children or os.cpu_count() or 1
        self._limits = limits or Limits()
        self._command = (steps, str(self._limits.memory_bytes), str(nice), *map(os.path.abspath, paths))
        self._room = asyncio.Semaphore(self.children)
        self._idle: list[_Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def warm(self) -> None:
        """Start a child, where none is idle: it imports its steps while the caller does something else."""
        if not self._idle:
            self._idle.append(await self._spawn())

    async def close(self) -> None:
        """End every child."""
        await asyncio.gather(*(child.end() for child in self._idle))
        self._idle.clear()

    async def run(
        self, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        """The step's result, in its saved form.

        DocumentError as the step raised it, or `too_complex` when it broke a limit that another attempt would break
        too; StepFault (`step_timeout`, `step_crashed`, `step_failed`) when another attempt may help; Unreadable when
        the system could not read the file; Misconfigured when the steps cannot be imported.
        """
        with waiting():
            await self._room.acquire()
        try:
            while self._idle:
                with suppress(_Gone):  # the kernel, short of memory, kills idle ones first
                    return await self._use(await self._ready(self._idle.pop()), step, value, file, progress)
            with waiting():
                child = await self._spawn()
            return await self._use(await self._ready(child), step, value, file, progress)
        finally:
            self._room.release()

    async def _use(
        self, child: _Child, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        done = False
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                result = await self._exchange(child, step, value, file, progress)
            done = True
        except DocumentError as error:
            done = error.code != TOO_COMPLEX
            raise
        except StepFault:
            done = True
            raise
        except Unreadable as error:
            done = True
            if file is not None and await apart(_reads, file.fileno()):  # a file may have taken the child over
                raise StepFault("The step could not read its file, which can be read.") from error
            raise
        except TimeoutError as error:
            raise StepFault(
                f"The step {step} took more than {self._limits.wall_seconds:.0f} s.",
                code="step_timeout",
                hint="Split the document.",
            ) from error
        except (EOFError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise await self._why_it_died(child, step) from error
        finally:
            if done and not child.worn(self._limits):
                self._idle.append(child)
            else:
                await asyncio.shield(self._end(child))
        return result

    async def _end(self, child: _Child) -> None:
        """What it used and could not tell, since it was killed, was used for its last job.

        Who is cancelled once more meanwhile does not wait for that; it is too late for that attempt's meter then.
        """
        used = await child.end()
        if child.took:
            self._spend(used - child.used)

    def _spend(self, seconds: float) -> None:
        """No more than it may use: a file may have taken the child over, and told so."""
        spend(min(max(0.0, seconds), self._limits.cpu_seconds))

    async def _spawn(self) -> _Child:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = _started(theirs, self._command)
            reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_LIMIT)
        except BaseException:  # a process that was started ends with its line
            ours.close()
            raise
        return _Child(process, ours, reader, writer, asyncio.ensure_future(apart(_reap, process)))

    async def _ready(self, child: _Child) -> _Child:
        """The child, as soon as it has imported its steps; it is ended where it does not."""
        try:
            if not child.greeted:
                with waiting():
                    await self._greet(child)
                child.greeted = True
        finally:
            if not child.greeted:
                await asyncio.shield(child.end())
        return child

    async def _greet(self, child: _Child) -> None:
        """Wait for what the child says first."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                told: dict[str, Any] = json.loads(await child.reader.readuntil())
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            raise _Gone("A step's process could not be started.", code="step_crashed") from error
        if "unusable" in told:
            raise Misconfigured(
                f"The steps {self._command[0]} cannot be imported: {told['unusable']}.",
                hint="Children import from the packages installed and from the sandbox's `paths`.",
            )
        child.used = told["used"]

    async def _exchange(
        self, child: _Child, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        child.took = False
        note(child=child.process.pid)
        if file is None:
            child.way.send(NO_FILE)
        else:
            socket.send_fds(child.way, [FILE], [file.fileno()])
        header = {
            "step": step,
            "size": len(value),
            "cpu": self._limits.cpu_seconds,
            "output": self._limits.output_bytes,
        }
        child.writer.write(json.dumps(header).encode() + b"\n")
        child.writer.write(value)
        await child.writer.drain()
        child.jobs += 1
        while True:
            told: dict[str, Any] = json.loads(await child.reader.readuntil())
            child.took = True
            if "progress" in told:
                progress(told["progress"], told["message"][:_LONGEST_MESSAGE])
            elif "resident" in told:
                child.resident = told["resident"]
                before, child.used = child.used, told.get("used", 0.0)
                self._spend(child.used - before)
                return await self._result(child, told)

    async def _result(self, child: _Child, told: dict[str, Any]) -> bytes:
        if "error" in told:
            raise _raised(told["error"])
        if told["size"] > self._limits.output_bytes:  # it would have said so itself, if a file had not taken it over
            raise DocumentError("The document needs too much room for its result.", code=TOO_COMPLEX)
        return await child.reader.readexactly(told["size"])

    async def _why_it_died(self, child: _Child, step: str) -> PaperlaneError:
        try:
            async with asyncio.timeout(_DYING_SECONDS):
                await child.over()
        except TimeoutError:  # it only closed its way out
            child.kill()
            await child.over()
        code = child.process.returncode
        if not child.took:
            return _Gone("A step's process died before it began.", code="step_crashed")
        if -code == signal.SIGXCPU:
            return DocumentError(
                f"The document needs more than {self._limits.cpu_seconds} s of computing time in the step {step}.",
                code=TOO_COMPLEX,
                hint="Split it, or leave out what is very large.",
            )
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return StepFault(
            f"The process of the step {step} died ({name}).",
            code="step_crashed",
            hint="The file may be broken; save it anew, or upload it in another format.",
        )


def _started(way: socket.socket, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """A process at the other end of this way. The loop's own would not tell what it has used once it is dead."""
    # isolated: neither the environment nor the folder it starts in says what it imports
    return subprocess.Popen(  # noqa: S603  a program of ours
        [sys.executable, "-I", "-X", "utf8", "-m", "paperlane.work.child", *command],
        stdin=way.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        process_group=0,  # not a session: see `leave_terminal`
    )


def _reads(file: int) -> bool:
    """Can all of it be read?"""
    at = 0
    try:
        while found := os.pread(file, _CHUNK, at):
            at += len(found)
    except OSError:
        return False
    return True


def _raised(error: dict[str, str]) -> PaperlaneError:
    kind = {"document": DocumentError, "file": Unreadable}.get(error["kind"], StepFault)
    return kind(error["message"], code=error["code"], hint=error["hint"])
