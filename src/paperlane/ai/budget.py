"""What one user's questions may cost in a month."""

from dataclasses import dataclass, field
from math import inf

from paperlane.ai import Usage
from paperlane.settings import Settings


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used up at models, and what that cost."""

    usage: Usage = field(default_factory=Usage)
    money: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.usage + other.usage, self.money + other.money)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.usage - other.usage, self.money - other.money)

    def beyond(self, other: "Spent") -> "Spent":
        """How much more it is, of each; 0 of what is less."""
        more = self - other
        return Spent(
            Usage(max(0, more.usage.requests), max(0, more.usage.tokens_in), max(0, more.usage.tokens_out)),
            max(0.0, more.money),
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens and money of a calendar month; 0 is no limit."""

    tokens: int = 0
    money: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> "Budget":
        """What every user may use up."""
        return cls(settings.user_model_tokens, settings.user_model_money)

    @property
    def limits(self) -> bool:
        """Is there a limit?"""
        return bool(self.tokens or self.money)

    def allows(self, spent: Spent) -> bool:
        """With so much spent or held, may another request be sent? The last one may go past the limit."""
        return self.share(Spent(), spent) < inf

    def share(self, part: Spent, spent: Spent) -> float:
        """Which share `part` is of what is left after `spent`, of tokens or of money; inf where nothing is left."""
        of_limits = (
            (self.tokens, part.usage.tokens, spent.usage.tokens),
            (self.money, part.money, spent.money),
        )
        shares = [wanted / (limit - gone) if gone < limit else inf for limit, wanted, gone in of_limits if limit]
        return max(shares, default=0.0)
