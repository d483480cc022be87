"""The rates of models in the ledger's database: one row a model, changed by one worker after the other."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, select, update

from paperlane.ai.rate import Standing
from paperlane.ledger import Ledger
from paperlane.model.figures import ModelFigures
from paperlane.records.portable import insert_new, now
from paperlane.records.schema import rates

Given = TypeVar("Given")


_LATELY = 120.0  # seconds


def standings(connection: Connection) -> Sequence[ModelFigures]:
    """What all workers know of each model, by its name.

    Nobody changes the row of a model that nobody asks any more: what stands there tells of now only where it was
    changed lately, or says until when nobody shall ask, and a little longer: who asks then has yet to come.
    """
    at = now(connection)
    found = connection.execute(select(rates.c.model, rates.c.standing).order_by(rates.c.model))
    return [_figures(row.model, Standing.read(row.standing), at) for row in found]


def _figures(model: str, of: Standing, at: float) -> ModelFigures:
    closed_for = max(0.0, of.closed_until - at, of.open_until - at)
    if not closed_for and abs(at - max(of.at, of.closed_until, of.open_until)) >= _LATELY:
        return ModelFigures(model)
    return ModelFigures(
        name=model,
        refusals=of.pushes if at - of.pushed_at < _LATELY else 0,
        closed_for=closed_for,
        away=of.open_until > 0 or of.refused,  # also half open: it is back once it answers
        rationed=of.reserve < 0,
    )


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
