"""`/rollout`: which engine carries whose tasks, and what is in use: admins and viewers look, admins change."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictBool

from paperlane.errors import BadRequest
from paperlane.records.accounts import LONGEST_GROUP, Account
from paperlane.rollout import NewRule
from paperlane.rollout.flags import FLAGS
from paperlane.rollout.guarded import Mode
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Admin, House, Looker, Parts
from paperlane.web.language import Language

router = APIRouter(prefix="/rollout", tags=["operating"], responses=problems.may(401, 403, 408, 413, 422))

_PAGES = 40  # of users who are moved before the call is answered, 20,000 of them; `serve` goes on with the others

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, strict=True)]
Flags = Annotated[
    Mapping[str, StrictBool],
    Field(max_length=10, description="By name, on or off.", json_schema_extra={"propertyNames": {"enum": list(FLAGS)}}),
]


class Change(BaseModel, extra="forbid"):
    """A rule (engine and percent, of a group or of all), flags, or both; or rules are taken back, or one is known."""

    engine: Literal["database", "inline", "pool", "arq", "celery", "rq"] | None = None
    percent: Percent | None = None
    group: Annotated[str, Field(max_length=LONGEST_GROUP)] | None = None
    guard: Literal["act", "stop", "tell", "off"] | None = Field(
        None,
        description="With a rule: what is done where it is worse; else as for the one before it, or `act`. With `rule`"
        " alone that of a rule in force is changed.",
    )
    flags: Flags = {}
    newest: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = Field(
        None, description="With a rule: only while this rule is the newest; 0: while there is none."
    )
    rollback: Annotated[
        StrictBool, Field(description="Take the newest rule back; with `engine` all rules of that one.")
    ] = False
    rule: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] | None = Field(
        None,
        description="With `rollback`: only while this rule is the newest; asked again, nothing happens. With `guard`:"
        " whose it is.",
    )
    acknowledge: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] | None = Field(
        None, description="The rule that was found worse, and may grow again: somebody knows."
    )
    force: Annotated[
        StrictBool,
        Field(description="Also to an engine that no worker serves; with `rollback` to one that a guardrail holds."),
    ] = False

    def check(self) -> None:
        """BadRequest where it does not say one thing."""
        if self.rule is not None and self.guard is not None:
            if self.model_dump(exclude={"rule", "guard", "force"}, exclude_defaults=True):
                raise BadRequest("One call changes the guard of a rule or something else.", hint="Make two calls.")
            return
        if self.rollback and (self.percent, self.group) != (None, None):
            raise BadRequest("One call sets a rule or takes one back.", hint="Leave out `rollback`, or the rule.")
        if self.rollback and self.flags:
            raise BadRequest("One call switches flags or takes a rule back.", hint="Make two calls.")
        if self.rule is not None and (not self.rollback or self.engine is not None):
            raise BadRequest("`rule` names one to take back.", hint='Send "rollback": true with it, or leave it out.')
        if (self.guard, self.newest) != (None, None) and self.percent is None:
            raise BadRequest("`guard` and `newest` go with a rule.", hint="Name the rule's engine and percent.")
        if self.acknowledge is not None and (self.rollback or self.flags or self.engine is not None):
            raise BadRequest("One call acknowledges a rule or changes something.", hint="Make two calls.")
        if self.rollback:
            return
        if (self.engine is None) != (self.percent is None) or (self.group is not None and self.engine is None):
            raise BadRequest("A rule has an engine and a percent.", hint="Name both; `group` may be left out.")

    def new_rule(self) -> NewRule | None:
        """The rule that it sets."""
        if self.engine is None or self.percent is None:
            return None
        return NewRule(self.engine, self.percent, self.group or "", Mode(self.guard) if self.guard else None)


def look_at(house: House, account: Account, language: str) -> answers.RolledOut:
    """What was rolled out, told in a language."""
    found = house.desk.operating.rolled_out(account)
    return shapes.rolled_out(found, house.desk.accounts.names([rule.by for rule in found.rules]), language)


@router.get("")
async def look(account: Looker, house: Parts, language: Language) -> answers.RolledOut:
    """The rules in force, how many users each engine carries, and which flags are on."""
    return await house.threads(look_at, house, account, language)


@router.put("", responses=problems.may(404, 409))
async def put(asked: Change, admin: Admin, house: Parts, language: Language) -> answers.Moved:
    """Set a rule, switch flags, or take rules back, while everything runs; the same twice is done once.

    What waits moves along, what runs ends where it is. `moved` counts users who were given to another engine before
    this was answered; others follow within seconds.
    """
    asked.check()

    def write() -> answers.Moved:
        operating = house.desk.operating
        if asked.rollback and asked.engine is not None:
            operating.roll_all_back(admin, asked.engine, force=asked.force)
        elif asked.rollback:
            operating.roll_back(admin, asked.rule, force=asked.force)
        elif asked.acknowledge is not None:
            operating.acknowledge(admin, asked.acknowledge)
        elif asked.rule is not None and asked.guard is not None:
            operating.guard(admin, asked.rule, Mode(asked.guard))
        else:
            operating.change(admin, asked.new_rule(), asked.flags, asked.newest, force=asked.force)
        moved = sum(islice(house.desk.rollout.settle(), _PAGES))
        return {**look_at(house, admin, language), "moved": moved}

    return await house.threads(write)
