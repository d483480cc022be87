"""A step of a chain: a pure function with a name, a version and types at both ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Generic, Protocol, TypeVar

from paperlane.model.tasks import Stage

In = TypeVar("In")
Out = TypeVar("Out")
Other = TypeVar("Other")


class Job(Protocol):
    """What a running step may use besides its input."""

    def progress(self, share: float, message: str = "") -> None:
        """Tell how far the step has come, 0..1; the message is for the task's owner."""
        ...

    def attachment(self) -> BinaryIO:
        """The file that the step's input refers to, opened for reading."""
        ...


@dataclass(frozen=True, slots=True)
class Step(Generic[In, Out]):
    """One processor of a chain. `run` must depend on nothing but its input; None for one that the worker itself runs.

    `takes` and `gives` are the types at its ends, `version` rises when the same input shall give another output,
    `share` is its part of the whole chain's time in percent, `file` names the blob that the input refers to.
    """

    name: str
    version: int
    takes: object
    gives: object
    run: Callable[[In, Job], Out] | None
    share: float
    stage: Stage = Stage.CPU
    file: Callable[[In], str] | None = None


@dataclass(frozen=True, slots=True)
class Saved(Generic[Out]):
    """A value in its saved form (JSON), so that a worker can hand it on without decoding it."""

    content: bytes

    def beside(self, other: "Saved[Other]") -> "Saved[tuple[Out, Other]]":
        """Both values as the input of one step."""
        return Saved(b"[" + self.content + b"," + other.content + b"]")


class RunStep(Protocol):
    """Runs a step, or takes its result from the checkpoint of an earlier attempt."""

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        """The step's result; raises what ends the attempt."""
        ...
