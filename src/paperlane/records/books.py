"""What models cost, in the ledger's database: the books of those who ask them."""

from collections.abc import Mapping
from dataclasses import dataclass

from paperlane.ai.budget import Budget, Spent
from paperlane.clock import Clock
from paperlane.ledger import Ledger
from paperlane.model.tasks import TaskId, UserId
from paperlane.records import accounts, usage


@dataclass(frozen=True, slots=True)
class LedgerBooks:
    """Every user has the same `budget`, for a calendar month."""

    ledger: Ledger
    clock: Clock
    budget: Budget

    def standing(self, user: UserId) -> tuple[Budget, Spent, float]:
        """A user's budget, what they spent of it this month, and their lane's weight."""
        begin = usage.month_of(self.clock.now())
        spent, terms = self.ledger.read(lambda c: (usage.since(c, user, begin), accounts.terms(c, user)))
        return self.budget, sum(spent.values(), start=Spent()), terms.weight if terms else 1.0

    def spent(self, task: TaskId, user: UserId, spending: Mapping[str, Spent]) -> None:
        """This was spent now, by model."""
        now = self.clock.now()
        self.ledger.write(lambda connection: usage.add(connection, user, task, now, spending))

    def of_task(self, task: TaskId) -> Mapping[str, Spent]:
        """What was spent on a task so far, by model."""
        return self.ledger.read(lambda connection: usage.of_task(connection, task))
