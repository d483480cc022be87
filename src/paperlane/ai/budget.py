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
        """With so much spent, may another question be asked? The last one may go past the limit by what it costs."""
        return (not self.tokens or tokens < self.tokens) and (not self.money or money < self.money)


@dataclass(slots=True)
class Purse:
    """One task's part in its user's budget: `Spend` for questions that are asked one beside the other.

    `tokens` and `money` were spent before it, in this month. What it spends itself is in `used`, by model; what other
    tasks of the user spend meanwhile is not seen.
    """

    budget: Budget
    price: Callable[[str, Usage], float]
    tokens: int = 0
    money: float = 0.0
    used: dict[str, Usage] = field(default_factory=dict)

    def allows(self) -> bool:
        return self.budget.allows(self.tokens, self.money)

    def add(self, model: str, usage: Usage) -> None:
        self.used[model] = self.used.get(model, Usage()) + usage
        self.tokens += usage.tokens
        self.money += self.price(model, usage)

    def costs(self) -> Mapping[str, float]:
        """What this task cost, by model."""
        return {model: self.price(model, usage) for model, usage in self.used.items()}
