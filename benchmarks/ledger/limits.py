"""The limits of this machine and its databases: how many commits of one insert, how many rows by COPY."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pymysql
from pysqlite3 import dbapi2
from tools.servers import Missing, Server

from benchmarks.machine import watched
from benchmarks.program import Failed
from benchmarks.rounds import Sample

_TPS = re.compile(r"tps = ([\d.]+)")
_ROWS = 1_000


def pgbench(url: str, clients: int, seconds: float) -> Sample:
    """Commits of one insert a second by pgbench."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), key=lambda path: int(path.parts[-3]))
    if not bins:
        raise Missing("postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS commits (id bigserial PRIMARY KEY, note text)")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("INSERT INTO commits (note) VALUES ('one');\n")
        script.flush()
        command = [
            str(bins[-1]), "--no-vacuum", "--client", str(clients), "--jobs", str(min(clients, os.cpu_count() or 1)),
            "--time", str(max(1, round(seconds))), "--protocol", "prepared", "--file", script.name, url,
        ]  # fmt: skip
        with watched() as load:
            ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if (found := _TPS.search(ran.stdout)) is None:
        raise Failed(ran.stderr.strip())
    return Sample(float(found.group(1)), foreign=load.foreign)


def sqlite(path: str, seconds: float) -> Sample:
    """Commits of one insert a second, WAL, synchronous=FULL."""
    connection = dbapi2.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE IF NOT EXISTS commits (id INTEGER PRIMARY KEY, note TEXT)",
    ):
        connection.execute(statement).close()
    done = 0
    with watched() as load:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection.execute("INSERT INTO commits (note) VALUES ('one')")
            done += 1
        took = time.perf_counter() - began
    connection.close()
    return Sample(done / took, foreign=load.foreign)


_CONNECTION = """
import sys, time, pymysql
_, port, name, seconds = sys.argv
connection = pymysql.connect(host="127.0.0.1", port=int(port), user="root", database=name, autocommit=True)
cursor, done, began = connection.cursor(), 0, time.perf_counter()
while time.perf_counter() - began < float(seconds):
    cursor.execute("INSERT INTO commits (note) VALUES ('one')")
    done += 1
print(done / (time.perf_counter() - began))
"""


def mariadb(server: Server, url: str, connections: int, seconds: float) -> Sample:
    """Commits of one insert a second by so many processes with PyMySQL, the driver that we use."""
    name = url.rpartition("/")[2]
    with pymysql.connect(host="127.0.0.1", port=server.port, user="root", database=name) as connection:
        connection.cursor().execute(
            "CREATE TABLE IF NOT EXISTS commits (id BIGINT AUTO_INCREMENT PRIMARY KEY, note TEXT)"
        )
    command = [sys.executable, "-c", _CONNECTION, str(server.port), name, str(seconds)]
    with watched() as load:
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(connections)]
        told = [one.communicate()[0] for one in running]
    return Sample(sum(map(float, told)), foreign=load.foreign)


def copied(url: str, seconds: float) -> Sample:
    """Rows a second by COPY, 1,000 a commit, into a table with an id, an owner and a payload."""
    done = 0
    with psycopg.connect(url) as connection, watched() as load:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS copied (id text PRIMARY KEY, user_id bigint, payload bytea, at float8)"
        )
        connection.commit()
        mark = time.time_ns()
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            with connection.cursor().copy("COPY copied FROM STDIN") as copy:
                for row in range(_ROWS):
                    copy.write_row((f"{mark}-{done + row}", row, b"{}", 0.0))
            connection.commit()
            done += _ROWS
        took = time.perf_counter() - began
    return Sample(done / took, foreign=load.foreign)
