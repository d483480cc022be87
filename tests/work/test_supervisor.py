"""The supervisor keeps its processes, whatever goes wrong with them, and tells who died."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.databases import new_file
from tests.work.counting import COUNTING, HereAndNow

from paperlane.engines.database import Database
from paperlane.hosting import Host, open_ledger
from paperlane.serving import bury
from paperlane.threads import Threads
from paperlane.work.supervisor import Crew, Supervisor

ENDS = "pass"
HEARS_NOTHING = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
ENDS_WHEN_ASKED = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"


class Watched:
    """Starts processes, at first only after some attempts have failed, and knows the token of each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int = 0) -> None:
        self.started: list[str] = []
        self.starts: asyncio.Queue[str] = asyncio.Queue()
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self._failures = failures
        self._really: Callable[..., Awaitable[Process]] = asyncio.create_subprocess_exec
        monkeypatch.setattr(asyncio, "create_subprocess_exec", self.start)

    async def start(self, *command: str, **options: object) -> Process:
        if self._failures > 0:
            self._failures -= 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        process = await self._really(*command, **options)
        self.started.append(command[-1])
        self.starts.put_nowait(command[-1])
        return process

    async def died(self, token: str) -> None:
        self.told.put_nowait(token)


async def nobody(_token: str) -> None:
    """Is told of a death."""


def supervisor(code: str, died: Callable[[str], Awaitable[None]]) -> Supervisor:
    return Supervisor([sys.executable, "-c", code], 1, died)


async def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    watched, stop = Watched(monkeypatch, failures=2), asyncio.Event()
    running = asyncio.create_task(supervisor(ENDS, watched.died).run(stop, 1.0))
    async with asyncio.timeout(60):
        token = await watched.told.get()
    assert watched.started[0] == token
    stop.set()
    await running


async def test_a_process_is_due_no_share_of_the_processors_of_its_own_and_hears_no_ctrl_c(tmp_path: Path):
    """Linux divides processors among sessions, whatever their niceness; a Ctrl-C is for a group of processes."""
    told = tmp_path / "told"
    code = (
        f"import os, signal; open({str(told)!r}, 'w').write(f'{{os.getsid(0)}} {{os.getpgid(0)}} {{os.getpid()}}\\n')"
    )
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor(f"{code}; signal.pause()", nobody).run(stop, 10))
    async with asyncio.timeout(60):
        while not told.exists() or not told.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
    stop.set()
    await running
    session, group, process = told.read_text().split()
    assert (int(session), group) == (os.getsid(0), process)


@pytest.mark.parametrize(("code", "told"), [(HEARS_NOTHING, True), (ENDS_WHEN_ASKED, False)])
async def test_one_that_must_be_killed_at_the_end_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, *, told: bool
):
    watched, stop, ready = Watched(monkeypatch), asyncio.Event(), tmp_path / "ready"
    command = code.replace("signal.pause()", f"open({str(ready)!r}, 'w').close(); signal.pause()")
    running = asyncio.create_task(supervisor(command, watched.died).run(stop, 0.1 if told else 60.0))
    async with asyncio.timeout(60):
        while not ready.exists():
            await asyncio.sleep(0.005)
    stop.set()
    await running
    assert [watched.told.get_nowait() for _ in range(watched.told.qsize())] == watched.started * told


async def test_a_dead_worker_is_buried_and_none_of_the_same_machines_name_and_process_id(tmp_path: Path):
    """Containers may share a host name, and each counts its processes from 1."""
    ledger, threads = open_ledger(new_file(tmp_path / "ledger.db")), Threads("test")
    dead, live = (Host(ledger, COUNTING, HereAndNow(), token=token) for token in ("dead", "live"))
    async with dead.working(Database.traits, 1), live.working(Database.traits, 1):
        await bury(ledger, threads, "dead")
        (left,) = ledger.members()
        assert left.host.endswith("/live")
    threads.close()
    ledger.close()


async def test_a_crew_comes_and_goes_as_it_is_wanted(monkeypatch: pytest.MonkeyPatch):
    watched = Watched(monkeypatch)
    async with asyncio.timeout(120), asyncio.TaskGroup() as running:
        crew = Crew(lambda: supervisor(ENDS_WHEN_ASKED, watched.died), 60.0, running)
        crew.want(wanted=False)
        for _ in range(2):
            for _ in range(2):
                crew.want(wanted=True)
            await watched.starts.get()
            crew.want(wanted=False)
    assert len(set(watched.started)) == len(watched.started) == 2


async def test_a_crew_that_is_wanted_again_does_not_wait_for_those_that_drain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    watched, ready = Watched(monkeypatch), tmp_path / "ready"
    os.mkfifo(ready)
    tells = f"import os; open({str(ready)!r}, 'w').write(str(os.getpid()))"
    drains = "; ".join([*HEARS_NOTHING.split("; ")[:2], tells, "signal.pause()"])
    codes = iter([drains, ENDS_WHEN_ASKED])
    async with asyncio.timeout(120), asyncio.TaskGroup() as running:
        crew = Crew(lambda: supervisor(next(codes), watched.died), 100.0, running)
        crew.want(wanted=True)
        pid = int(await asyncio.to_thread(ready.read_text))  # which waits until it hears nothing any more
        await watched.starts.get()
        crew.want(wanted=False)
        crew.want(wanted=True)
        await watched.starts.get()
        assert watched.told.empty()  # the first one is there still
        os.kill(pid, signal.SIGKILL)
        await watched.told.get()
        crew.want(wanted=False)
