"""The words of each group: its glossary, and what no check shall complain of."""

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, insert, select

from paperlane.checks.words import Words
from paperlane.model.tasks import UserId
from paperlane.records import accounts
from paperlane.records.accounts import Role
from paperlane.records.schema import group_words

_WORDS = TypeAdapter(Words)


def of_group(connection: Connection, group: str) -> Words:
    """A group's words; none where nobody wrote any down."""
    asked = select(group_words.c.content).where(group_words.c.group_name == group)
    content = connection.scalar(asked) if group else None
    return Words() if content is None else _WORDS.validate_json(content)


def put(connection: Connection, group: str, words: Words, user: UserId, now: float) -> None:
    """These are a group's words from now on. Those who write any take turns: two at once would write one row."""
    accounts.holders(connection, Role.ADMIN)
    connection.execute(delete(group_words).where(group_words.c.group_name == group))
    row = {
        "group_name": group,
        "content": _WORDS.dump_json(words).decode(),
        "changed_at": now,
        "changed_by": user,
    }
    connection.execute(insert(group_words), row)
