"""Which servers the ledger's statements run on, by what a server says of its version."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

from paperlane.errors import Misconfigured

OLDEST: dict[str, tuple[int, ...]] = {
    "PostgreSQL": (13,),  # pg_current_snapshot()
    "MariaDB": (10, 6),  # JSON_TABLE, SKIP LOCKED
    "MySQL": (8, 0),  # the same
}
TESTED = ("PostgreSQL", "MariaDB")

_FORMS = {
    "PostgreSQL": re.compile(r"PostgreSQL (\d+)(?:\.(\d+))?"),
    "MariaDB": re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.\d+-MariaDB"),  # some begin with what MySQL's old clients want
    "MySQL": re.compile(r"(\d+)\.(\d+)\.\d+"),
}


@dataclass(frozen=True, slots=True)
class Server:
    """What a server is, and its version's first two numbers."""

    product: str
    version: tuple[int, ...]

    @classmethod
    def of(cls, said: str) -> Self:
        """The server that answers `SELECT version()` so. Misconfigured for one that Paperlane does not know."""
        for product, form in _FORMS.items():
            if found := form.match(said):
                return cls(product, tuple(int(number) for number in found.groups() if number))
        raise Misconfigured(
            f"The database server calls itself {said[:60]!r}, which Paperlane does not know.",
            hint=f"Use {' or '.join(map(_least, TESTED))}.",
        )

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"

    def checked(self) -> Self:
        """Itself; Misconfigured when it is too old."""
        if self.version < OLDEST[self.product]:
            raise Misconfigured(
                f"{self} is too old: Paperlane needs {_least(self.product)}.",
                hint="Upgrade the server, or name another one in --database or PAPERLANE_DATABASE_URL.",
            )
        return self


def untried(server: Server) -> Iterator[str]:
    """That the tests run on no such server, if so."""
    if server.product not in TESTED:
        yield f"{server} is not tested: it should do as {TESTED[-1]} does; prefer {' or '.join(map(_least, TESTED))}"


def _least(product: str) -> str:
    return f"{product} {'.'.join(map(str, OLDEST[product]))} or later"


def check(connection: Any, _record: object) -> None:
    """Look at the server of a connection that was just made, before anything else is asked of it."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT version()")
        (said,) = cursor.fetchone()
    connection.rollback()
    try:
        Server.of(said).checked()
    except Misconfigured:
        connection.close()
        raise
