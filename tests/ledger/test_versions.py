"""A server that is too old is refused before it is changed, in a sentence that says what to do."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect
from tests.databases import Databases

from paperlane import cli
from paperlane.errors import Misconfigured
from paperlane.hosting import open_ledger
from paperlane.ledger.dialects import versions
from paperlane.ledger.dialects.versions import Server, untried
from paperlane.ledger.sql import connect

PRODUCTS = [("postgresql", "PostgreSQL"), ("mariadb", "MariaDB")]


@pytest.mark.parametrize(
    ("said", "product", "version"),
    [
        ("PostgreSQL 13.0 on x86_64-pc-linux-gnu, compiled by gcc (Debian 8.3.0-6) 8.3.0", "PostgreSQL", (13, 0)),
        ("PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu", "PostgreSQL", (15, 18)),
        ("PostgreSQL 18beta1 on aarch64-unknown-linux-gnu", "PostgreSQL", (18,)),
        ("10.6.0-MariaDB", "MariaDB", (10, 6)),
        ("10.11.19-MariaDB-0+deb12u1-log", "MariaDB", (10, 11)),
        ("5.5.5-10.6.12-MariaDB-1:10.6.12+maria~ubu2004", "MariaDB", (10, 6)),
        ("11.4.2-MariaDB-ubu2404", "MariaDB", (11, 4)),
        ("8.0.36-0ubuntu0.22.04.1", "MySQL", (8, 0)),
        ("8.4.0", "MySQL", (8, 4)),
        ("9.1.0-commercial", "MySQL", (9, 1)),
    ],
)
def test_a_server_is_known_by_what_it_says(said: str, product: str, version: tuple[int, ...]):
    assert Server.of(said).checked() == Server(product, version)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("PostgreSQL 12.22 on x86_64-pc-linux-gnu", "PostgreSQL 12.22 is too old: Paperlane needs PostgreSQL 13 or"),
        ("PostgreSQL 9.6.24 on x86_64-pc-linux-gnu", "PostgreSQL 9.6 is too old"),
        ("10.5.29-MariaDB", "MariaDB 10.5 is too old: Paperlane needs MariaDB 10.6 or later."),
        ("5.5.5-10.4.2-MariaDB-log", "MariaDB 10.4 is too old"),
        ("5.7.44-log", "MySQL 5.7 is too old: Paperlane needs MySQL 8.0 or later."),
    ],
)
def test_one_that_is_too_old_is_refused_with_what_to_do(said: str, told: str):
    with pytest.raises(Misconfigured) as refused:
        Server.of(said).checked()
    assert refused.value.message.startswith(told)
    assert refused.value.hint.startswith("Upgrade the server, or name another one")


def test_one_that_nobody_knows_is_refused_with_those_that_are():
    with pytest.raises(Misconfigured, match=r"calls itself 'CockroachDB CCL v23\.1\.0'") as refused:
        Server.of("CockroachDB CCL v23.1.0")
    assert refused.value.hint == "Use PostgreSQL 13 or later or MariaDB 10.6 or later."


def test_what_the_tests_do_not_run_on_is_told():
    assert list(untried(Server("MySQL", (8, 0)))) == [
        "MySQL 8.0 is not tested: it should do as MariaDB does; prefer PostgreSQL 13 or later or MariaDB 10.6 or later"
    ]
    assert list(untried(Server("MariaDB", (10, 6)))) == list(untried(Server("PostgreSQL", (13,)))) == []


@pytest.mark.parametrize(("kind", "product"), PRODUCTS)
def test_a_real_server_that_is_too_old_is_left_as_it_is(
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    product: str,
):
    url = databases.bare(kind, tmp_path)
    at = ("--data", str(tmp_path), "--database", url)
    monkeypatch.setattr("os.umask", lambda _mask: 0)
    with monkeypatch.context() as later:
        later.setitem(versions.OLDEST, product, (99, 1))
        for _ in range(2):  # nor does it come through by trying again
            with pytest.raises(
                Misconfigured, match=f"{product} .* is too old: Paperlane needs {product} 99.1 or later"
            ):
                open_ledger(url)
        for command, code in (("migrate", 2), ("queue", 2), ("doctor", 1)):
            later.setattr(sys, "argv", ["paperlane", command, *at])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            said = capsys.readouterr()
            assert ended.value.code == code
            assert "is too old: Paperlane needs" in (line := next(filter(str, (said.err, said.out))))
            assert command == "doctor" or len(line.splitlines()) == 1
    dialect = connect(url)
    assert inspect(dialect.reader).get_table_names() == []
    dialect.close()
    open_ledger(url).close()


@pytest.mark.parametrize("kind", ["mariadb"])
def test_the_doctor_warns_of_a_server_that_is_not_tested(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    dialect = connect(databases.bare(kind, tmp_path))
    monkeypatch.setattr(versions, "TESTED", ("PostgreSQL",))
    with dialect.reader.connect() as connection:
        assert any("is not tested" in weakness for weakness in dialect.weaknesses(connection))
    dialect.close()
