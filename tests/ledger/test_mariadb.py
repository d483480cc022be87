"""What only MariaDB has: a clock that is read by way of the time zone, and a driver that encrypts where it can."""

import ssl
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError
from tests.databases import Databases

from paperlane.ledger.sql import connect


@pytest.mark.parametrize("kind", ["mariadb"])
def test_the_clock_is_read_in_utc_whatever_the_url_and_the_server_say(databases: Databases, tmp_path: Path, kind: str):
    url = make_url(next(databases.urls(kind, tmp_path)))
    url = url.set(query={"init_command": "SET time_zone = '+02:00', @kept = 7"})
    dialect = connect(url.render_as_string(hide_password=False))
    for engine in (dialect.writer, dialect.reader, dialect.unlimited):
        with engine.connect() as connection:
            told = connection.execute(text("SELECT @@session.time_zone, @kept")).one()
            now = float(dialect.clock.on(connection).value())
        assert tuple(told) == ("+00:00", 7)
        assert now == pytest.approx(time.time(), abs=600)
    dialect.close()


@pytest.mark.parametrize("kind", ["mariadb"])
def test_what_the_system_trusts_is_not_read_for_each_connection(
    databases: Databases, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    connect(url := next(databases.urls(kind, tmp_path))).close()
    monkeypatch.setattr(ssl, "create_default_context", None)
    dialect = connect(url)
    for engine in (dialect.writer, dialect.reader, dialect.unlimited):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
    dialect.close()


@pytest.mark.parametrize("kind", ["mariadb"])
def test_whom_the_url_trusts_is_asked(databases: Databases, tmp_path: Path, kind: str):
    url = make_url(next(databases.urls(kind, tmp_path))).set(query={"ssl_verify_cert": "true"})
    dialect = connect(url.render_as_string(hide_password=False))
    with pytest.raises(OperationalError, match=r"SSL is required|certificate verify failed"), dialect.reader.connect():
        pass
    dialect.close()
