"""`/issues`: what people say of an issue."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from paperlane.model.documents import Status
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Asker, Parts
from paperlane.web.language import Language

router = APIRouter(prefix="/issues", tags=["issues"], responses=problems.may(401, 403, 404, 408, 413, 422))


class Review(BaseModel, extra="forbid"):
    """What becomes of an issue; what is left out stays as it is."""

    status: Status | None = None
    reason: str | None = Field(None, max_length=2_000)
    comment: str | None = Field(None, max_length=10_000)


@router.patch("/{issue}")
async def review(issue: str, said: Review, account: Asker, house: Parts, language: Language) -> answers.Issue:
    """Accept or dismiss an issue, or comment on it."""
    found = await house.threads(house.desk.documents.review, account, issue, said.status, said.reason, said.comment)
    return shapes.issue(found, language)
