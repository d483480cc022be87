"""The supervisor: starts worker processes, starts a new one where one dies, and ends them all."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_STEADY = 30.0  # seconds after which a process counts as having started well


@dataclass(slots=True)
class Supervisor:
    """Keeps `count` processes of one command alive.

    Each gets a pipe as its standard input, which ends with this process however that dies: a worker drains then.
    Each is given a token as its last argument, for process ids may be others' too: on another machine of the same name.
    `died` is told the token of one that ended by itself or was killed, before a new one starts. `environment` is what
    each finds in its environment beside this process's own.
    """

    command: Sequence[str]
    count: int
    died: Callable[[str], Awaitable[None]]
    environment: Mapping[str, str] = field(default_factory=dict)
    _processes: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event, grace: float) -> None:
        """Until told to stop; then every process is asked to end, and killed when it has not after `grace`."""
        async with asyncio.TaskGroup() as keepers:
            kept = [keepers.create_task(self._keep_one(stop)) for _ in range(self.count)]
            await stop.wait()
            for process in tuple(self._processes.values()):
                _terminate(process)
            if kept:
                _, late = await asyncio.wait(kept, timeout=grace)
                for process in tuple(self._processes.values()) if late else ():
                    log.warning("a worker did not end in time and is killed", pid=process.pid)
                    _kill(process)

    async def _keep_one(self, stop: asyncio.Event) -> None:
        delay = _FIRST_DELAY
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            began = loop.time()
            try:
                await self._one(stop)
            except OSError:
                log.exception("a worker could not be started")
            delay = _FIRST_DELAY if loop.time() - began > _STEADY else min(delay * 2, _LONGEST_DELAY)
            await _pause(stop, delay)

    async def _one(self, stop: asyncio.Event) -> None:
        token = secrets.token_hex(8)
        # a Ctrl-C in the terminal is for this process, which then asks the workers to end; in a session of its own each
        # would be due as much of the processors as this one, however nice (sched(7), "The autogroup feature")
        process = await asyncio.create_subprocess_exec(
            *self.command,
            token,
            stdin=asyncio.subprocess.PIPE,
            process_group=0,
            env={**os.environ, **self.environment},
        )
        self._processes[process.pid] = process
        if stop.is_set():
            _terminate(process)
        code = await process.wait()
        del self._processes[process.pid]
        if not stop.is_set():
            log.error("a worker died and is replaced", pid=process.pid, code=code)
        if code != 0 or not stop.is_set():  # one that was asked to end, and did, has left by itself
            await self._tell(token, process.pid)

    async def _tell(self, token: str, pid: int) -> None:
        try:
            await self.died(token)
        except Exception:
            log.exception("a worker's death could not be told; its leases will expire", pid=pid)


@dataclass(slots=True)
class Crew:
    """Worker processes that come and go together: a `supervisor` keeps them while they are wanted.

    Those that are wanted no more drain for `grace` seconds at most. Others, that are wanted meanwhile, do not wait for
    that.
    """

    supervisor: Callable[[], Supervisor]
    grace: float
    running: asyncio.TaskGroup
    _over: asyncio.Event | None = None

    def want(self, *, wanted: bool) -> None:
        """Start them or have them end, where they are not wanted so already."""
        if wanted and self._over is None:
            self._over = asyncio.Event()
            self.running.create_task(self.supervisor().run(self._over, self.grace))
        elif not wanted and self._over is not None:
            log.info("the workers are asked to end")
            self._over.set()
            self._over = None


def _terminate(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
