"""What ails a database, told in errors of ours: it cannot be reached, it is busy, or it has no room."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from paperlane.errors import Busy, StorageFull, Unavailable

# https://www.sqlite.org/rescode.html: the low byte is the primary code
_SQLITE_MISTAKE, _SQLITE_FULL = 1, 13
# BUSY, LOCKED; also a commit that is refused so has changed nothing: https://www.sqlite.org/lang_transaction.html
_SQLITE_BUSY = frozenset({5, 6})
_SQLITE_BARRED = frozenset({3, 8, 14})  # PERM, READONLY, CANTOPEN
# that a server knows neither the user nor the database; PostgreSQL tells no code of a connection that it refuses
_MARIADB_BARRED = frozenset({1044, 1045, 1049, 1698})
_MARIADB_DENIED = frozenset({1142, 1143, 1227})  # a right
_POSTGRESQL_DENIED = frozenset({"42501", "3F000"})  # insufficient_privilege, invalid_schema_name: it sees none
_POSTGRESQL_BARRED = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "is not permitted to log in",
    "no pg_hba.conf entry",
    "permission denied for database",
)
# https://www.postgresql.org/docs/15/errcodes-appendix.html; what has no code is of the connection itself
_POSTGRESQL_FULL = "53100"  # disk_full
_POSTGRESQL_DIVIDED = "22012"  # division_by_zero
_POSTGRESQL_BUSY = frozenset({"40001", "40P01", "55P03"})  # serialization_failure, deadlock, lock_not_available
_POSTGRESQL_AWAY = (
    "08",  # connection exceptions
    "25006",  # read_only_sql_transaction: a server that only follows another one
    "25P03",  # idle_in_transaction_session_timeout
    "28",  # invalid authorization
    "53",  # insufficient resources
    "57",  # operator intervention: shut down, starting, cancelled
    "58",  # system errors
)  # fmt: skip
_POSTGRESQL_DEADLOCK, _MARIADB_DEADLOCK = "40P01", 1213
# https://mariadb.com/kb/en/mariadb-error-code-reference/; PyMySQL calls most numbers operational, also mistakes
_MARIADB_AWAY = _MARIADB_BARRED | {
    1030, 1026,  # the storage engine's error, a file's
    1040, 1203, 1226,  # too many connections
    1042, 1043, 1047, 1129,  # no handshake
    1053, 1077, 1079,  # the server ends
    1152, 1158, 1159, 1160, 1161, 1184,  # the connection broke
    1290, 1792, 1836,  # it only reads
    1317, 1927, 1969, 3024, 4031,  # killed, or took too long
}  # fmt: skip
_MARIADB_CLIENT = range(2000, 3000)  # what the driver says itself: nobody there, lost
_MARIADB_BUSY = frozenset({1205, 1213})  # lock wait timeout, deadlock
_MARIADB_FULL = frozenset({1021, 1114})  # ER_DISK_FULL, ER_RECORD_FILE_FULL
_MARIADB_WRITING = frozenset({3, 1026, 1030})  # EE_WRITE, ER_ERROR_ON_WRITE, ER_GET_ERRNO: the system's number is told
_MARIADB_NO_SPACE = ("Errcode: 28", "errno: 28", "error 28")  # ENOSPC


@contextmanager
def told() -> Generator[None]:
    """Unavailable, Busy or StorageFull instead of what the driver raised; errors of another kind pass as they are.

    But for the one that stands for a mistake of ours: `history` divides by zero where a locked task did not change.
    """
    try:
        yield
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _POSTGRESQL_DIVIDED:
            raise RuntimeError("tasks are locked, and not all of them changed") from error
        if (trouble := trouble_of(error)) is None:
            raise
        raise trouble from error


def trouble_of(error: SQLAlchemyError) -> Unavailable | None:
    """What an error of the database says about the database; None where it says something about the statement."""
    if isinstance(error, DBAPIError) and _is_full(error.orig):
        return StorageFull(f"There is no room to write: {said(error)}.", hint="Free some space on the database's disk.")
    if isinstance(error, NoConnection) or (isinstance(error, DBAPIError) and _is_busy(error)):
        return Busy(f"The database is busy: {said(error)}.", hint="Try again in a little while.")
    if isinstance(error, DBAPIError) and _is_away(error):
        return Unavailable(f"The database cannot be reached: {said(error)}.", hint="Try again in a little while.")
    return None


def said(error: object) -> str:
    """What the database said, in one line."""
    raised: Any = getattr(error, "orig", None) or error
    words = str(raised.args[1]) if _number(raised) and len(raised.args) > 1 else str(raised)  # PyMySQL's come in pairs
    first, *more = [line.strip(" -\t") for line in words.splitlines() if line.strip()] or [type(raised).__name__]
    return (more[-1] if more and first.endswith(":") else first).rstrip(".")  # psycopg counts what addresses answered


def is_barred(error: object) -> bool:
    """May this process not use the database as it is named? Waiting does not mend that."""
    raised = getattr(error, "orig", None)
    if _sqlite_code(raised) in _SQLITE_BARRED or _number(raised) in _MARIADB_BARRED | _MARIADB_DENIED:
        return True
    if sqlstate := getattr(raised, "sqlstate", None):
        return sqlstate in _POSTGRESQL_DENIED
    return isinstance(error, OperationalError) and any(sign in str(raised) for sign in _POSTGRESQL_BARRED)


def is_deadlock(error: DBAPIError) -> bool:
    """Did two wait for each other, and was this one given up for the other?"""
    raised = error.orig
    return getattr(raised, "sqlstate", None) == _POSTGRESQL_DEADLOCK or _number(raised) == _MARIADB_DEADLOCK


def _is_full(raised: Any) -> bool:
    number = _number(raised)
    if getattr(raised, "sqlstate", None) == _POSTGRESQL_FULL or number in _MARIADB_FULL:
        return True
    if number in _MARIADB_WRITING:
        return any(sign in str(raised) for sign in _MARIADB_NO_SPACE)
    return _sqlite_code(raised) == _SQLITE_FULL


def _is_busy(error: DBAPIError) -> bool:
    """Does the database answer, and others were in the way?"""
    if error.connection_invalidated:
        return False
    if getattr(error.orig, "sqlstate", None) in _POSTGRESQL_BUSY:
        return True
    return _number(error.orig) in _MARIADB_BUSY or _sqlite_code(error.orig) in _SQLITE_BUSY


def _is_away(error: DBAPIError) -> bool:
    """Is it no statement's fault? The drivers' own kinds do not tell: some call a missing table operational too."""
    if error.connection_invalidated:
        return True
    if number := _number(error.orig):  # first: PyMySQL tells a code beside it, of which most are none
        return number in _MARIADB_AWAY or number in _MARIADB_CLIENT
    if sqlstate := getattr(error.orig, "sqlstate", None):
        return sqlstate.startswith(_POSTGRESQL_AWAY)
    return isinstance(error, (OperationalError, InterfaceError)) and _sqlite_code(error.orig) != _SQLITE_MISTAKE


def _sqlite_code(raised: Any) -> int:
    code: int = getattr(raised, "sqlite_errorcode", 0)
    return code & 0xFF


def _number(raised: Any) -> int:
    first = raised.args[0] if getattr(raised, "args", ()) else 0
    return first if isinstance(first, int) else 0
