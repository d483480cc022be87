"""The words that a model is asked with: one file a language, with a version in its head.

Whoever changes a file raises its version: answers to other words are other answers. Document text stands in the data
parts only, behind a mark that does not occur in it and is the same for the same text.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

from paperlane.ai import Context, Question
from paperlane.ai.chat import Message
from paperlane.model.documents import Language

_MOST_TERMS = 60
_LONGEST_TERM = 300  # characters of a term and what it means
_LONGEST_PATH = 1_000
_LONGEST_HEADER = 2_000
_LONGEST_ANSWER = 4_000  # characters of an answer that goes back once


@dataclass(frozen=True, slots=True)
class Prompt:
    """The words for one language."""

    version: str
    system: str
    question: Template
    repair: Template

    def messages(self, question: Question) -> tuple[Message, ...]:
        """What is said to a model of one question."""
        said = _parts(question.text, question.context)
        return Message("system", self.system), Message("user", self.question.substitute(said, mark=_mark(said)))

    def again(self, messages: tuple[Message, ...], answer: str, fault: str) -> tuple[Message, ...]:
        """The same, with the answer that could not be used and what is wrong with it."""
        back = Message("assistant", whole(answer[:_LONGEST_ANSWER]))
        return *messages, back, Message("user", self.repair.substitute(fault=fault))


@cache
def prompt(language: Language) -> Prompt:
    """The words for documents in this language."""
    head, system, question, repair = files(__name__).joinpath(f"{language.value}.md").read_text("utf-8").split("\n## ")
    return Prompt(
        head.partition("version:")[2].strip(),
        system.partition("\n")[2].strip(),
        Template(question.partition("\n")[2].strip()),
        Template(repair.partition("\n")[2].strip()),
    )


def whole(text: str) -> str:
    """The text without lone surrogates, which no provider could be sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parts(text: str, context: Context) -> dict[str, str]:
    terms = [f"{term}: {meaning}"[:_LONGEST_TERM] for term, meaning in _used(text, context)]
    return {
        "path": whole(" > ".join(context.path))[:_LONGEST_PATH] or "-",
        "terms": whole("\n".join(terms)) or "-",
        "header": whole(context.header)[:_LONGEST_HEADER] or "-",
        "text": whole(text),
    }


def _used(text: str, context: Context) -> list[tuple[str, str]]:
    """The terms that the passage uses come first, for there may be too many."""
    return sorted(context.terms.items(), key=lambda term: (term[0] not in text, term[0]))[:_MOST_TERMS]


def _mark(parts: dict[str, str]) -> str:
    """16 hex digits that do not occur in any part."""
    mark, joined = "", "\0".join(parts.values())
    while not mark or mark in joined:
        mark = sha256((mark + joined).encode()).hexdigest()[:16]
    return mark
