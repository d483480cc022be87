"""`/alerts` and `/samples`: what alerts found, who looks after it, and figures for plots."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from paperlane.catalog import ALARMS, LANGUAGES
from paperlane.errors import BadRequest
from paperlane.monitor.alerts import ALERTS
from paperlane.monitor.sampling import NAMES, OF_SOME
from paperlane.records.incidents import Incident
from paperlane.records.samples import Plot
from paperlane.settings import Settings
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Admin, House, Looker, Parts
from paperlane.web.language import Language

router = APIRouter(prefix="/alerts", tags=["alerts"], responses=problems.may(401, 403, 408, 413))
samples = APIRouter(prefix="/samples", tags=["alerts"], responses=problems.may(401, 403, 408, 413))

_MOST_NAMES = 200

Id = Annotated[str, Field(max_length=40)]


class NewSilence(BaseModel, extra="forbid"):
    """What the webhook is told nothing of, and for how long; without a subject of none."""

    alert: Annotated[str, Field(max_length=60, examples=["queue"])]
    subject: Annotated[
        str, Field(max_length=200, description="As incidents of the alert have it: see its kind; empty: all.")
    ] = ""
    hours: Annotated[float, Field(gt=0, le=8_784, allow_inf_nan=False)] = 1.0


@router.get("", responses=problems.may(422))
async def several(
    account: Looker,
    house: Parts,
    language: Language,
    state: Literal["open", "closed", "all"] = "open",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str, Query(max_length=40)] = "",
) -> answers.Page[answers.Incident]:
    """Incidents that last, that are over, or all: the newest first."""
    found, silences = await house.threads(house.desk.alerts.page, account, state, cursor, limit + 1)
    onward = found[limit - 1].id if len(found) > limit else None
    names = await house.threads(_names, house, found[:limit])
    return shapes.page([shapes.incident(one, silences, names, language) for one in found[:limit]], onward)


@router.get("/kinds", responses=problems.may(422))
async def kinds(account: Looker, house: Parts, language: Language) -> answers.Page[answers.Kind]:
    """Every alert that there is, with its limit here."""
    del account
    return shapes.page([_kind(name, house.settings, language) for name in sorted(ALERTS)])


@router.get("/silences")
async def silences(account: Looker, house: Parts) -> answers.Page[answers.Silence]:
    """What the webhook is told nothing of now."""
    return shapes.page([shapes.silence(one) for one in await house.threads(house.desk.alerts.silences, account)])


@router.post("/silences", status_code=HTTPStatus.CREATED, responses=problems.may(422))
async def silence(asked: NewSilence, account: Admin, house: Parts) -> answers.Silence:
    """Tell the webhook nothing of an alert for so many hours; the page and the log tell on."""
    alerts = house.desk.alerts
    return shapes.silence(await house.threads(alerts.silence, account, asked.alert, asked.subject, asked.hours))


@router.delete("/silences/{silence}", status_code=HTTPStatus.NO_CONTENT, responses=problems.may(404, 422))
async def end_silence(silence: str, account: Admin, house: Parts) -> None:
    """Tell again, also of what opened meanwhile and lasts."""
    await house.threads(house.desk.alerts.end_silence, account, silence)


@router.post("/{incident}/acknowledge", responses=problems.may(404, 422))
async def acknowledge(incident: str, account: Admin, house: Parts, language: Language) -> answers.Incident:
    """Somebody looks after it; who was first stays named."""
    found = await house.threads(house.desk.alerts.acknowledge, account, incident)
    names = await house.threads(_names, house, [found])
    return shapes.incident(found, await house.threads(house.desk.alerts.silences, account), names, language)


@samples.get("", responses=problems.may(422))
async def look(
    account: Looker,
    house: Parts,
    hours: Annotated[float, Query(gt=0, le=720, allow_inf_nan=False)] = 1.0,
    names: Annotated[str, Query(max_length=4_000, description="With commas between them; empty: all.")] = "",
) -> answers.Samples:
    """Figures of the last hours: one each 10 s of up to four hours, else one a minute, thinned out beyond a day."""
    wanted = [name for name in names.split(",") if name][:_MOST_NAMES]
    if unknown := [name for name in wanted if name not in NAMES and not name.startswith(OF_SOME)]:
        raise BadRequest(
            f"There is no figure {unknown[0][:60]!r}.",
            hint=f"Choose of {', '.join(sorted(NAMES))}; of an engine or a worker: {', '.join(OF_SOME)} with its name.",
        )
    found = await house.threads(house.desk.alerts.plot, account, hours)
    return await house.threads(_plot, found, wanted)


def _plot(of: Plot, names: Sequence[str]) -> answers.Samples:
    latest = dict.fromkeys(name for series in reversed(of.samples) for name in series)  # what is over goes first
    # an engine or a worker of which nothing was sampled may be none
    asked = [name for name in names if name in NAMES or name in latest]
    wanted = asked if names else sorted(islice(latest, _MOST_NAMES))
    series = {name: [one.get(name) for one in of.samples] for name in wanted}
    return {"step": of.step, "at": of.at, "series": series}


def _names(house: House, found: Sequence[Incident]) -> dict[int, str]:
    return dict(house.desk.accounts.names([one.acknowledged_by for one in found if one.acknowledged_by]))


def _kind(name: str, settings: Settings, language: str) -> answers.Kind:
    alert = ALERTS[name]
    limit = alert.limit(settings)
    return {
        "name": name,
        "title": ALARMS[name].title[LANGUAGES.index(language)],
        "what": alert.why,
        "severity": alert.severity.value,
        "subject": alert.subject.value,
        "limit": limit,
        "limit_said": alert.unit.said(limit),
        "setting": f"PAPERLANE_{alert.setting.upper()}" if alert.setting else None,
    }
