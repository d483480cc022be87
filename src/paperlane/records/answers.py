"""What models answered, so that the same question is paid for once."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, select

from paperlane.ai import Answer
from paperlane.clock import Clock
from paperlane.ledger import Ledger
from paperlane.ledger.sense import clean
from paperlane.records.portable import insert_new
from paperlane.records.schema import answers

_ANSWER = TypeAdapter(Answer)
_PAGE = 500


def get(connection: Connection, keys: Sequence[str]) -> dict[str, Answer]:
    """Those of these answers that are kept."""
    found: dict[str, Answer] = {}
    for at in range(0, len(keys), _PAGE):
        asked = select(answers.c.key, answers.c.content).where(answers.c.key.in_(keys[at : at + _PAGE]))
        found |= {row.key: _ANSWER.validate_json(row.content) for row in connection.execute(asked)}
    return found


def put(connection: Connection, new: Sequence[Answer], now: float) -> None:
    """Keep these; one that is there already stays: two workers may have asked the same at once."""
    rows = [
        {
            "key": answer.key,
            "model": answer.model,
            "prompt": answer.prompt,
            "content": clean(_ANSWER.dump_json(answer).decode()),
            "at": now,
        }
        for answer in sorted(new, key=lambda answer: answer.key)
    ]
    if rows:
        connection.execute(insert_new(connection, answers), rows)


def forget(connection: Connection, before: float, most: int = 1_000) -> int:
    """Answers that were given before this time are no more, the oldest first, a page of them; how many went."""
    old = connection.scalars(
        select(answers.c.key).where(answers.c.at < before).order_by(answers.c.at).limit(most)
    ).all()
    if old:
        connection.execute(delete(answers).where(answers.c.key.in_(sorted(old))))
    return len(old)


class LedgerAnswers:
    """`Answers` in the ledger's database."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def get(self, keys: Sequence[str]) -> Mapping[str, Answer]:
        return self._ledger.read(lambda connection: get(connection, keys))

    def put(self, new: Sequence[Answer]) -> None:
        self._ledger.write(lambda connection: put(connection, new, self._clock.now()))
