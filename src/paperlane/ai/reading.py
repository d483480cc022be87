"""Reads what a model answered: the form is checked by a schema, and its words are cleaned before anybody sees them."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paperlane.ai import Said, Why
from paperlane.ai.prompts import whole
from paperlane.ai.rules import CATEGORIES
from paperlane.model.documents import Severity

MOST = 20
"""Findings of one passage; past it a model repeats itself, or invents."""

_LONGEST = 200_000  # characters of an answer that are looked at
_LONGEST_QUOTE = 2_000
_LONGEST_WORDS = 500
_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_SPACE = re.compile(r"\s+")
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


class _Issue(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    quote: str
    rule: Literal[
        "ambiguous", "contradiction", "untestable", "missing-condition", "missing-error-case",
        "implementation-detail", "inconsistent-term",
    ]  # fmt: skip
    severity: Severity
    confidence: Annotated[float, Field(ge=0, le=1)]
    message: Annotated[str, Field(min_length=1)]
    suggestion: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    issues: list[_Issue]


_TYPES: Mapping[str, Mapping[str, Any]] = {
    "quote": {"type": "string"},
    "rule": {"type": "string", "enum": list(CATEGORIES)},
    "severity": {"type": "string", "enum": [severity.value for severity in Severity]},
    "confidence": {"type": "number"},
    "message": {"type": "string"},
    "suggestion": {"type": "string"},
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "issues": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": _TYPES,
                "required": list(_TYPES),
                "additionalProperties": False,
            },
        }
    },
    "required": ["issues"],
    "additionalProperties": False,
}
"""The form of an answer, in the part of JSON Schema that endpoints know."""


class Unusable(Exception):
    """The answer cannot be used; `fault` tells the model in a few words what is wrong with it."""

    def __init__(self, why: Why, fault: str) -> None:
        super().__init__(fault)
        self.why = why
        self.fault = fault


def read(text: str) -> tuple[tuple[Said, ...], int]:
    """What a model said of a passage, and how many findings past the most were left out. Unusable for anything else."""
    if not text.strip():
        raise Unusable(Why.EMPTY, "it was empty")
    if (fenced := _FENCE.fullmatch(text[:_LONGEST])) is not None:
        text = fenced[1]
    try:
        answer = _Answer.model_validate(json.loads(text[:_LONGEST]))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the object"
        raise Unusable(Why.WRONG_SCHEMA, f"{where}: {first['msg']}"[:_LONGEST_WORDS]) from error
    except (ValueError, RecursionError) as error:
        raise Unusable(Why.NOT_JSON, "it was not JSON") from error
    said = [_said(issue) for issue in answer.issues]
    return tuple(said[:MOST]), max(0, len(said) - MOST)


def _said(issue: _Issue) -> Said:
    return Said(
        whole(issue.quote[:_LONGEST_QUOTE]),  # with a lone surrogate it could not be kept
        issue.rule,
        issue.severity,
        issue.confidence,
        cleaned(issue.message),
        cleaned(issue.suggestion),
    )


def cleaned(words: str) -> str:
    """On one line, bounded, and with nothing in it that is not seen, turns the writing round, or opens a tag."""
    words = _SPACE.sub(" ", words[: 4 * _LONGEST_WORDS])
    seen = "".join(one for one in words if unicodedata.category(one) not in _UNSEEN)
    seen = _TAG.sub("‹", _SPACE.sub(" ", seen)).strip()  # two may be side by side only now
    return seen if len(seen) <= _LONGEST_WORDS else seen[: _LONGEST_WORDS - 1].rstrip() + "…"
