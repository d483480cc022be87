"""Where results of steps lie: small ones in the database, large ones in files that can be lost without harm."""

import errno
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.testing import capture_logs
from tests.ledger.conftest import Bench
from tests.ledger.invariants import RAN_AGAIN
from tests.ledger.plans import PRIMARY, Access, plans_of
from tests.ledger.test_unknown_commits import lost_answer

from paperlane.blobs.folder import Folder
from paperlane.blobs.whole import Whole
from paperlane.errors import CancelRequested, StaleLease, StorageFull, Unavailable, Unreadable
from paperlane.ledger import Kept, Mark, Note, results, retention, working
from paperlane.ledger.results import LARGE
from paperlane.ledger.schema import checkpoints
from paperlane.model.tasks import (
    Cancelled,
    Checkpoint,
    Completed,
    Ended,
    Lease,
    Progress,
    TaskId,
    UserId,
    WorkerId,
    Yielded,
)

MakeBench = Callable[..., Bench]
DAY = 86_400.0
LARGE_ONE = random.Random(1).randbytes(LARGE)  # that does not shrink
ANOTHER = random.Random(2).randbytes(LARGE)
WORKER = WorkerId("worker")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def bench(make_bench: MakeBench, folder: Path) -> Bench:
    """Its worker has claimed a task."""
    made = make_bench(Whole(Folder(folder)))
    made.submit(1)
    made.worker()
    made.meant = (RAN_AGAIN,)  # a step whose result was lost does
    return made


@pytest.fixture
def lease(bench: Bench) -> Lease:
    (claimed,) = bench.ledger.step("database", WORKER, [], 1)
    return claimed


def save(bench: Bench, lease: Lease, result: bytes, step: str = "parse", key: str = "k") -> None:
    bench.ledger.save(lease, WORKER, Checkpoint(step, key, result), Progress(step, 35))


def done(lease: Lease, result: bytes) -> Note:
    return Note(lease, Progress("parse", 35), checkpoint=Checkpoint("parse", "k", result))


def rows(bench: Bench) -> list[tuple[bytes, str]]:
    """What lies in each row, and the name of its file."""
    asked = select(checkpoints.c.result, checkpoints.c.file).order_by(checkpoints.c.task_id, checkpoints.c.step)
    return [(bytes(row.result), row.file) for row in bench.ledger.read(lambda c: c.execute(asked).all())]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HARM: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "another bit": flip,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "empty": lambda path: path.write_bytes(b""),
    "no file": lambda path: (path.unlink(), path.mkdir()),
}


class TestWhere:
    def test_a_large_result_lies_in_a_file_and_comes_back_whole(self, bench: Bench, lease: Lease, folder: Path):
        save(bench, lease, LARGE_ONE)
        (path,) = files(folder)
        assert rows(bench) == [(b"", path.name)]
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == LARGE_ONE
        assert bench.ledger.checkpoint(lease.task, "parse") == LARGE_ONE
        assert bench.ledger.checkpoint(lease.task, "parse", "other") is None

    @pytest.mark.parametrize("make_bench", ["mariadb"], indirect=True)
    def test_a_result_may_be_larger_than_what_the_server_takes_at_once(self, bench: Bench, lease: Lease):
        packet = bench.ledger.read(lambda c: c.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
        result = random.Random(3).randbytes(packet + 1)
        save(bench, lease, result)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == result

    @pytest.mark.parametrize("late", [False, True], ids=["held", "late"])
    def test_a_large_result_that_is_told_at_the_end_lies_in_a_file_only_where_it_counts(
        self, bench: Bench, lease: Lease, folder: Path, *, late: bool
    ):
        if late:
            bench.ledger.finish(WORKER, [Ended(lease, Yielded(after=60.0))])
        bench.ledger.finish(WORKER, [Ended(lease, Completed(1.0))], [done(lease, LARGE_ONE)])
        assert len(files(folder)) == len(rows(bench)) == (0 if late else 1)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == (None if late else LARGE_ONE)

    def test_what_is_small_when_it_is_packed_lies_in_its_row(self, bench: Bench, lease: Lease, folder: Path):
        text = b"shall " * LARGE
        save(bench, lease, text)
        save(bench, lease, LARGE_ONE[: LARGE - 200], "check")
        assert files(folder) == []
        assert [file for _, file in rows(bench)] == ["", ""]
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == text
        assert bench.ledger.checkpoint(lease.task, "check", "k") == LARGE_ONE[: LARGE - 200]

    def test_without_a_place_for_files_all_lie_in_rows(self, make_bench: MakeBench):
        bench = make_bench()
        bench.submit(1)
        bench.worker()
        (lease,) = bench.ledger.step("database", WORKER, [], 1)
        save(bench, lease, LARGE_ONE)
        ((row, file),) = rows(bench)
        assert (len(row) >= LARGE, file) == (True, "")
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == LARGE_ONE

    def test_the_file_is_on_disk_before_the_transaction_begins(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """No lock waits for it, and no row names what a power cut takes."""
        seen: list[int] = []
        change = type(bench.ledger)._change
        monkeypatch.setattr(
            type(bench.ledger), "_change", lambda *a, **more: seen.append(len(files(folder))) or change(*a, **more)
        )
        save(bench, lease, LARGE_ONE)
        assert seen == [1]

    def test_which_files_are_named_is_told_by_an_index(self, bench: Bench, lease: Lease, folder: Path):
        for number in range(50):
            save(bench, lease, b"small", f"step{number}")
        save(bench, lease, LARGE_ONE)
        (path,) = files(folder)
        assert bench.ledger.named([path.name, "f" * 32, ""]) == {path.name}
        plans = plans_of(bench.ledger, lambda: bench.ledger.named([path.name, "f" * 32]))
        (plan,) = [plan for plan in plans.values() if plan.of("checkpoints")]
        assert plan.of("checkpoints") == {Access("checkpoints", "checkpoints_file", whole=False)}


class TestLost:
    @pytest.mark.parametrize("harm", HARM)
    def test_a_lost_file_is_as_if_its_step_had_never_run_and_the_next_result_takes_its_place(
        self, bench: Bench, lease: Lease, folder: Path, harm: str
    ):
        save(bench, lease, LARGE_ONE)
        (path,) = files(folder)
        HARM[harm](path)
        with capture_logs() as logs:
            assert bench.ledger.checkpoint(lease.task, "parse", "k") is None
        (told,) = logs
        assert (told["event"], told["task"], told["step"]) == ("a result is lost", lease.task, "parse")
        save(bench, lease, ANOTHER)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == ANOTHER
        ((_, file),) = rows(bench)
        assert file != path.name
        assert [one.name for one in files(folder) if one.is_file()] == [file]  # nothing is left of the damaged one

    def test_a_small_result_takes_the_place_of_a_lost_one_too(self, bench: Bench, lease: Lease, folder: Path):
        save(bench, lease, LARGE_ONE)
        files(folder)[0].unlink()
        save(bench, lease, b"small")
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == b"small"
        assert [file for _, file in rows(bench)] == [""]

    def test_a_process_without_the_files_has_no_result_and_harms_none(
        self, bench: Bench, lease: Lease, monkeypatch: pytest.MonkeyPatch
    ):
        save(bench, lease, LARGE_ONE)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(bench.ledger, "_results", results.Results())
            assert bench.ledger.checkpoint(lease.task, "parse", "k") is None
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == LARGE_ONE


FOR_A_MOMENT = pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE, errno.EACCES])


def failing(number: int) -> Callable[[Folder, str], BinaryIO]:
    def fail(_folder: Folder, _reference: str) -> BinaryIO:
        raise OSError(number, os.strerror(number))

    return fail


class TestUnreadable:
    @FOR_A_MOMENT
    def test_what_cannot_be_read_now_is_not_lost(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ):
        save(bench, lease, LARGE_ONE)
        before, there = rows(bench), files(folder)
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "open", failing(number))
            with pytest.raises(Unreadable, match=os.strerror(number)) as raised:
                bench.ledger.checkpoint(lease.task, "parse", "k")
            assert raised.value.hint
            with pytest.raises(Unreadable):  # its place is not taken, and no file is left
                save(bench, lease, ANOTHER)
        assert (rows(bench), files(folder)) == (before, there)
        save(bench, lease, ANOTHER)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == LARGE_ONE


class TestOnce:
    @pytest.mark.parametrize(
        ("first", "second"), [(LARGE_ONE, ANOTHER), (LARGE_ONE, b"small"), (b"small", LARGE_ONE), (b"small", b"other")]
    )
    def test_the_first_result_that_is_saved_stays(
        self, bench: Bench, lease: Lease, folder: Path, first: bytes, second: bytes
    ):
        save(bench, lease, first)
        before, there = rows(bench), files(folder)
        save(bench, lease, second)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == first
        assert (rows(bench), files(folder)) == (before, there)

    def test_who_may_not_save_leaves_no_file(self, bench: Bench, lease: Lease, folder: Path):
        with pytest.raises(StaleLease):
            save(bench, Lease(lease.task, lease.fence + 1), LARGE_ONE)
        bench.ledger.cancel(lease.task)
        with pytest.raises(CancelRequested):
            save(bench, lease, LARGE_ONE)
        assert (rows(bench), files(folder)) == ([], [])

    def test_of_several_only_who_may_not_save_leaves_no_file(self, bench: Bench, lease: Lease, folder: Path):
        bench.submit(2, 2)
        cancelled, other = bench.ledger.step("database", WORKER, [], 2)
        bench.ledger.cancel(cancelled.task)
        bench.ledger.note(WORKER, [done(one, LARGE_ONE) for one in (cancelled, lease, other)])
        assert len(files(folder)) == 2
        assert [bench.ledger.checkpoint(one.task, "parse", "k") for one in (lease, other)] == [LARGE_ONE] * 2

    def test_no_room_for_one_of_several_leaves_no_file(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        bench.submit(2)
        (other,) = bench.ledger.step("database", WORKER, [], 1)
        keep, room = Folder.keep, [1]

        def full(kept: Folder, references: list[str]) -> None:
            if not room:
                raise StorageFull("There is no room.")
            room.pop()
            keep(kept, references)

        monkeypatch.setattr(Folder, "keep", full)
        with pytest.raises(StorageFull):
            bench.ledger.note(WORKER, [done(one, LARGE_ONE) for one in (lease, other)])
        assert (rows(bench), files(folder)) == ([], [])

    def test_no_room_for_the_file_changes_nothing(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def full(_folder: Folder, _references: list[str]) -> None:
            raise StorageFull("There is no room.")

        with monkeypatch.context() as patch:
            patch.setattr(Folder, "keep", full)
            with pytest.raises(StorageFull):
                save(bench, lease, LARGE_ONE)
        assert (rows(bench), files(folder), bench.ledger.task(lease.task).percent) == ([], [], 0)
        save(bench, lease, LARGE_ONE)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == LARGE_ONE

    def test_who_dies_between_the_file_and_its_row_leaves_a_file_that_nothing_names(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def die(*_given: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(working, "note", die)
            with pytest.raises(KeyboardInterrupt):
                save(bench, lease, LARGE_ONE)
        (left,) = files(folder)
        assert bench.ledger.named([left.name]) == set()
        assert bench.ledger.checkpoint(lease.task, "parse", "k") is None
        save(bench, lease, LARGE_ONE)
        ((_, file),) = rows(bench)
        assert bench.ledger.named([path.name for path in files(folder)]) == {file} != {left.name}


class TestUseless:
    """A step's result under another key, of another input or version, takes the place of what was kept."""

    @pytest.fixture
    def kept(self, bench: Bench, lease: Lease) -> Lease:
        save(bench, lease, LARGE_ONE, key="old")
        return lease

    @pytest.mark.parametrize("newer", [ANOTHER, b"small"])
    def test_older_ones_go_with_their_files_and_nothing_else_does(
        self, bench: Bench, kept: Lease, folder: Path, newer: bytes
    ):
        bench.submit(2)
        (neighbour,) = bench.ledger.step("database", WORKER, [], 1)
        for lease, step in ((kept, "check"), (kept, "parse again"), (neighbour, "parse")):
            save(bench, lease, b"stays", step, "old")
        save(bench, kept, newer, key="new")
        assert bench.ledger.checkpoint(kept.task, "parse", "old") is None
        assert [bench.ledger.checkpoint(kept.task, "parse", key) for key in ("new", "")] == [newer, newer]
        assert bench.ledger.checkpoint(kept.task, "check", "old") == b"stays"
        assert bench.ledger.checkpoint(kept.task, "parse again", "old") == b"stays"
        assert bench.ledger.checkpoint(neighbour.task, "parse", "old") == b"stays"
        assert (len(rows(bench)), len(files(folder))) == (4, newer == ANOTHER)

    def test_who_may_not_save_drops_nothing(self, bench: Bench, kept: Lease):
        def fails(_connection: Connection) -> None:
            raise RuntimeError

        newer = Checkpoint("parse", "new", ANOTHER), Progress("parse", 40)
        with pytest.raises(StaleLease):
            bench.ledger.save(Lease(kept.task, kept.fence + 1), WORKER, *newer)
        with pytest.raises(RuntimeError):
            bench.ledger.save(kept, WORKER, *newer, fails)
        bench.ledger.cancel(kept.task)
        with pytest.raises(CancelRequested):
            bench.ledger.save(kept, WORKER, *newer)
        assert bench.ledger.checkpoint(kept.task, "parse", "old") == LARGE_ONE

    def test_what_a_try_dropped_that_came_to_nothing_stays(
        self, bench: Bench, kept: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The database refused the first try, and before the second one somebody cancelled the task."""
        before = files(folder)

        def refused(_: Connection) -> None:
            raise OperationalError("", None, Exception("a deadlock"))

        def passing(_: DBAPIError) -> bool:
            bench.ledger.cancel(kept.task)
            return True

        monkeypatch.setattr(bench.ledger.dialect, "passing", passing)
        with pytest.raises(CancelRequested):
            bench.ledger.save(kept, WORKER, Checkpoint("parse", "k2", ANOTHER), Progress("parse", 35), refused)
        assert files(folder) == before

    def test_an_attempt_that_lost_its_lease_does_not_bring_the_old_one_back(self, bench: Bench, kept: Lease):
        bench.ledger.leave(WORKER)
        bench.worker()
        (lease,) = bench.ledger.step("database", WORKER, [], 1)
        save(bench, lease, ANOTHER, key="new")
        with pytest.raises(StaleLease):
            save(bench, kept, LARGE_ONE, key="old")
        assert bench.ledger.checkpoint(kept.task, "parse") == ANOTHER
        assert len(rows(bench)) == 1

    def test_who_reads_one_as_it_is_dropped_reads_the_newer_one(
        self, bench: Bench, kept: Lease, monkeypatch: pytest.MonkeyPatch
    ):
        read = Whole.read

        def read_late(whole: Whole, reference: str) -> bytes:
            monkeypatch.setattr(Whole, "read", read)
            save(bench, kept, ANOTHER, key="new")
            return read(whole, reference)

        monkeypatch.setattr(Whole, "read", read_late)
        with capture_logs() as logs:
            assert bench.ledger.checkpoint(kept.task, "parse") == ANOTHER
        assert logs == []

    def test_they_are_looked_for_by_their_key_and_deleted_only_where_there_are_some(self, bench: Bench, kept: Lease):
        for number in range(100):
            save(bench, kept, b"small", f"step{number}")
        plans = plans_of(bench.ledger, lambda: save(bench, kept, b"small", "first"))
        assert not [statement for statement in plans if statement.startswith("DELETE")]
        plans = plans_of(bench.ledger, lambda: save(bench, kept, b"small", key="new"))
        (deleted,) = [plan for statement, plan in plans.items() if statement.startswith("DELETE")]
        by = [access for plan in plans.values() for access in plan.of("checkpoints")]
        assert deleted.of("checkpoints") == {Access("checkpoints", PRIMARY, whole=False)} == set(by)


@pytest.mark.parametrize("make_bench", ["sqlite file", "postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
class TestUnknownCommits:
    def test_a_large_result_is_saved_once(self, bench: Bench, lease: Lease, folder: Path, *, committed: bool):
        with lost_answer(bench, committed=committed):
            save(bench, lease, LARGE_ONE)
        (path,) = files(folder)
        assert rows(bench) == [(b"", path.name)]
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == LARGE_ONE
        assert [event.kind for event in bench.ledger.events(lease.task)].count("saved") == 1

    def test_one_takes_the_place_of_a_lost_one_once(self, bench: Bench, lease: Lease, folder: Path, *, committed: bool):
        save(bench, lease, LARGE_ONE)
        files(folder)[0].unlink()
        bench.clock.pass_time(1)  # what a try wrote is known by its instant
        with lost_answer(bench, committed=committed):
            save(bench, lease, ANOTHER)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == ANOTHER
        assert len(files(folder)) == 1
        assert [event.kind for event in bench.ledger.events(lease.task)].count("saved") == 2

    @pytest.mark.parametrize("how", ["trim", "forget"])
    def test_the_files_of_a_page_go_whichever_try_was_committed(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch, *, committed: bool, how: str
    ):
        monkeypatch.setattr("paperlane.ledger.retention.AT_ONCE", 1)
        bench.submit(1)
        (other,) = bench.ledger.step("database", WORKER, [], 1)
        for one in (lease, other):
            save(bench, one, LARGE_ONE)
            bench.ledger.finish(WORKER, [Ended(one, Completed(1.0))])
        bench.clock.pass_time(100 * DAY)
        with lost_answer(bench, committed=committed):
            if how == "trim":
                bench.ledger.trim(UserId(1), Kept(), Mark(0.0))
            else:
                bench.ledger.forget(UserId(1), Kept())
        assert {path.name for path in files(folder)} == {file for _, file in rows(bench)}

    def test_a_file_that_a_row_names_still_is_left(
        self, bench: Bench, lease: Lease, folder: Path, monkeypatch: pytest.MonkeyPatch, *, committed: bool
    ):
        """Who was not committed read it, and another one started the task again since."""
        save(bench, lease, LARGE_ONE)
        bench.ledger.cancel(lease.task)
        bench.ledger.finish(WORKER, [Ended(lease, Cancelled(1.0))])
        bench.clock.pass_time(100 * DAY)
        tries: list[int] = []
        forget = retention.forget

        def forget_and_start_again(*given: Any) -> tuple[int, Sequence[str]]:
            tries.append(1)
            return forget(*given) if len(tries) == 1 else (0, ())

        monkeypatch.setattr(retention, "forget", forget_and_start_again)
        with lost_answer(bench, committed=committed):
            bench.ledger.forget(UserId(1), Kept())
        assert len(tries) == 2
        assert {path.name for path in files(folder)} == {file for _, file in rows(bench)}

    def test_what_is_useless_goes_once_that_is_sure(self, bench: Bench, lease: Lease, folder: Path, *, committed: bool):
        save(bench, lease, LARGE_ONE, key="old")
        bench.clock.pass_time(1)
        with lost_answer(bench, committed=committed):
            save(bench, lease, ANOTHER, key="new")
        assert bench.ledger.checkpoint(lease.task, "parse") == ANOTHER
        ((_, file),) = rows(bench)
        assert [path.name for path in files(folder)] == [file]

    def test_what_may_still_be_kept_is_left(
        self, bench: Bench, lease: Lease, monkeypatch: pytest.MonkeyPatch, *, committed: bool
    ):
        save(bench, lease, LARGE_ONE, key="old")
        bench.clock.pass_time(1)
        with monkeypatch.context() as at_once, lost_answer(bench, committed=committed):
            at_once.setattr("paperlane.ledger.transactions._TRIES", 1)
            with pytest.raises(Unavailable):
                save(bench, lease, ANOTHER, key="new")
        assert bench.ledger.checkpoint(lease.task, "parse") == (ANOTHER if committed else LARGE_ONE)

    def test_a_file_that_a_row_may_name_is_left(
        self, bench: Bench, lease: Lease, monkeypatch: pytest.MonkeyPatch, *, committed: bool
    ):
        with monkeypatch.context() as at_once, lost_answer(bench, committed=committed):
            at_once.setattr("paperlane.ledger.transactions._TRIES", 1)
            with pytest.raises(Unavailable):
                save(bench, lease, LARGE_ONE)
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == (LARGE_ONE if committed else None)


def test_what_fails_after_an_unheard_commit_is_told_as_unknown(bench: Bench, lease: Lease, folder: Path):
    """Whoever takes it for refused would write it down again, and perhaps twice."""
    tried: list[int] = []

    def breaks(_: Connection) -> None:
        tried.append(1)
        if len(tried) == 2:
            raise RuntimeError

    made = Checkpoint("parse", "k", LARGE_ONE)
    with lost_answer(bench, committed=False), pytest.raises(Unavailable):
        bench.ledger.save(lease, WORKER, made, Progress("parse", 35), breaks)
    assert len(tried) == 2
    assert len(files(folder)) == 1  # it may be named, so it is left for who looks for orphans


def test_what_breaks_leaves_no_file(bench: Bench, lease: Lease, folder: Path):
    def breaks(_: Connection) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bench.ledger.save(lease, WORKER, Checkpoint("parse", "k", LARGE_ONE), Progress("parse", 35), breaks)
    assert files(folder) == []


class TestRetention:
    KEPT = Kept(finished=10 * DAY, steps=3 * DAY, results=("report",))

    @pytest.fixture
    def done(self, bench: Bench, lease: Lease) -> TaskId:
        """A task that ended, with two large results and a small one."""
        save(bench, lease, LARGE_ONE)
        save(bench, lease, b"small", "check")
        save(bench, lease, ANOTHER, "report")
        bench.ledger.finish(WORKER, [Ended(lease, Completed(1.0))])
        return lease.task

    def test_files_go_with_their_steps_and_with_their_task(self, bench: Bench, done: TaskId, folder: Path):
        bench.clock.pass_time(3 * DAY)
        assert len(files(folder)) == 2
        assert bench.ledger.trim(UserId(1), self.KEPT, Mark(0.0)).tasks == 1
        assert len(files(folder)) == 1
        assert bench.ledger.checkpoint(done, "report") == ANOTHER
        bench.clock.pass_time(7 * DAY)
        assert bench.ledger.forget(UserId(1), self.KEPT) == 1
        assert files(folder) == []

    def test_none_goes_where_the_task_stays(self, bench: Bench, done: TaskId, folder: Path):
        def fail(_connection: Connection, _tasks: object) -> None:
            raise RuntimeError

        bench.clock.pass_time(10 * DAY)
        with pytest.raises(RuntimeError):
            bench.ledger.forget(UserId(1), self.KEPT, fail)
        assert len(files(folder)) == 2
        assert bench.ledger.checkpoint(done, "parse", "k") == LARGE_ONE

    def test_a_file_that_cannot_be_removed_stops_nobody(
        self, bench: Bench, done: TaskId, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(_folder: Folder, _reference: str) -> None:
            raise PermissionError

        bench.clock.pass_time(10 * DAY)
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "remove", refuse)
            assert bench.ledger.forget(UserId(1), self.KEPT) == 1
        assert bench.ledger.named([path.name for path in files(folder)]) == set()
        assert bench.ledger.tasks() == [], done

    def test_they_are_found_by_the_key_of_their_rows(self, bench: Bench, done: TaskId):
        bench.submit(1, 100)
        bench.clock.pass_time(10 * DAY)
        plans = plans_of(bench.ledger, lambda: bench.ledger.trim(UserId(1), self.KEPT, Mark(0.0)))
        by = [access for plan in plans.values() for access in plan.of("checkpoints")]
        assert by, done
        assert {(access.index, access.whole) for access in by} <= {(PRIMARY, False), ("checkpoints_file", False)}
