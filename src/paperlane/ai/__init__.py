"""Asking a model: what is asked of a passage, what was answered, and where answers and rates are kept.

A *question* is one passage with what stands around it; an *answer* is what a model said of it, checked for its form
only. Whether a quote is in the document is found out afterwards, by `paperlane.ai.anchoring`, each time that an answer
is used: the same answer serves the same passage wherever it stands.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, TypeVar

from paperlane.model.documents import Language, Severity

Given = TypeVar("Given")


class State(StrEnum):
    """What became of a question. Only what is answered tells that a passage was tested."""

    ANSWERED = "answered"
    FAILED = "failed"
    SKIPPED = "skipped"


class Why(StrEnum):
    """Why a question has no answer."""

    NOT_JSON = "not_json"  # prose, an echo, half of an answer
    WRONG_SCHEMA = "wrong_schema"
    EMPTY = "empty"
    CUT_OFF = "cut_off"
    DECLINED = "declined"  # the model, or its provider's filter, will not answer
    NOT_ACCEPTED = "not_accepted"  # the provider calls the question wrong, as where it is too long
    UNREACHABLE = "unreachable"  # server errors and broken connections, again and again
    TOO_SLOW = "too_slow"
    TOO_LONG = "too_long"  # for the model's context
    BUDGET = "budget"
    AWAY = "away"  # the model itself could not be asked, for as long as a task waits for one
    REFUSED = "refused"  # likewise, for it accepts no question of ours
    UNKNOWN = "unknown_model"  # likewise, for no worker that had the task knows it


@dataclass(frozen=True, slots=True)
class Context:
    """What stands around a passage, to be known and not to be tested.

    `path` is its heading path, `terms` what the document and the team define, `header` the first row of a table whose
    later rows the passage holds.
    """

    path: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    header: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One passage, to be asked of a model. `passage` is its id in its document, and changes nothing."""

    passage: int
    text: str
    language: Language
    context: Context = Context()

    def key(self, model: str, prompt: str) -> str:
        """What its answer is stored under: 64 hex digits. `model` is the provider's name, `prompt` a version.

        A passage that moved, or is in another document, keeps it.
        """
        whole = [model, prompt, self.language.value, self.text, asdict(self.context)]
        said = json.dumps(whole, ensure_ascii=True, sort_keys=True)  # lone surrogates have no bytes
        return sha256(said.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """What questions cost: requests that were sent, and tokens as the provider counted them."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests - other.requests, self.tokens_in - other.tokens_in, self.tokens_out - other.tokens_out
        )

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Said:
    """One issue, in a model's words: cleaned, bounded, and not yet found in the document."""

    quote: str
    rule: str
    severity: Severity
    confidence: float
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question. `model` is the provider's name, `prompt` the version of the words it was asked with.

    `dropped` counts findings past the most that one passage may have. `why` stands beside what was not answered, and
    `paid_by` is the task that paid for what was.
    """

    key: str
    model: str
    prompt: str
    state: State
    findings: tuple[Said, ...] = ()
    usage: Usage = Usage()
    why: Why | None = None
    dropped: int = 0
    paid_by: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """Whose questions these are; a weight of 2 is served twice as fast as one of 1."""

    user: int
    weight: float = 1.0


class Answers(Protocol):
    """Where answers are kept; synchronous, and called from any thread. May raise Unavailable."""

    def get(self, keys: Sequence[str]) -> Mapping[str, Answer]:
        """Those that are there."""
        ...

    def put(self, new: Sequence[Answer]) -> None:
        """Keep these; one that is there already stays."""
        ...


class Rates(Protocol):
    """Where what all workers know of each model's rate is kept; synchronous, and called from any thread."""

    def change(self, model: str, work: Callable[[str, float], tuple[str, Given]]) -> Given:
        """What `work` gives, of what is kept of this model ("" at first) and the time; its text is kept then.

        Nobody else changes it meanwhile, or `work` is done again: it must do nothing else. The time is the same clock's
        for all that share the store, in seconds since 1970. Raises Unavailable or ModelAway where the store is away.
        """
        ...


class Spend(Protocol):
    """Whose budget pays for requests; asked by many questions that go on beside each other."""

    @property
    def task(self) -> str:
        """The task that pays."""
        ...

    async def hold(self, model: str, expected: Usage) -> bool:
        """May a request be sent that will cost about so much? It is held until `add` tells what it cost.

        Where that depends on what is held for others, it waits until that is settled. Raises Unavailable where it
        cannot be known what is left.
        """
        ...

    def add(self, model: str, expected: Usage, used: Usage) -> None:
        """What was held is free again, and this was used up."""
        ...
