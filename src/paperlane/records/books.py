"""What models cost, in the ledger's database: the books of those who ask them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from paperlane.ai.budget import Budget, Spent
from paperlane.ai.purses import Payer, Spendings
from paperlane.ledger import Ledger
from paperlane.model.tasks import TaskId, UserId
from paperlane.records import accounts, usage
from paperlane.records.portable import now


@dataclass(frozen=True, slots=True)
class LedgerBooks:
    """`Books`; every user has the same `budget`, for a calendar month. The database's clock counts."""

    ledger: Ledger
    budget: Budget

    def terms(self, user: UserId) -> tuple[Budget, float]:
        """The budget, and their lane's weight."""
        terms = self.ledger.read(lambda connection: accounts.terms(connection, user))
        return self.budget, terms.weight if terms else 1.0

    def settle(self, user: UserId, spendings: Spendings) -> Spent:
        """A user's attempts spent this; what the user spent this month then, if there is a budget."""

        def work(connection: Connection) -> Spent:
            at = now(connection)
            usage.settle(connection, user, at, spendings)
            if not self.budget.limits:
                return Spent()
            return sum(usage.since(connection, user, usage.month_of(at)).values(), start=Spent())

        return self.ledger.write(work) if spendings else self.ledger.read(work)

    def stands(self, payer: Payer) -> Mapping[str, Spent]:
        """What this attempt is known to have spent, by model."""
        return self.ledger.read(lambda connection: usage.stands(connection, payer))

    def before(self, payer: Payer) -> Mapping[str, Spent]:
        """What the other attempts at its task spent, by model."""
        return self.ledger.read(lambda connection: usage.before(connection, payer))

    def waits(self, task: TaskId, model: str, *, answered: bool) -> float:
        """For how many seconds a task has found this model away."""

        def work(connection: Connection) -> float:
            return usage.wait(connection, task, model, now(connection), answered=answered)

        return self.ledger.write(work)
