"""What the server does, and to whom: a script, in JSON or in Python."""

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

ISSUE = {
    "quote": "",
    "rule": "ambiguous",
    "severity": "warning",
    "confidence": 0.8,
    "message": "This can be understood in two ways.",
    "suggestion": "Say which one is meant.",
}

SAYS = (
    "issues",  # what the rule's `quotes` say; else the first words of the passage
    "nothing",  # no issues, in the right form
    "fenced",  # issues, in a fence of Markdown
    "prose",
    "echo",  # the passage itself
    "empty",
    "malformed",
    "half",  # JSON that breaks off, without a word that it was cut
    "length",  # the same, and it says so
    "wrong_schema",
    "invented",  # a quote that is in no document
    "whole",  # the whole passage as a quote
    "hostile",  # control characters and markup in every word
    "many",  # 500 issues
    "refusal",
    "filter",
    "no_choices",
    "error",  # `status`
    "push",  # 429 whatever the rate
    "quota",  # 429 that no pause mends
    "cut",  # the connection breaks off in the middle of the answer
    "drop",  # it closes without a word
    "hang",  # it never answers
    "hold",  # no issues, once it is told to go on
    "garbage",  # status 200 and no JSON
)


@dataclass(frozen=True)
class Rule:
    """What is done with a passage in which `match` is found (""), the first `times` times that it comes; 0: always.

    `chance` does it to that share of the passages, by the seed.
    """

    say: str = "issues"
    match: str = ""
    times: int = 0
    chance: float = 1.0
    status: int = 500
    quotes: Sequence[str] = ()
    retry_after: str = ""  # beside an error or a push: seconds, or "date:SECONDS"

    def __post_init__(self) -> None:
        if self.say not in SAYS:
            raise ValueError(f"{self.say} is nothing that the server can say")


@dataclass(frozen=True)
class Script:
    """Rules are looked at in their order; where none fits, the passage has no issues.

    Latencies are log-normal around `median` seconds. `requests` and `tokens` are permitted in each `minute` seconds, by
    `window`: "sliding", "fixed" or "both". `without` are things that the endpoint does not know: "json_schema",
    "json_object", "max_tokens", "temperature".
    """

    seed: int = 0
    median: float = 0.0
    sigma: float = 0.5
    requests: int = 0
    tokens: int = 0
    minute: float = 60.0
    window: str = "both"
    retry_after: str = "seconds"  # or "date", or "": what a 429 of the rate says
    key: str = ""
    models: Sequence[str] = ()
    without: Sequence[str] = ()
    uncounted: bool = False  # it does not say what it counted
    down: int = 0  # the status that everything has
    rules: Sequence[Rule] = ()

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> "Script":
        """A script as JSON has it."""
        return cls(**{**words, "rules": tuple(Rule(**rule) for rule in words.get("rules", ()))})

    def latency(self, chance: random.Random) -> float:
        """Seconds that one answer takes."""
        return self.median * math.exp(chance.gauss(0.0, self.sigma)) if self.median else 0.0

    def rule(self, passage: str, seen: Mapping[int, int]) -> tuple[int, Rule | None]:
        """What is done with a passage; `seen` counts how often each rule was used for it before."""
        for number, rule in enumerate(self.rules):
            if rule.match and re.search(rule.match, passage) is None:
                continue
            if rule.times and seen.get(number, 0) >= rule.times:
                continue
            share = int(sha256(f"{self.seed} {number} {passage}".encode()).hexdigest()[:8], 16) / 2**32
            if share < rule.chance:
                return number, rule
        return -1, None


@dataclass
class Minute:
    """The provider's own count of what came."""

    script: Script
    came: list[tuple[float, int]] = field(default_factory=list)

    def wait(self, now: float, tokens: int) -> float:
        """Count a request; 0, or in how many seconds there may be room for it, and it is not counted."""
        size = self.script.minute
        self.came = [one for one in self.came if one[0] > now - 2 * size]
        begins = {"sliding": [now - size], "fixed": [math.floor(now / size) * size]}
        begins["both"] = begins["sliding"] + begins["fixed"]
        for begin in begins[self.script.window]:
            inside = [one for one in self.came if one[0] > begin]
            many = self.script.requests and len(inside) >= self.script.requests
            much = self.script.tokens and sum(count for _, count in inside) + tokens > self.script.tokens
            if many or much:
                first = inside[0][0] if inside else now
                return max(0.001, (first if begin == now - size else begin) + size - now)
        self.came.append((now, tokens))
        return 0.0


def content(rule: Rule | None, passage: str) -> str:
    """What the model's message says."""
    words = " ".join(passage.split()[:4])
    match rule.say if rule else "nothing":
        case "issues" | "fenced":
            quotes = rule.quotes if rule and rule.quotes else [words]
            text = _issues(*quotes)
            return f"```json\n{text}\n```" if rule and rule.say == "fenced" else text
        case "prose":
            return "I have read the passage, and it looks good to me. There are no issues."
        case "echo":
            return passage
        case "empty":
            return ""
        case "malformed":
            return '{"issues": [{"quote": "a", }]}'
        case "half" | "length":
            return _issues(words)[:-20]
        case "wrong_schema":
            return json.dumps({"issues": [{"quote": words, "rule": "spelling"}], "done": True})
        case "invented":
            return _issues("the quick brown fox that nobody ever wrote down here")
        case "whole":
            return _issues(passage)
        case "hostile":
            bad = "\u202e<script>alert(1)</script>\x07\x1b[31m" + "x" * 3_000
            return json.dumps({"issues": [ISSUE | {"quote": words, "message": bad, "suggestion": bad}]})
        case "many":
            return _issues(*[words] * 500)
        case _:
            return _issues()


def _issues(*quotes: str) -> str:
    return json.dumps({"issues": [ISSUE | {"quote": quote} for quote in quotes]}, ensure_ascii=False)
