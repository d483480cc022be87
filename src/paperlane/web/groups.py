"""`/groups`: the words of each."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from paperlane.checks.words import MOST, Words
from paperlane.web import answers, problems
from paperlane.web.identity import Admin, Asker, Parts

router = APIRouter(prefix="/groups", tags=["groups"], responses=problems.may(401, 403, 404, 408, 413, 422))


class Said(BaseModel, extra="forbid"):
    """A group's words; what is left out is none."""

    terms: Annotated[Mapping[str, str], Field(max_length=MOST)] = {}
    ignored: Annotated[Sequence[str], Field(max_length=MOST)] = ()


def _shape(group: str, words: Words) -> answers.GroupWords:
    return {"group": group, "terms": words.terms, "ignored": words.ignored}


@router.get("/{group}/words")
async def words(group: str, account: Asker, house: Parts) -> answers.GroupWords:
    """A group's glossary, and what no check complains of in its members' documents: for these, and for admins."""
    return _shape(group, await house.threads(house.desk.words.of, account, group))


@router.put("/{group}/words")
async def put(group: str, said: Said, admin: Admin, house: Parts) -> answers.GroupWords:
    """Other words for a group; documents that are uploaded from now on are tested with them."""
    return _shape(group, await house.threads(house.desk.words.put, admin, group, Words(said.terms, said.ignored)))
