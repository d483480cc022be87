"""A service of the benchmark's own: real processes over a fresh folder, which nobody's settings reach."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from paperlane.bench.bound import bound
from paperlane.errors import Misconfigured

_PREFIX = "PAPERLANE_"
_AROUND = (_PREFIX, "OTEL_", "CELERY_")  # what the installation is told: also where its traces and its tasks go
_START = 300.0  # seconds: on a busy machine a first start with a database to make takes minutes
_END = 90.0  # seconds
_TOLD = 600  # characters of a log
_LOOK = 0.05  # seconds
_READY = re.compile(r"ready at (\S+)")


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment of a child with just these settings: none of those around us reach it."""
    around = {name: value for name, value in os.environ.items() if not name.upper().startswith(_AROUND)}
    return {**around, **{f"{_PREFIX}{name.upper()}": _written(value) for name, value in settings.items()}}


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(slots=True)
class House:
    """A running service, and what was started beside it.

    `url` is where it answers, `settings` are all that it was given, `beside` the options of further worker processes.
    """

    folder: Path
    settings: Mapping[str, object]
    beside: Sequence[Sequence[str]] = ()
    url: str = ""
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> None:
        """Start it, and wait until it answers. Misconfigured, with its last words, where it does not."""
        await self._spawn("serve", "--port", "0")
        began = asyncio.get_running_loop().time()
        while (found := _READY.search(self.said())) is None:
            late = asyncio.get_running_loop().time() > began + _START
            if late or self.processes[0].returncode is not None:
                raise Misconfigured(
                    f"The service did not start: {self.said()[-_TOLD:].strip() or 'it said nothing'}",
                    hint="Mend what it says, or choose another engine or database.",
                )
            await asyncio.sleep(_LOOK)
        self.url = found[1]
        for options in self.beside:
            await self._spawn("worker", *options)

    async def _spawn(self, *command: str) -> None:
        with (self.folder / "said.log").open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                *bound(sys.executable, "-m", "paperlane", *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=environment(self.settings),
                cwd=self.folder,  # no paperlane.toml is there
            )
        self.processes.append(process)

    def said(self) -> str:
        """What all its processes have printed and logged."""
        return (self.folder / "said.log").read_text(errors="replace")

    async def admin(self) -> str:
        """The token of a new admin, made at the machine as every first one is."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "paperlane", "user", "add", "bench-admin", "--role", "admin", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self.settings),
            cwd=self.folder,
        )
        out, said = await process.communicate()
        if process.returncode:
            raise Misconfigured("No admin could be made.", hint=said.decode(errors="replace")[-_TOLD:])
        return str(json.loads(out)["token"])

    def alive(self) -> Mapping[str, psutil.Process]:
        """Every process of it that lives now, by what it is and its number: service, worker, or sandbox."""
        found: dict[str, psutil.Process] = {}
        for process in self.processes:
            with suppress(psutil.Error):
                root = psutil.Process(process.pid)
                for one in (root, *root.children(recursive=True)):
                    with suppress(psutil.Error):
                        found[f"{_kind(one.cmdline())} {one.pid}"] = one
        return found

    def kill_worker(self, number: int) -> bool:
        """Kill one of its worker processes with -9, by turns; False where there is none now."""
        workers = [one for name, one in sorted(self.alive().items()) if name.startswith("worker")]
        if not workers:
            return False
        with suppress(psutil.Error):
            workers[number % len(workers)].send_signal(signal.SIGKILL)
        return True

    async def stop(self) -> None:
        """End it in order; what does not end in time is killed with all below it."""
        below = list(self.alive().values())
        for process in reversed(self.processes):
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(_END):
                for process in self.processes:
                    await process.wait()
        except TimeoutError:
            pass
        for one in below:  # a service that was killed leaves its workers to end by themselves
            with suppress(psutil.Error):
                one.kill()
        for process in self.processes:
            await process.wait()


def _kind(command: Sequence[str]) -> str:
    if "serve" in command:
        return "service"
    named = " ".join(command)
    return "worker" if "worker" in command or "paperlane.entry" in named else "sandbox"


@asynccontextmanager
async def running(house: House) -> AsyncGenerator[House]:
    """The house, until the block ends, however that is."""
    try:
        await house.start()
        yield house
    finally:
        await house.stop()


@asynccontextmanager
async def model(median: float, sigma: float, seed: int) -> AsyncGenerator[str]:
    """The address of a slow model, a process of its own that ends with the block, or with this process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "paperlane.bench.slow_model", str(median), str(sigma), str(seed)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment({}),
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
