"""What processes counted, added up: a row for each name and label, with a column for each bucket."""

from functools import cache
from math import isfinite
from typing import Any

from sqlalchemy import Connection, select

from paperlane.ledger.dialects import Given, GivenRows, Kind
from paperlane.ledger.dialects.keyed import KeyedUpdate, select_by_key
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import tallies
from paperlane.ledger.sense import check_text
from paperlane.ledger.writing import Writing
from paperlane.model.tallies import BUCKETS, Histogram, Tallies

_BUCKETS = tuple(f"bucket_{at}" for at in range(BUCKETS))
_ADDED = ("total", *_BUCKETS)
_KINDS: dict[str, Kind] = {"total": "float", **dict.fromkeys(_BUCKETS, "int")}
_KEY: dict[str, Kind] = {"of_name": "key", "of_label": "key"}


def check(deltas: Tallies) -> None:
    """ValueError for what would be found under no name, or spoil a sum for good."""
    for (name, label), one in deltas.items():
        check_text("The name of what is counted", name, tallies.c.name)
        if label:
            check_text("The label of what is counted", label, tallies.c.label)
        if len(one.counts) != BUCKETS or min(one.counts) < 0 or not isfinite(one.total):
            raise ValueError(f"This is no count of {name} {label}: {one}")


def add(writing: Writing, deltas: Tallies) -> None:
    """Add to the rows, each locked in the order of their keys, so that nobody who adds waits for who waits for them."""
    keys = sorted(key for key, one in deltas.items() if one.count)
    if not keys:
        return
    asked, of_keys = _there(writing.dialect.given)
    columns = tuple(zip(*keys, strict=True))
    there = set(writing.soon(asked, of_keys.bind(*columns)).tuples())
    if missing := [{"name": name, "label": label} for name, label in keys if (name, label) not in there]:
        writing.connection.execute(writing.dialect.insert_new(tallies), missing)
    statement, given = _add(writing.dialect.given)
    added = zip(*((deltas[key].total, *deltas[key].counts) for key in keys), strict=True)
    writing.soon(statement, given.bind(*columns, *added))


@cache
def _there(given_rows: GivenRows) -> tuple[Prepared, Given]:
    given = given_rows("counted", **_KEY)
    asked = select(tallies.c.name, tallies.c.label).where(*_named(given)).order_by(tallies.c.name, tallies.c.label)
    return Prepared(select_by_key(asked, given.table, tallies).with_for_update(of=tallies)), given


@cache
def _add(given_rows: GivenRows) -> tuple[Prepared, Given]:
    given = given_rows("counted", **_KEY, **{f"more_{name}": kind for name, kind in _KINDS.items()})
    more = {name: tallies.c[name] + given.table.c[f"more_{name}"] for name in _ADDED}
    return Prepared(KeyedUpdate(tallies).where(*_named(given)).values(more)), given


def _named(given: Given) -> tuple[Any, Any]:
    return tallies.c.name == given.table.c.of_name, tallies.c.label == given.table.c.of_label


def read(connection: Connection) -> Tallies:
    """All of them."""
    return {
        (row["name"], row["label"]): Histogram(tuple(int(row[name]) for name in _BUCKETS), float(row["total"]))
        for row in connection.execute(select(tallies)).mappings()
    }
