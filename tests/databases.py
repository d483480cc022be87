"""Databases of every kind that the ledger speaks, empty and brought to this version, for one test each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import URL, Engine, create_engine, inspect, make_url, text
from tools import servers

from paperlane.ledger.dialects import Dialect
from paperlane.ledger.sql import connect
from paperlane.migrations import migrate

KINDS = ("sqlite file", "postgresql", "mariadb")
IN_MEMORY = "sqlite memory"  # the same dialect without a file: for what must be fast, and where it may differ
SERVERS: dict[str, Callable[[], servers.Server]] = {"postgresql": servers.postgresql, "mariadb": servers.mariadb}
_KEPT = {"alembic_version", "system", "chores", "backlog", "flags"}


@dataclass
class Databases:
    """Servers that are started once, by who first wants one; their databases are emptied and used again."""

    running: dict[str, servers.Server] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)
    bares: int = 0

    def server(self, kind: str) -> servers.Server:
        """The running server; `servers.Missing` where it is not installed."""
        if kind not in self.running:
            self.running[kind] = SERVERS[kind]()
        return self.running[kind]

    def urls(self, kind: str, folder: Path) -> Iterator[str]:
        """Addresses of empty, migrated databases, one after the other."""
        if kind == IN_MEMORY:
            while True:
                yield "sqlite://"
        if kind == "sqlite file":
            at = 0
            while True:
                at += 1
                yield new_file(folder / f"ledger{at}.db")
        known = self.made.setdefault(kind, [])
        for url in list(known):
            empty(url)
            yield url
        while True:
            known.append(self.create(kind, f"test{len(known)}"))
            migrated(known[-1]).close()
            yield known[-1]

    def bare(self, kind: str, folder: Path) -> str:
        """The address of a new database without tables."""
        if kind == "sqlite file":
            return f"sqlite:///{folder}/bare.db"
        self.bares += 1
        return self.create(kind, f"bare{self.bares}")

    def create(self, kind: str, name: str) -> str:
        """A new database on the server, without tables; its address."""
        server = make_url(self.server(kind).url)
        engine = _on_server(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return server.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        """Stop the servers."""
        for server in self.running.values():
            server.close()


def opened(url: str) -> Dialect:
    """A database that is of this version; one in memory is made so."""
    dialect = connect(url)
    if url == "sqlite://":
        with closing(dialect.writer.raw_connection()) as connection:
            copy_new(connection.driver_connection)
    return dialect


@cache
def kept(url: str) -> Dialect:
    """An open database that is kept for the next test: on a server, to connect and to put statements into words takes
    longer than most tests do.
    """
    return opened(url)


def migrated(url: str) -> Dialect:
    """The database, brought to this version."""
    dialect = opened(url)
    migrate(dialect.unlimited)
    return dialect


@cache
def _new() -> Dialect:
    """An empty database in memory that was brought to this version: a copy of it costs a twentieth of another one."""
    dialect = connect("sqlite://")
    migrate(dialect.unlimited)
    return dialect


def copy_new(into: dbapi2.Connection) -> None:
    """Bring an empty SQLite database to this version."""
    with closing(_new().writer.raw_connection()) as connection:
        connection.driver_connection.backup(into)  # type: ignore[union-attr]


def new_file(path: Path) -> str:
    """Make an SQLite file of this version, empty; its address."""
    with closing(dbapi2.connect(path)) as made:
        made.execute("PRAGMA synchronous=OFF")  # nobody needs it after a power cut
        copy_new(made)
    path.chmod(0o600)
    return f"sqlite:///{path}"


def _on_server(url: URL, **options: Any) -> Engine:
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[url.drivername]
    return create_engine(url.set(drivername=driver), **options)


@cache
def _to_empty(url: str) -> tuple[Engine, Sequence[str]]:
    """A connection that is kept, for each test takes an empty database; and the tables."""
    engine = _on_server(make_url(url), pool_pre_ping=True, pool_size=1)
    return engine, _tables(engine)


def _tables(engine: Engine) -> Sequence[str]:
    return sorted(set(inspect(engine).get_table_names()) - _KEPT)


def empty(url: str) -> None:
    """Delete all rows but those that migrations wrote."""
    engine, tables = _to_empty(url)
    _empty(engine, tables)


def empty_all(dialect: Dialect) -> None:
    """The same, in a database that is open."""
    _empty(dialect.writer, _tables(dialect.writer))


def _empty(engine: Engine, tables: Sequence[str]) -> None:
    with engine.begin() as connection:
        for table in tables:
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("UPDATE system SET max_running = NULL, repairs = 0, usual = '', usual_at = 0"))
        connection.execute(text("UPDATE system SET usual_named = 0, usual_settled = 0"))
        connection.execute(text("UPDATE chores SET next_at = 0, done_until = 0"))
        connection.execute(text("UPDATE flags SET is_on = 1, set_at = 0, set_by = 0, changes = 0, settled = 0"))


def run(url: str, statements: Sequence[str]) -> None:
    """Run statements on a database, all in one transaction where it knows such."""
    dialect = connect(url)
    with dialect.writer.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    dialect.close()


@dataclass(frozen=True)
class Ways:
    """How a server of some kind is brought into trouble.

    `sleeps` takes 50 seconds, `asleep` counts who does so and who asks. `fails` fails as a server does that says
    `{code}` (PostgreSQL's) or `{number}` (MariaDB's). `migrates` takes what a process that migrates takes, `waits`
    counts who waits for it. `admits` makes `someone`, who needs the password `right`; `denies` takes their rights.
    """

    sleeps: str
    asleep: str
    fails: str
    migrates: str
    waits: str
    admits: Callable[[servers.Server, str], None]
    denies: Callable[[str], None]


def _postgresql_admits(server: servers.Server, url: str) -> None:
    rules = server.folder / "data/pg_hba.conf"
    rule = "host all someone all scram-sha-256\n"
    if not (before := rules.read_text()).startswith(rule):
        rules.write_text(rule + before)
        run(url, ["CREATE ROLE someone LOGIN PASSWORD 'right'"])
    run(url, ["SELECT pg_reload_conf()", "ALTER SCHEMA public OWNER TO someone"])


def _postgresql_denies(url: str) -> None:
    run(url, ["ALTER SCHEMA public OWNER TO paperlane", "REVOKE ALL ON SCHEMA public FROM someone, public"])


_SOMEONE = ("someone@localhost", "someone@'127.0.0.1'")


def _mariadb_admits(_server: servers.Server, url: str) -> None:
    users = [f"CREATE OR REPLACE USER {user} IDENTIFIED BY 'right'" for user in _SOMEONE]
    run(url, [*users, f"GRANT ALL ON {make_url(url).database}.* TO {', '.join(_SOMEONE)}"])


def _mariadb_denies(url: str) -> None:
    name = make_url(url).database
    for right in ("REVOKE ALL ON {}.* FROM {}", "GRANT SELECT ON {}.* TO {}"):
        run(url, [right.format(name, user) for user in _SOMEONE])


WAYS = {
    "postgresql": Ways(
        "SELECT pg_sleep(50)",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(50)%'",
        "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$",
        "SELECT pg_advisory_lock(736921)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
        _postgresql_admits,
        _postgresql_denies,
    ),
    "mariadb": Ways(
        "SELECT sleep(50)",
        "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(50)%'",
        "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'no'",
        "SELECT get_lock(concat('paperlane ', database()), 0)",
        "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'",
        _mariadb_admits,
        _mariadb_denies,
    ),
}
