"""A step for documents that models shall review: they are asked, by the worker itself, for it waits for others."""

from dataclasses import dataclass

from paperlane.ai import Answer, Usage
from paperlane.model.steps import Step
from paperlane.model.tasks import Stage
from paperlane.pipeline.questions import Questions


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one model said: an answer for each question, in their order.

    `usage` and `money` are what this document cost so far, whichever attempt paid; `kept` answers others had paid for.
    """

    model: str
    answers: tuple[Answer, ...]
    usage: Usage
    money: float
    currency: str
    kept: int


MODEL_REVIEW = Step("model_review", 1, Questions, tuple[Opinion, ...], None, share=60, stage=Stage.MODEL)
