"""`/issues`: what people say of an issue."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from paperlane.model.documents import Status
from paperlane.web import shapes
from paperlane.web.identity import Asker, Parts
from paperlane.web.language import Language

router = APIRouter(prefix="/issues", tags=["issues"])


class Review(BaseModel, extra="forbid"):
    """What becomes of an issue; what is left out stays as it is."""

    status: Status | None = None
    reason: str | None = Field(None, max_length=2_000)
    comment: str | None = Field(None, max_length=10_000)


@router.patch("/{issue}")
async def review(issue: str, said: Review, account: Asker, house: Parts, language: Language) -> dict[str, Any]:
    """Accept or dismiss an issue, or comment on it."""
    found = await house.threads(house.desk.review, account, issue, said.status, said.reason, said.comment)
    return shapes.issue(found, language)
