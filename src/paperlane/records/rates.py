"""The rates of models in the ledger's database: one row a model, changed by one worker after the other."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, select, update

from paperlane.ledger import Ledger
from paperlane.records.portable import insert_new, now
from paperlane.records.schema import rates

Given = TypeVar("Given")


class LedgerRates:
    """`Rates` for all workers of one ledger; the database's clock counts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def change(self, model: str, work: Callable[[str, float], tuple[str, Given]]) -> Given:
        """Unavailable where the database is: a change whose commit's answer was lost may have been made."""

        def write(connection: Connection) -> Given:
            asked = select(rates.c.standing).where(rates.c.model == model).with_for_update()
            kept = connection.execute(asked).scalar()
            if kept is None:
                connection.execute(insert_new(connection, rates), {"model": model, "standing": ""})
                kept = connection.execute(asked).scalar_one()
            after, given = work(kept, now(connection))
            connection.execute(update(rates).where(rates.c.model == model).values(standing=after))
            return given

        return self._ledger.write(write)
