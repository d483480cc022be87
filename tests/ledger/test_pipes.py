"""Notices between processes that share a database file: heard by all, held up by nobody, and nothing is left behind."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_IMODE

import pytest
from tests.conftest import until

from paperlane.hosting import open_ledger
from paperlane.ledger.dialects import pipes
from paperlane.ledger.dialects.pipes import Pipes
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId

ANNOUNCES = "import sys; Pipes(Path(sys.argv[1])).announce(['far'])"
LISTENS = "import sys, time; Pipes(Path(sys.argv[1])).listen(print); print('ready', flush=True); time.sleep(600)"


def program(does: str, database: Path) -> subprocess.Popen[str]:
    code = f"from pathlib import Path; from paperlane.ledger.dialects.pipes import Pipes; {does}"
    return subprocess.Popen([sys.executable, "-c", code, str(database)], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (made := tmp_path / "ledger.db").touch(0o600)
    return made


@pytest.fixture
def new(database: Path) -> Iterator[Callable[[], Pipes]]:
    """Makes what a process has of its own."""
    made: list[Pipes] = []

    def make() -> Pipes:
        made.append(Pipes(database))
        return made[-1]

    yield make
    for one in made:
        one.close()


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def laid(database: Path) -> list[Path]:
    return list(Path(f"{database}-notices").iterdir())


def test_what_one_announces_is_heard_by_all(new: Callable[[], Pipes]):
    heard: dict[int, set[str]] = {n: set() for n in range(3)}
    everybody = [new() for _ in heard]
    for n, one in enumerate(everybody):
        assert one.listen(heard[n].add) is not None
    everybody[0].announce(["database", "inline"])
    new().announce(["pushed"])  # which does not listen
    until(lambda: all(names == {"database", "inline", "pushed"} for names in heard.values()))


def test_another_process_is_heard(new: Callable[[], Pipes], database: Path):
    heard: list[str] = []
    new().listen(heard.append)
    with program(ANNOUNCES, database):
        until(lambda: heard == ["far"])


def test_who_has_stopped_listening_hears_nothing_more(new: Callable[[], Pipes]):
    one, other = new(), new()
    stays: list[str] = []
    leaves: list[str] = []
    one.listen(stays.append)
    stop = one.listen(leaves.append)
    assert stop is not None
    stop()
    other.announce(["database"])
    until(lambda: stays == ["database"])
    assert leaves == []


def test_the_pipe_of_a_killed_process_is_removed_by_who_announces(new: Callable[[], Pipes], database: Path):
    with program(LISTENS, database) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        (left,) = laid(database)
        killed.kill()
    heard: list[str] = []
    new().listen(heard.append)
    assert left in laid(database)
    new().announce(["database"])
    until(lambda: heard == ["database"])
    assert left not in laid(database)
    assert len(laid(database)) == 1


@pytest.mark.timeout(60)
def test_who_does_not_read_holds_nobody_up(new: Callable[[], Pipes], database: Path):
    heard: list[str] = []
    new().listen(heard.append)
    os.mkfifo(frozen := laid(database)[0].with_name("frozen"))
    reader = os.open(frozen, os.O_RDONLY | os.O_NONBLOCK)
    other = new()
    for _ in range(10_000):  # more than a pipe holds
        other.announce(["database"])
    until(lambda: heard)
    assert frozen.exists()
    os.close(reader)


def test_what_comes_within_a_moment_is_heard_as_one(new: Callable[[], Pipes], monkeypatch: pytest.MonkeyPatch):
    """Others who write a lot do not keep a listener busy."""
    monkeypatch.setattr(pipes, "_GATHER", 3_600.0)
    heard: list[str] = []
    one, other = new(), new()
    one.listen(heard.append)
    other.announce(["database"])
    until(lambda: heard)
    for _ in range(1_000):
        other.announce(["database"])
    one.close()
    assert heard == ["database"]


def test_nothing_is_left_when_it_is_closed(new: Callable[[], Pipes], database: Path):
    threads = set(threading.enumerate())
    files = open_files()
    one = new()
    one.listen(print)
    one.listen(print)
    assert len(set(threading.enumerate()) - threads) == 1
    one.close()
    one.close()
    assert set(threading.enumerate()) <= threads
    assert open_files() == files
    assert laid(database) == []
    new().announce(["database"])


def test_whoever_may_use_the_database_may_announce(new: Callable[[], Pipes], database: Path):
    database.chmod(0o660)
    database.parent.chmod(0o770)
    new().listen(print)
    (pipe,) = laid(database)
    assert S_IMODE(pipe.stat().st_mode) == 0o660
    assert S_IMODE(pipe.parent.stat().st_mode) == 0o770


def test_where_no_pipe_can_be_made_it_says_so(
    new: Callable[[], Pipes], database: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "mkfifo", refused)
    one = new()
    assert one.listen(print) is None
    one.announce(["database"])
    assert laid(database) == []


def test_a_removed_folder_fails_nobody(new: Callable[[], Pipes], database: Path):
    one, other = new(), new()
    one.listen(print)
    (pipe,) = laid(database)
    pipe.unlink()
    pipe.parent.rmdir()
    other.announce(["database"])
    one.close()


def test_a_database_in_memory_hears_itself():
    ledger = open_ledger("sqlite://")
    heard: list[str] = []
    ledger.listen(heard.append)
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")]))
    assert heard == ["database"]
    ledger.close()
