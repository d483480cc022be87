"""A small application that is no document pipeline: it counts, in three steps, and does as it is told."""

import json
from collections.abc import Callable
from typing import BinaryIO

from pydantic import TypeAdapter

from paperlane.errors import DocumentError, StepFault
from paperlane.model.steps import Job, RunStep, Saved, Step
from paperlane.work import Chain


def _add_one(value: dict[str, object], job: Job) -> dict[str, object]:
    job.progress(0.5, "half way")
    return {**value, "sum": int(str(value.get("sum", 0))) + 1}


def _step(name: str, share: float) -> Step[dict[str, object], dict[str, object]]:
    return Step(name, 1, dict[str, object], dict[str, object], _add_one, share)


ONE, TWO, THREE = _step("one", 20), _step("two", 30), _step("three", 50)
STEPS = {step.name: step for step in (ONE, TWO, THREE)}


async def count(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    return await run(THREE, await run(TWO, await run(ONE, value)))


COUNTING = Chain(count, summary=json.loads)


class HereAndNow:
    """Runs steps in this process, and lets a test stand in the way of each."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.before: Callable[[str, dict[str, object]], object] = lambda _step, _value: None

    async def __call__(
        self, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        asked = json.loads(value)
        waiting = self.before(step, asked)
        if waiting is not None:
            await waiting  # type: ignore[misc]
        fault = asked.get(f"fault in {step}")
        if fault == "document":
            raise DocumentError("The document is bad.", code="damaged_file", hint="Mend it.")
        if fault == "passing":
            raise StepFault("It went wrong.", code="step_crashed")
        if fault == "bug":
            raise ZeroDivisionError
        self.ran.append(step)

        class ToTell:
            def progress(self, share: float, message: str = "") -> None:
                progress(share, message)

            def attachment(self) -> BinaryIO:
                assert file is not None
                return file

        return TypeAdapter(dict[str, object]).dump_json(STEPS[step].run(asked, ToTell()))
