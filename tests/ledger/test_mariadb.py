"""What only MariaDB has: a clock that is read by way of the session's time zone."""

import time
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
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
