"""The databases that a run needs: private servers with every commit on disk, and an empty database on them by name."""

import itertools
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg
import pymysql
from pysqlite3 import dbapi2
from tools import servers

from benchmarks.figures import Figure
from benchmarks.rounds import reason, say

_VERSION = re.compile(r"\d+\.\d+[.\d]*")
_RABBITMQ = Path("/usr/lib/rabbitmq/lib")
KINDS = ("postgresql", "sqlite", "mariadb")
_STARTS: dict[str, Callable[[], servers.Server]] = {
    "postgresql": lambda: servers.postgresql(fsync=True, shared_buffers="1GB", max_wal_size="4GB"),
    # it passes the system's cache by, where the others' backlogs are: its pool must hold them; and as large a log
    "mariadb": lambda: servers.mariadb(fsync=True, **{"innodb-buffer-pool-size": "6G", "innodb-log-file-size": "4G"}),
    "redis": servers.redis,
    "rabbitmq": servers.rabbitmq,
}


def on_each(name: str, take: Callable[[str], Sequence[Figure]]) -> list[Figure]:
    """The figures of a part on each kind of database; one that cannot run is told with its reason."""
    figures: list[Figure] = []
    for kind in KINDS:
        say(f"  {kind}")
        try:
            figures += take(kind)
        except Exception as error:  # noqa: BLE001  whatever stops it, the others run, and the page says it
            say(f"  {kind} cannot run: {error}")
            figures.append(Figure(f"{name}.{kind}", None, "", note=reason(error)))
    return figures


class Databases:
    """Starts each server when it is first asked for, and ends them all."""

    def __init__(self) -> None:
        self._running: dict[str, servers.Server] = {}
        self._missing: dict[str, servers.Missing] = {}
        self._numbers = itertools.count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="paperlane-bench-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._running.values():
            server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def server(self, kind: str) -> servers.Server:
        """The running server. Missing, each time, when it is not installed."""
        if kind in self._missing:
            raise self._missing[kind]
        if kind not in self._running:
            say(f"starting {kind}")
            try:
                self._running[kind] = _STARTS[kind]()
            except servers.Missing as missing:
                self._missing[kind] = missing
                raise
        server = self._running[kind]
        if server.process is None or server.process.poll() is not None:
            say(f"{kind} ended, and is started again")
            server.start()
        return server

    def pid(self, kind: str) -> int:
        """The server's first process; 0 for SQLite, which has none."""
        process = None if kind == "sqlite" else self.server(kind).process
        return process.pid if process else 0

    def fresh(self, kind: str) -> str:
        """The URL of an empty database."""
        name = f"bench{next(self._numbers)}"
        if kind == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        server = self.server(kind)
        match kind:
            case "postgresql":
                with psycopg.connect(server.url, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name}")
                return f"{server.url.rpartition('/')[0]}/{name}"
            case "mariadb":
                with pymysql.connect(host="127.0.0.1", port=server.port, user="root") as connection:
                    connection.cursor().execute(f"CREATE DATABASE {name}")
                return f"{server.url}{name}"
            case "redis":
                with socket.create_connection(("127.0.0.1", server.port)) as asked:
                    asked.sendall(b"FLUSHALL\r\n")
                    asked.recv(64)
                return server.url
            case _:
                return server.url  # RabbitMQ, whose queue is purged by who fills it

    def drop(self, url: str) -> None:
        """Remove a database that is not needed any more."""
        kind, _, rest = url.partition(":")
        name = url.rpartition("/")[2]
        match kind:
            case "sqlite":
                for path in self._folder.glob(f"{name}*"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            case "postgresql":
                with psycopg.connect(self.server(kind).url, autocommit=True) as connection:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            case "mysql":
                with pymysql.connect(host="127.0.0.1", port=self.server("mariadb").port, user="root") as connection:
                    connection.cursor().execute(f"DROP DATABASE {name}")
            case _:
                assert rest

    def versions(self) -> dict[str, str]:
        """Of the servers that ran, and of the SQLite library."""
        found = {"sqlite": dbapi2.sqlite_version}
        for kind, server in self._running.items():
            if kind == "rabbitmq":  # which would start another one when it is asked for its version
                said = " ".join(path.name for path in _RABBITMQ.glob("rabbitmq_server-*"))
            else:
                command = [server.command[0], "--version"]
                said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
            if number := _VERSION.search(said):
                found[kind] = number.group()
        return found

    def settle(self) -> None:
        """Let no server do later what it owes from before: what was loaded is written out now."""
        if "postgresql" in self._running:
            with psycopg.connect(self.server("postgresql").url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
        if "mariadb" in self._running:
            port = self.server("mariadb").port
            with pymysql.connect(host="127.0.0.1", port=port, user="root") as other, suppress(pymysql.OperationalError):
                other.cursor().execute("SET GLOBAL innodb_log_checkpoint_now = ON")  # which some versions do not have
