"""What ails a database is told as what it is, changes nothing, and heals."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnection
from tests.conftest import taken
from tests.ledger.conftest import Bench

from paperlane import migrations
from paperlane.errors import Busy, Misconfigured, StorageFull, Unavailable
from paperlane.hosting import open_ledger
from paperlane.ledger.dialects import mounts, sqlite
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.ledger.troubles import is_barred, said, trouble_of
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId


class Raised(Exception):
    """What a driver raises, as far as it is looked at."""

    def __init__(self, *args: object, **told: object) -> None:
        super().__init__(*args)
        self.__dict__ |= told


def wrapped(kind: type[DBAPIError], *args: object, broken: bool = False, **told: object) -> DBAPIError:
    return kind("SELECT 1", {}, Raised(*args, **told), connection_invalidated=broken)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrapped(OperationalError, "could not extend file", sqlstate="53100"), StorageFull),
        (wrapped(OperationalError, 1021, "Disk full (/tmp); waiting for someone to free some space"), StorageFull),
        (wrapped(OperationalError, 1114, "The table 'tasks' is full"), StorageFull),
        (wrapped(InternalError, 3, "Error writing '/tmp/x' (Errcode: 28 \"No space left on device\")"), StorageFull),
        (wrapped(OperationalError, 1030, "Got error 28 from storage engine"), StorageFull),
        (wrapped(OperationalError, 1030, "Got error 194 from storage engine"), Unavailable),
        (wrapped(OperationalError, "connection refused", sqlstate="08006"), Unavailable),
        (wrapped(OperationalError, "terminating connection", sqlstate="57P01"), Unavailable),
        (wrapped(OperationalError, 2003, "Can't connect to MySQL server on 'db'"), Unavailable),
        (wrapped(OperationalError, 2013, "Lost connection to MySQL server during query"), Unavailable),
        (wrapped(InterfaceError, 0, ""), Unavailable),
        (wrapped(DBAPIError, "gone", broken=True), Unavailable),
        (NoConnection("QueuePool limit of size 1 overflow 0 reached"), Busy),
        (wrapped(IntegrityError, "duplicate key", sqlstate="23505"), None),
        (wrapped(DataError, 1406, "Data too long"), None),
        (wrapped(InternalError, 3, "Error writing file (Errcode: 13)"), None),
        (wrapped(OperationalError, "too many clients", sqlstate="53300"), Unavailable),
        (wrapped(OperationalError, "the database system is starting up", sqlstate="57P03"), Unavailable),
        (wrapped(InternalError, "cannot execute INSERT", sqlstate="25006"), Unavailable),
        (wrapped(OperationalError, "index row size exceeds the maximum", sqlstate="54000"), None),
        (wrapped(OperationalError, "connection failed: connection refused"), Unavailable),
        (wrapped(OperationalError, 2006, "Server has gone away"), Unavailable),
        (wrapped(OperationalError, 1040, "Too many connections"), Unavailable),
        (wrapped(OperationalError, 1213, "Deadlock found"), Busy),
        (wrapped(OperationalError, "deadlock detected", sqlstate="40P01"), Busy),
        (wrapped(OperationalError, "deadlock detected", sqlstate="40P01", broken=True), Unavailable),
        (wrapped(OperationalError, "canceling statement due to lock timeout", sqlstate="55P03"), Busy),
        (wrapped(InternalError, "terminating connection", sqlstate="25P03"), Unavailable),
        (wrapped(OperationalError, 1290, "The server is running with the --read-only option"), Unavailable),
        (wrapped(OperationalError, 1054, "Unknown column 'nothing'"), None),
        (wrapped(OperationalError, 1205, "Lock wait timeout exceeded", sqlstate="HY000"), Busy),
        (wrapped(OperationalError, "database is locked", sqlite_errorcode=5), Busy),
        (wrapped(OperationalError, "database is locked", sqlite_errorcode=5 | 2 << 8), Busy),  # BUSY_SNAPSHOT
        (wrapped(OperationalError, "database table is locked", sqlite_errorcode=6), Busy),
        (wrapped(OperationalError, "disk I/O error", sqlite_errorcode=10), Unavailable),
    ],
)  # fmt: skip
def test_what_every_driver_says_is_understood(error: DBAPIError, kind: type | None):
    trouble = trouble_of(error)
    assert type(trouble) is (kind or type(None))
    assert trouble is None or trouble.hint


@pytest.mark.parametrize(
    ("error", "barred"),
    [
        (wrapped(OperationalError, 1045, "Access denied for user 'paperlane'@'localhost'"), True),
        (wrapped(OperationalError, 1049, "Unknown database 'paperlane'"), True),
        (wrapped(OperationalError, 'FATAL:  password authentication failed for user "paperlane"'), True),
        (wrapped(OperationalError, 'FATAL:  database "paperlane" does not exist'), True),
        (wrapped(OperationalError, "fe_sendauth: no password supplied"), True),
        (wrapped(OperationalError, 2003, "Can't connect to MySQL server on 'db'"), False),
        (wrapped(OperationalError, "connection refused"), False),
    ],
)
def test_what_waiting_does_not_mend_is_known(error: DBAPIError, *, barred: bool):
    assert is_barred(error) == barred
    assert type(trouble_of(error)) is Unavailable


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (wrapped(OperationalError, 1045, "Access denied for user 'paperlane'"), "Access denied for user 'paperlane'"),
        (wrapped(OperationalError, "database is locked"), "database is locked"),
        (wrapped(OperationalError, 'FATAL:  role "x" does not exist\nMultiple'), 'FATAL:  role "x" does not exist'),
        (
            wrapped(OperationalError, "All failures were:\n- host: '::1': refused\n- host: '127.0.0.1': no password"),
            "host: '127.0.0.1': no password",
        ),
        (wrapped(InterfaceError), "Raised"),
        (NoConnection("QueuePool limit of size 1 reached."), "QueuePool limit of size 1 reached"),
    ],
)
def test_what_the_database_said_is_told_in_one_line(error: SQLAlchemyError, words: str):
    assert said(error) == words


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    made = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


def submit(ledger: SqlLedger, number: int, size: int = 2) -> None:
    ledger.submit(NewBatch(BatchId(f"b{number}"), UserId(1), [NewTask(TaskId(f"t{number}"), b"x" * size)]))


def test_a_locked_database_is_busy_until_it_is_free(ledger: SqlLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    with taken(tmp_path / "ledger.db"):
        with pytest.raises(Busy, match="The database is busy: database is locked"):
            submit(ledger, 1)
        assert ledger.tasks() == []  # who only reads is not held up
    submit(ledger, 1)
    assert len(ledger.tasks()) == 1


def test_a_commit_that_the_file_is_too_busy_for_leaves_nothing_behind(ledger: SqlLedger):
    """As the message says: https://www.sqlite.org/lang_transaction.html"""
    unread: list[CursorResult[Any]] = []

    def write_and_read_on(connection: Connection) -> None:
        added = "INSERT INTO clocks (engine, band, vtime) VALUES ('e', 0, 1), ('e', 1, 1) RETURNING band"
        unread.append(connection.exec_driver_sql(added, execution_options={"stream_results": True}))

    with pytest.raises(Busy, match="The database is busy: cannot commit transaction"):
        ledger.write(write_and_read_on)
    unread.clear()
    assert ledger.read(lambda connection: connection.execute(text("SELECT * FROM clocks")).all()) == []
    submit(ledger, 1)
    assert len(ledger.tasks()) == 1


def test_a_full_database_refuses_what_is_new_keeps_what_is_there_and_heals(ledger: SqlLedger):
    submit(ledger, 1)

    def allow(pages: int) -> None:
        with ledger.dialect.writer.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    allow(1)  # means: no more than there are
    with pytest.raises(StorageFull, match="no room to write"):
        submit(ledger, 2, 1 << 20)
    assert [task.id for task in ledger.tasks()] == ["t1"]
    assert ledger.queue(UserId(1)).queued == 1
    allow(1 << 30)
    submit(ledger, 2, 1 << 20)
    assert ledger.queue(UserId(1)).queued == 2


def test_a_mistake_of_ours_is_no_trouble_of_the_databases(ledger: SqlLedger):
    with pytest.raises(OperationalError, match="no such table"):
        ledger.read(lambda connection: connection.execute(text("SELECT * FROM nowhere")))


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELECT nothing FROM tasks", "SELECT FROM WHERE"])
def test_a_statement_that_makes_no_sense_is_no_trouble_of_any_database(bench: Bench, statement: str):
    with pytest.raises(DBAPIError):
        bench.ledger.read(lambda connection: connection.execute(text(statement)))


def test_a_file_that_cannot_be_opened_is_said_at_the_start(tmp_path: Path):
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(Misconfigured, match=r"ledger\.db cannot be used: unable to open database file\."):
        open_ledger(f"sqlite:///{tmp_path}/ledger.db")


def test_a_newer_database_is_refused_with_what_to_do(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url).close()
    with dbapi2.connect(tmp_path / "ledger.db") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    with pytest.raises(Misconfigured, match=f"is at 9999, this version knows {migrations.newest()}") as refused:
        open_ledger(url)
    assert refused.value.hint == "Install that version again, or restore a backup from before the upgrade."


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /srv rw,relatime shared:1 master:2 - xfs /dev/vdb rw
41 40 0:41 / /srv/our\\040files rw - nfs4 server:/export rw,vers=4.2
42 27 0:42 / /mnt rw - fuse.sshfs me@host: rw
43 27 0:43 / /mnt rw - ext4 /dev/vdc rw
44 27 0:44 / /usb rw - fuseblk /dev/sdb1 rw
45 27 0:45 / /home/me rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "networked"),
    [
        ("/var/lib/ledger.db", "ext4", False),
        ("/srv/ledger.db", "xfs", False),
        ("/srv/our files/deep/ledger.db", "nfs4", True),
        ("/srv/our filesystem/ledger.db", "xfs", False),
        ("/mnt/ledger.db", "ext4", False),
        ("/usb/ledger.db", "fuseblk", False),
        ("/home/me/ledger.db", "fuse.sshfs", True),
    ],
)
def test_the_file_system_of_a_path_is_known(tmp_path: Path, path: str, kind: str, *, networked: bool):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert mounts.kind_of(Path(path), tmp_path / "mountinfo") == kind
    assert mounts.is_networked(kind) == networked


def test_a_system_that_does_not_tell_refuses_nothing(tmp_path: Path):
    assert mounts.kind_of(tmp_path, tmp_path / "nothing") == ""
    assert not mounts.is_networked("")


@pytest.mark.parametrize("kind", ["nfs", "cifs", "9p", "fuse.sshfs", "virtiofs", "prl_fs", "fakeowner"])
def test_a_file_on_a_network_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.setattr(sqlite, "kind_of", lambda _path: kind)
    with pytest.raises(Misconfigured, match=rf"lies on a network file system \({kind}\)") as refused:
        connect(f"sqlite:///{tmp_path}/deep/ledger.db")
    assert "disk of this machine" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
    connect("sqlite://").close()
