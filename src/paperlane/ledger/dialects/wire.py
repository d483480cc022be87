"""Several statements to PostgreSQL in one round trip, by libpq's pipeline mode, below psycopg's cursors.

A step of a worker is a dozen small statements; what a cursor does for each (an object, its types looked up anew, a
wait) takes longer than the server takes for it. What is sent and how results are read is libpq's own:
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import abc
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import CompilerElement

from paperlane.ledger.dialects.prepared import Answer, Parameters, Prepared, as_sqlalchemy_does
from paperlane.ledger.dialects.silence import Session

_NUMBERED = PGDialect_psycopg(paramstyle="numeric_dollar")
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_KNOWN = "paperlane_prepared"
FORGOTTEN = {"26000", "0A000"}
"""SQLSTATEs after which what was prepared is prepared anew: somebody threw it away, or changed a table under it."""

_FAILED = {ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED}
_INT, _FLOAT, _BYTES, _ANY = 20, 701, 17, 0  # types by their number in pg_type; any is what stands there


_Key = tuple[bytes, tuple[int, ...]]
"""A statement, and the types of its parameters."""

Known = dict[_Key, bytes]
"""The names under which a connection has prepared statements."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as libpq takes it."""

    words: bytes
    places: tuple[str, ...]
    fixed: Mapping[str, Any]


_numbers = count()
_OURS = token_hex(4).encode()  # no other process's name, should a pooler give us its session
_texts: dict[Prepared, _Text] = {}


def _text_of(statement: Prepared) -> _Text:
    if (text := _texts.get(statement)) is None:
        assert isinstance(statement.statement, CompilerElement)
        compiled = statement.statement.compile(dialect=_NUMBERED)
        places = tuple(getattr(compiled, "positiontup", None) or ())
        text = _texts[statement] = _Text(str(compiled).encode(), places, dict(compiled.params or {}))
    return text


def _dumped(value: object) -> tuple[bytes | None, int]:
    """A value in its text form, and its type."""
    match value:
        case None:
            return None, _ANY
        case str():
            if "\0" in value:  # libpq would take what stands before it for the whole
                raise psycopg.DataError("PostgreSQL texts cannot contain NUL (0x00) bytes")
            return value.encode(), _ANY
        case int():
            return b"%d" % value, _INT
        case float():
            return float.__repr__(value).encode(), _FLOAT
        case bytes() | bytearray() | memoryview():
            return b"\\x" + bytes(value).hex().encode(), _BYTES
        case _:
            raise TypeError(f"{type(value).__name__} has no form for the wire")


@dataclass(slots=True)
class _Result:
    """A result in a cursor's form."""

    result: PGresult
    transformer: abc.Transformer

    @property
    def description(self) -> list[tuple[str]]:
        return [((self.result.fname(at) or b"").decode(),) for at in range(self.result.nfields)]

    @property
    def rowcount(self) -> int:
        return -1 if self.result.command_tuples is None else self.result.command_tuples

    def fetchall(self) -> list[tuple[Any, ...]]:
        self.transformer.set_pgresult(self.result)
        return self.transformer.load_rows(0, self.result.ntuples, tuple)

    def close(self) -> None:
        self.result.clear()


def run_together(connection: Connection, asked: Sequence[tuple[Prepared, Parameters]]) -> list[Answer]:
    """Run statements one after the other in the connection's transaction, which begins with them if there is none.

    When one fails, those after it are not run, and its error is raised as SQLAlchemy raises it.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, Session)
    known: Known = connection.info.setdefault(_KNOWN, {})
    try:
        results = _sent(driver, known, asked)
        _check(results, known, driver.info.encoding)
    except BaseException as error:
        words = b"; ".join(_text_of(statement).words for statement, _ in asked)
        as_sqlalchemy_does(connection, error, words.decode(), None, None)
        raise
    transformer = Transformer(driver)
    return [Answer(_Result(result, transformer)) for result in results[-len(asked) :]]


def _check(results: Sequence[PGresult], known: Known, encoding: str) -> None:
    """Raise the error of the first statement that failed."""
    for result in results:
        if result.status in _FAILED:
            error = psycopg.errors.error_from_result(result, encoding)
            if error.sqlstate in FORGOTTEN:
                known.clear()
            raise error


def _sent(driver: Session, known: Known, asked: Sequence[tuple[Prepared, Parameters]]) -> list[PGresult]:
    """What the server answered: first to a BEGIN and to what was prepared, if need be, then to each statement."""
    pq = driver.pgconn
    calls = [_call(statement, parameters) for statement, parameters in asked]
    fresh: Known = {key: b"pl_%s_%d" % (_OURS, next(_numbers)) for key, _ in calls if key not in known}
    begins = pq.transaction_status == TransactionStatus.IDLE
    try:
        pq.enter_pipeline_mode()
        if begins:
            pq.send_query_params(_BEGIN, None)
        for (words, kinds), name in fresh.items():
            pq.send_prepare(name, words, kinds)
        for key, values in calls:
            pq.send_query_prepared(fresh.get(key) or known[key], values)
        pq.pipeline_sync()
        results = _received(driver)
        pq.exit_pipeline_mode()
    except BaseException:
        driver.close()  # nobody knows what it would answer next
        raise
    if all(result.status not in _FAILED for result in results[: begins + len(fresh)]):
        known |= fresh
    return results


def _call(statement: Prepared, parameters: Parameters) -> tuple[_Key, list[bytes | None]]:
    """What is executed, and with which values."""
    assert not isinstance(parameters, list), "one row at a time is what other databases need"
    text = _text_of(statement)
    given = {**text.fixed, **parameters}
    dumped = [_dumped(given[name]) for name in text.places]
    return (text.words, tuple(kind for _, kind in dumped)), [value for value, _ in dumped]


def _received(driver: Session) -> list[PGresult]:
    """The results up to the end of the pipeline."""
    results: list[PGresult] = []
    pq, poll = driver.pgconn, select.poll()
    unsent = pq.flush()
    while True:
        while pq.is_busy():
            poll.register(pq.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            if not poll.poll(driver.patience * 1_000):
                driver.doubt()
            pq.consume_input()
            if unsent:
                unsent = pq.flush()
        result = pq.get_result()
        if result is None:
            if pq.status == ConnStatus.BAD:
                raise psycopg.OperationalError(pq.error_message.decode(errors="replace"))
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)
