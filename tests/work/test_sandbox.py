"""What a sandbox promises about steps that misbehave."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from paperlane.errors import DocumentError, Misconfigured, StepFault, Unreadable
from paperlane.formats import FORMATS
from paperlane.model.documents import Upload
from paperlane.work.isolation import probe
from paperlane.work.metered import metered
from paperlane.work.sandbox import Limits, Sandbox

HERE = str(Path(__file__).parent)
STEPS = "steps_for_sandbox:STEPS"


# the kernel is asked here, not our own code: where that is broken, tests fail and are not skipped
HAS_LANDLOCK = sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1  # which version it has
ALONE = """
import ctypes
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)  # no new privileges
network, user = 0x40000000, 0x10000000
raise SystemExit(libc.unshare(network) != 0 and libc.unshare(user | network) != 0)
"""


def may_be_alone() -> bool:
    """May a process here have a network namespace of its own?"""
    return sys.platform == "linux" and subprocess.run([sys.executable, "-c", ALONE], check=False).returncode == 0


def nothing(_share: float, _message: str) -> None:
    pass


def sandbox(children: int = 1, **limits: float) -> Sandbox:
    return Sandbox(STEPS, Limits(**limits), children, paths=[HERE])  # type: ignore[arg-type]


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    async with sandbox() as made:
        yield made


async def run(box: Sandbox, step: str, value: str = "x", told: Callable[[float, str], None] = nothing) -> str:
    return (await box.run(step, f'"{value}"'.encode(), None, told)).decode().strip('"')


def is_there(pid: int) -> bool:
    """A zombie is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    return is_there(pid) and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


async def until_gone(pid: int, there: Callable[[int], bool] = is_alive) -> None:
    async with asyncio.timeout(30):
        while there(pid):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("value", ["good", "bad"])
async def test_what_a_step_used_of_a_processor_is_told_to_the_attempt_that_runs_it(box: Sandbox, value: str):
    with metered() as mine:
        ran = asyncio.create_task(run(box, "busy", value))
    with metered() as others:
        await asyncio.wait([ran])
        used = mine.seconds
        await run(box, "busy")
    assert (ran.exception() is None) == (value == "good")
    assert used == mine.seconds >= 0.04  # some clocks tick every 10 ms
    assert others.seconds >= 0.04


@pytest.mark.parametrize("how", ["cancelled", "killed"])
async def test_what_a_step_used_before_it_was_ended_is_told_too(box: Sandbox, how: str):
    await run(box, "busy")  # what the child used for another one is not counted again

    def end(_share: float, pid: str) -> None:
        ran.cancel() if how == "cancelled" else os.kill(int(pid), signal.SIGKILL)

    with metered() as meter:
        ran = asyncio.create_task(run(box, "busy_and_wait", told=end))
    await asyncio.wait([ran])
    assert ran.cancelled() or isinstance(ran.exception(), StepFault)
    assert 0.04 <= meter.seconds < 0.1


async def test_a_step_that_tells_of_more_than_it_may_use_is_believed_that_much():
    with metered() as meter:
        async with sandbox(cpu_seconds=7) as box:
            assert await run(box, "boast") == "x"
    assert meter.seconds == 7


@pytest.mark.parametrize("steps", ["nowhere:STEPS", "steps_for_sandbox:NOTHING"])
async def test_steps_that_cannot_be_imported_are_named(steps: str):
    async with Sandbox(steps, paths=[HERE]) as box:
        with pytest.raises(Misconfigured) as raised:
            await run(box, "echo")
    assert f"The steps {steps} cannot be imported" in raised.value.message
    assert steps.partition(":")[2] in raised.value.message


async def test_a_step_gets_its_input_and_tells_its_progress(box: Sandbox):
    told: list[tuple[float, str]] = []
    assert await run(box, "echo", "hallo 你好", lambda share, message: told.append((share, message))) == "hallo 你好"
    assert told == [(0.5, "half way")]


async def test_a_child_stays_warm(box: Sandbox):
    assert await run(box, "pid") == await run(box, "pid")


@pytest.mark.parametrize("limit", ["_JOBS_OF_A_CHILD", "_RESIDENT_SHARE"])
async def test_a_worn_child_is_replaced(monkeypatch: pytest.MonkeyPatch, box: Sandbox, limit: str):
    first = await run(box, "pid")
    monkeypatch.setattr(f"paperlane.work.sandbox.{limit}", 2 if limit == "_JOBS_OF_A_CHILD" else 1 << 40)
    assert await run(box, "pid") == first
    assert await run(box, "pid") != first


async def test_a_child_that_a_document_exhausted_is_replaced(box: Sandbox):
    first = await run(box, "pid")
    with pytest.raises(DocumentError):
        await run(box, "deep")
    assert await run(box, "pid") != first


async def test_large_inputs_and_results_pass_whole(box: Sandbox):
    text = "0123456789" * 500_000
    assert await run(box, "echo", text) == text


async def test_a_document_error_travels_with_its_hint(box: Sandbox):
    before = await run(box, "pid")
    with pytest.raises(DocumentError) as raised:
        await run(box, "bad_document")
    assert (raised.value.code, raised.value.message, raised.value.hint) == (
        "damaged_file",
        "It is damaged.",
        "Mend it.",
    )
    assert await run(box, "pid") == before


async def test_a_bug_is_told_by_type_and_place_without_the_text(box: Sandbox):
    with pytest.raises(StepFault) as raised:
        await run(box, "bug", "secret")
    assert raised.value.code == "step_failed"
    assert "IndexError at steps_for_sandbox.py:" in raised.value.message
    assert "secret" not in raised.value.message


async def test_too_much_memory_is_too_complex(box: Sandbox):
    with pytest.raises(DocumentError) as raised:
        await run(box, "memory")
    assert raised.value.code == "too_complex"
    assert raised.value.hint


async def test_too_much_cpu_time_is_too_complex():
    async with sandbox(cpu_seconds=1) as box:
        with pytest.raises(DocumentError) as raised:
            await run(box, "cpu")
        assert raised.value.code == "too_complex"
        assert await run(box, "echo", "still here") == "still here"


async def test_too_large_a_result_is_too_complex():
    async with sandbox(output_bytes=1000) as box:
        with pytest.raises(DocumentError) as raised:
            await run(box, "large", "2000")
        assert raised.value.code == "too_complex"


async def test_too_deep_a_recursion_is_too_complex(box: Sandbox):
    with pytest.raises(DocumentError) as raised:
        await run(box, "deep")
    assert raised.value.code == "too_complex"


async def test_a_child_that_only_hangs_up_is_killed(monkeypatch: pytest.MonkeyPatch, box: Sandbox):
    monkeypatch.setattr("paperlane.work.sandbox._DYING_SECONDS", 0.1)
    with pytest.raises(StepFault, match="SIGKILL"):
        await run(box, "hang_up")
    assert await run(box, "echo", "still here") == "still here"


async def test_a_result_that_is_told_larger_than_allowed_is_not_waited_for(box: Sandbox):
    with pytest.raises(DocumentError) as raised:
        await run(box, "lie")
    assert raised.value.code == "too_complex"
    assert await run(box, "echo", "still here") == "still here"


async def test_too_long_a_step_may_be_tried_again():
    async with sandbox(wall_seconds=0.01) as box:  # less than a start takes, which is not the step's time
        with pytest.raises(StepFault) as raised:
            await run(box, "wait")
        assert raised.value.code == "step_timeout"


async def test_a_start_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, box: Sandbox):
    monkeypatch.setattr("paperlane.work.sandbox._START_SECONDS", 0.0)
    with pytest.raises(StepFault) as raised:
        await run(box, "echo")
    assert raised.value.code == "step_crashed"


async def test_a_child_that_was_started_ahead_takes_the_first_job(box: Sandbox):
    await box.warm()
    (child,) = started(box)
    await box.warm()
    assert started(box) == [child]
    assert await run(box, "pid") == str(child)
    await box.warm()
    assert await run(box, "pid") == str(child)


async def test_a_child_that_was_started_ahead_and_died_is_not_the_documents_fault(box: Sandbox):
    await box.warm()
    (child,) = started(box)
    os.kill(child, signal.SIGKILL)
    assert int(await run(box, "pid")) != child


async def test_a_child_that_was_started_ahead_and_had_no_job_ends_with_its_sandbox():
    async with sandbox() as box:
        await box.warm()
        (child,) = started(box)
    await until_gone(child)


def started(box: Sandbox) -> list[int]:
    return [child.process.pid for child in box._idle]


async def test_a_crash_is_told_and_the_next_step_runs(box: Sandbox):
    assert await run(box, "echo", "warm") == "warm"
    told: list[str] = []
    with pytest.raises(StepFault) as raised:
        await run(box, "crash", told=lambda _share, message: told.append(message))
    assert raised.value.code == "step_crashed"
    assert "SIGSEGV" in raised.value.message
    assert told == ["about to"]  # nor is it run a second time
    assert await run(box, "echo", "still here") == "still here"


@pytest.mark.parametrize("noticed", [True, False])
async def test_an_idle_child_that_died_is_not_the_next_documents_fault(box: Sandbox, *, noticed: bool):
    pid = int(await run(box, "pid"))
    os.kill(pid, signal.SIGKILL)
    if noticed:
        await until_gone(pid)
    assert int(await run(box, "pid")) != pid


async def test_an_idle_child_that_died_is_no_zombie(box: Sandbox):
    pid = int(await run(box, "pid"))
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid, is_there)


async def test_a_cancelled_step_is_killed(box: Sandbox):
    begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    step = asyncio.create_task(run(box, "wait", told=lambda _share, message: begun.set_result(int(message))))
    pid = await begun
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    await until_gone(pid)
    assert await run(box, "echo", "still here") == "still here"


async def test_no_more_steps_run_at_once_than_there_are_children():
    async with sandbox(children=2) as box:
        pids = await asyncio.gather(*(run(box, "pid") for _ in range(20)))
    assert 1 <= len(set(pids)) <= 2


async def test_the_environment_is_empty(box: Sandbox):
    assert await run(box, "environment") == ""


async def test_nothing_can_be_written(box: Sandbox):
    with pytest.raises(StepFault, match=r"OSError|FileNotFoundError"):
        await run(box, "write")


@pytest.mark.parametrize("step", ["open", "remove", "truncate", "parents_environment", "program"])
async def test_no_file_but_the_programs_own_can_be_reached(box: Sandbox, tmp_path: Path, step: str):
    if not HAS_LANDLOCK:
        pytest.skip("this system lets no process give up its right to files")
    path = tmp_path / "secret"
    path.write_text("a secret")
    with pytest.raises(StepFault, match="PermissionError"):
        await run(box, step, str(path))
    assert path.read_text() == "a secret"


async def test_what_is_imported_late_is_found(box: Sandbox):
    assert await run(box, "import", "xml.etree.ElementTree") == "xml.etree.ElementTree"
    assert await run(box, "import", "counting") == "counting"  # from the sandbox's own paths


def test_nothing_is_forked():
    code = """
import os
from paperlane.work.isolation import isolate
if os.geteuid() == 0:
    os.setuid(65534)  # root is above the limit
isolate(1 << 30)
try:
    os.fork()
except BlockingIOError:
    print("refused", flush=True)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "refused\n"


async def test_few_files_and_low_priority(box: Sandbox):
    assert await run(box, "files") == "64"
    assert int(await run(box, "nice")) >= 15


async def test_a_child_has_no_share_of_the_processors_beside_its_parents(box: Sandbox):
    """Linux divides them among sessions first, whatever their niceness; a Ctrl-C is for a group of processes."""
    pid = int(await run(box, "pid"))
    assert (os.getsid(pid), os.getpgid(pid)) == (os.getsid(0), pid)


def test_no_terminal_is_left():
    leaves = """
import os
from paperlane.work.isolation import leave_terminal
os.close(os.open("/dev/tty", os.O_RDWR))
leave_terminal()
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError:
    print("no terminal is left")
"""
    in_a_group = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {leaves!r}], process_group=0)"
    at_a_terminal = f"import pty, sys; pty.spawn([sys.executable, '-c', {in_a_group!r}])"
    ran = subprocess.run([sys.executable, "-c", at_a_terminal], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "no terminal is left"


async def test_the_network_is_out_of_reach_where_the_system_allows_it(box: Sandbox):
    if not may_be_alone():
        pytest.skip("this system lets no process give up its network")
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(StepFault):
        await run(box, "connect", str(listener.getsockname()[1]))


def test_what_is_told_of_the_system_is_so():
    word = {True: "enforced", False: "open"}
    found = probe()
    assert (found.files, found.network) == (word[HAS_LANDLOCK], word[may_be_alone()])


async def test_a_file_is_handed_over_open(box: Sandbox, tmp_path: Path):
    path = tmp_path / "file.txt"
    path.write_text("its content")
    for _ in range(3):
        with path.open("rb") as file:
            assert await box.run("read", b'""', file, nothing) == b'"its content"'


async def test_a_disk_that_fails_is_no_fault_of_the_document(tmp_path: Path):
    """A file that was opened to be written stands for it: the system refuses to read it."""
    async with Sandbox("paperlane.pipeline:STEPS", children=1) as box:
        for form in FORMATS.values():
            upload = TypeAdapter(Upload).dump_json(Upload("a", form.media_type, 1, "0" * 64, "blob"))
            with (tmp_path / "a").open("wb") as file, pytest.raises(Unreadable) as raised:
                await box.run("file_parsing", upload, file, nothing)
            assert (raised.value.code, raised.value.message) == (
                "file_unavailable",
                "The file cannot be read: Bad file descriptor.",
            ), form.name


async def test_nor_is_it_where_the_step_makes_something_of_it(box: Sandbox, tmp_path: Path):
    pid = await run(box, "pid")
    with (tmp_path / "a").open("wb") as file, pytest.raises(Unreadable):
        await box.run("read_if_possible", b'""', file, nothing)
    assert await run(box, "pid") == pid


async def test_a_file_that_only_the_child_cannot_read_uses_a_try(box: Sandbox, tmp_path: Path):
    """Else a file that takes the child over would run for ever."""
    (tmp_path / "a").write_text("its content")
    with (tmp_path / "a").open("rb") as file, pytest.raises(StepFault, match="which can be read"):
        await box.run("lose_the_file", b'""', file, nothing)


def test_children_end_with_their_parent(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(f"""
import asyncio
from paperlane.work.sandbox import Sandbox

async def main():
    async with Sandbox({STEPS!r}, children=1, paths=[{HERE!r}]) as box:
        await box.run("wait", b'""', None, lambda share, message: print(message, flush=True))

asyncio.run(main())
""")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
