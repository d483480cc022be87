"""A group's words: its members read them, admins write them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from paperlane.checks.words import Words
from paperlane.clock import Clock
from paperlane.desk.trail import Trail, id_of
from paperlane.errors import NotAllowed, NotFound
from paperlane.ledger import Ledger
from paperlane.ledger.sense import clean
from paperlane.records import accounts, words
from paperlane.records.accounts import Account


@dataclass(frozen=True, slots=True)
class GroupWords:
    """The glossary of each group, and the words that no check complains of in its members' documents."""

    ledger: Ledger
    clock: Clock
    trail: Trail

    def groups(self, by: Account) -> Sequence[str]:
        """The groups whose words somebody reads: one's own, and all for admins."""
        if by.operates:
            return self.ledger.read(accounts.groups)
        return [by.group] if by.group else []

    def of(self, by: Account | None, group: str) -> Words:
        """A group's words: for its members, for admins and at the machine itself. NotFound for all other groups."""
        group = clean(group)
        if by is None or by.operates:
            self._check_there(group)
        elif not group or by.group != group:
            raise _nowhere()
        return self.ledger.read(lambda connection: words.of_group(connection, group))

    def check_may_put(self, by: Account | None) -> None:
        """NotAllowed for who is no admin."""
        if by is not None and not by.operates:
            raise NotAllowed("Only admins write a group's words.", hint="Ask an admin to change them.")

    def put(self, by: Account | None, group: str, said: Words) -> Words:
        """Other words for a group, as they are kept. NotAllowed for who is no admin; BadRequest past their limits."""
        self.check_may_put(by)
        group = clean(group)
        self._check_there(group)
        terms = {clean(term): clean(meaning) for term, meaning in said.terms.items()}
        kept = Words(terms, [*map(clean, said.ignored)]).checked()
        now = self.clock.now()

        def write(connection: Connection) -> None:
            words.put(connection, group, kept, id_of(by), now)
            details = {"group": group, "terms": len(kept.terms), "ignored": len(kept.ignored)}
            self.trail.note(connection, by, now, "words changed", details)

        self.ledger.write(write)
        return kept

    def _check_there(self, group: str) -> None:
        if not group or not self.ledger.read(lambda connection: accounts.has_group(connection, group)):
            raise _nowhere()


def _nowhere() -> NotFound:
    return NotFound(
        "There is no such group.", hint="A group is there while somebody is in it; see: paperlane user list."
    )
