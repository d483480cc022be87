"""What models cost, in the ledger's database: the books of those who ask them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from paperlane.ai.budget import Budget, Spent
from paperlane.ai.purses import Payer, Spendings
from paperlane.ledger import Ledger
from paperlane.model.tasks import TaskId, UserId
from paperlane.records import accounts, usage
from paperlane.records.portable import now


def own_budget(tokens: int | None, usual: Budget) -> Budget:
    """The budget of who has this one of tokens of their own; None: the usual one."""
    return usual if tokens is None else replace(usual, tokens=tokens)


@dataclass(frozen=True, slots=True)
class LedgerBooks:
    """`Books`; `budget` is of a calendar month, for who has no tokens of their own. The database's clock counts."""

    ledger: Ledger
    budget: Budget

    def terms(self, user: UserId) -> tuple[Budget, float]:
        """The budget, and their lane's weight."""

        def question(connection: Connection) -> tuple[Budget, float]:
            terms = accounts.terms(connection, user)
            return self._budget_of(connection, user), terms.weight if terms else 1.0

        return self.ledger.read(question)

    def _budget_of(self, connection: Connection, user: UserId) -> Budget:
        return own_budget(accounts.model_tokens(connection, user), self.budget)

    def settle(self, user: UserId, spendings: Spendings) -> Spent:
        """A user's attempts spent this; what the user spent this month then, if there is a budget."""

        def work(connection: Connection) -> Spent:
            at = now(connection)
            usage.settle(connection, user, at, spendings)
            if not self._budget_of(connection, user).limits:
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
