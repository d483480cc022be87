"""One exchange with a model, whoever carries it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """Something said to a model, or by it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Tokens as the provider counted them, 0 where it did not."""

    text: str
    cut_off: bool = False
    declined: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


class Trouble(Exception):
    """There is no reply; why, in words for people."""


class Broke(Trouble):
    """The provider failed, or could not be reached; it may pass."""


class TooSlow(Broke):
    """It did not answer in time."""


class Pushed(Trouble):
    """Asked too often; for `wait` seconds nobody should ask, 0 where it does not say how long."""

    def __init__(self, why: str, wait: float) -> None:
        super().__init__(why)
        self.wait = wait


class Refuses(Trouble):
    """No question is accepted before somebody mends the settings."""


class NotAccepted(Trouble):
    """This question is not; others may be."""


class NotPaid(Trouble):
    """The budget that pays for this question is used up."""


class Chat(Protocol):
    """One model. May be used by many at once, on one event loop."""

    async def say(self, messages: Sequence[Message], most: int, schema: Mapping[str, Any]) -> Reply:
        """One request: an answer of at most so many tokens, in the form of a JSON schema. Else Trouble."""
        ...

    async def close(self) -> None: ...
