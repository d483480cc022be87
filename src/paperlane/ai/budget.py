"""What one user's questions may cost in a month."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from paperlane.ai import Usage
from paperlane.settings import Settings


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens and money of a calendar month; 0 is no limit."""

    tokens: int = 0
    money: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> "Budget":
        """What every user may use up."""
        return cls(settings.user_model_tokens, settings.user_model_money)

    def allows(self, tokens: int, money: float) -> bool:
        """With so much spent or held, may another request be sent? The last one may go past the limit."""
        return (not self.tokens or tokens < self.tokens) and (not self.money or money < self.money)


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used up at models, and what that cost."""

    usage: Usage = field(default_factory=Usage)
    money: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.usage + other.usage, self.money + other.money)


@dataclass(slots=True)
class Purse:
    """One task's part in its user's budget: `Spend`.

    `price` tells what a usage of a model costs. `tokens` and `money` were spent before it, in this month. What it
    spends itself is in `used`, by model; what other tasks of the user spend meanwhile is not seen.
    """

    budget: Budget
    price: Callable[[str, Usage], float]
    tokens: int = 0
    money: float = 0.0
    used: dict[str, Usage] = field(default_factory=dict)

    def hold(self, model: str, expected: Usage) -> bool:
        if not self.budget.allows(self.tokens, self.money):
            return False
        self._count(model, expected, 1)
        return True

    def add(self, model: str, expected: Usage, used: Usage) -> None:
        self._count(model, expected, -1)
        self._count(model, used, 1)
        if used.requests:
            self.used[model] = self.used.get(model, Usage()) + used

    def _count(self, model: str, usage: Usage, sign: int) -> None:
        self.tokens += sign * usage.tokens
        self.money += sign * self.price(model, usage)

    def costs(self) -> Mapping[str, float]:
        """What this task cost, by model."""
        return {model: self.price(model, usage) for model, usage in self.used.items()}
