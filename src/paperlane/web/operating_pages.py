"""The operators' pages: admins change there what runs, viewers look, and nobody else comes in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from paperlane.catalog import ALARMS, LANGUAGES, tell, words
from paperlane.desk import ENGINES, STATES, Desk, name_of
from paperlane.desk.comparing import USUAL
from paperlane.desk.watching import SERVICE_SECONDS, Group, Lanes
from paperlane.errors import BadRequest, NotFound, TooMany
from paperlane.ledger.dead import cursor_of
from paperlane.ledger.sense import LARGEST_LIMIT, LARGEST_WEIGHT, LEAST_WEIGHT
from paperlane.ledger.watching import AT_ONCE, MOST_DEAD
from paperlane.model.tasks import (
    BatchId,
    EngineState,
    Fault,
    Letters,
    Member,
    PastAttempt,
    Queue,
    Sought,
    Task,
    TaskId,
    UserId,
)
from paperlane.records import accounts
from paperlane.records.accounts import Account, Role
from paperlane.records.incidents import Which
from paperlane.records.storage import MB
from paperlane.rollout import telling, wording
from paperlane.rollout.comparison import Comparison
from paperlane.rollout.flags import DATABASE_QUEUE, USER_SEMAPHORE
from paperlane.rollout.guarded import FOUND_WORSE, Mode
from paperlane.web import audit, shapes
from paperlane.web.comparisons import Asked
from paperlane.web.errors import LONGEST_HOURS
from paperlane.web.identity import House, Parts, account_of, house_of
from paperlane.web.language import Language, language_meant
from paperlane.web.pacing import pace_of
from paperlane.web.pages import (
    PageRoute,
    address_of,
    must_wait,
    show,
    sign_in_address,
    sign_in_first,
    wrong_in,
    wrong_status,
)

ROOMS = {
    "overview": "/admin",
    "alerts": "/admin/alerts",
    "queue": "/admin/queue",
    "tasks": "/admin/tasks",
    "failures": "/admin/errors",
    "dead letters": "/admin/dead",
    "workers": "/admin/workers",
    "rollout": "/admin/rollout",
    "comparisons": "/admin/comparisons",
    "users": "/admin/users",
    "audit": "/admin/audit",
}
"""Where each page of the operators' is, by its word in the catalogue."""

SILENCES = (1, 24)
"""Hours for which an alert is silenced by a click."""

HOURS = (1, 6, 24, 7 * 24, 30 * 24)
_A_PAGE = 50
_SERVICES_OWN = "inline"  # the engine that the service itself serves
_OFTEN = 5  # seconds between two looks of a page that shows what goes on now
LONGEST = 2.0  # pauses between two shared looks, after which what was seen is shown to nobody
_FEW, _MINUTE, _HOUR, _DAY = 10.0, 60.0, 3_600.0, 86_400.0

Text = Annotated[str, Query(max_length=200)]
Number = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Looking:
    """Who looks at a page, at what, and in which language; `every` so many seconds again, 0: only once."""

    request: Request
    house: House
    account: Account
    lang: str
    every: int = 0

    def link(self, **changes: object) -> str:
        """This page with other filters, from its first entry on; what is None or "" is left out."""
        query = {name: value for name, value in self.request.query_params.items() if name not in {"cursor", "lang"}}
        query |= {name: "" if value is None else str(value) for name, value in changes.items()}
        return "?" + urlencode({name: value for name, value in query.items() if value})

    def span(self, seconds: float) -> str:
        """A time that something takes, as people say it."""
        for unit, size, most in (("s", 1.0, 2 * _MINUTE), ("min", _MINUTE, 2 * _HOUR), ("h", _HOUR, 2 * _DAY)):
            if seconds < most:
                n = f"{seconds / size:.{int(seconds < _FEW)}f}"  # 1.2 s, but 12 s
                return self.said(f"span {unit}", n=n)
        return self.said("span d", n=f"{seconds / _DAY:.0f}")

    def since(self, at: float) -> str:
        """How long ago that was."""
        return self.ago(max(0.0, self.house.desk.clock.now() - at))

    def ago(self, seconds: float) -> str:
        """So long ago."""
        return self.said("ago", span=self.span(seconds))

    def said(self, word: str, **filled: object) -> str:
        """A word of the page, with what it is filled with."""
        return words(self.lang)[word].format(**filled)

    def word(self, key: str) -> str:
        """A word of the page; where it has none, the key's last: a step or an outcome that is not ours."""
        return words(self.lang).get(key, key.rpartition(" ")[2])

    def told(self, fault: Fault | Group) -> str:
        """What a fault says, in the language of the page."""
        return " ".join(filter(None, tell(fault.code, self.lang, fault.message, fault.hint)))


Ask = Callable[[Looking], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class OfLanes:
    """What a page finds beside all lanes, which who looks at it may have to share with others."""

    ask: Callable[[Looking, Lanes], Mapping[str, Any]]


def lanes(desk: Desk) -> Lanes:
    """What pages show of all lanes, whoever looks."""
    return desk.watching.lanes(_A_PAGE)


async def _found(ask: Ask | OfLanes | Asked, look: Looking) -> Mapping[str, Any]:
    if isinstance(ask, Asked):
        return _compared(await look.request.app.state.comparisons(look.house, look.account, ask), ask, look.lang)
    if not isinstance(ask, OfLanes):
        return await look.house.threads(ask, look)
    seen = await look.house.looks()
    found = await look.house.threads(ask.ask, look, seen.told)
    return {**found, "seen": look.ago(seen.age) if seen.is_rare else ""}


class OperatingRoute(PageRoute):
    """Likewise among the operators' pages, and for nobody else than those."""

    async def refuse(self, request: Request, place: str, name: str, value: str) -> Response:
        """The room's page, with what is wrong in place of what was asked for."""
        lang = await language_meant(request)
        room = max((room for room, address in ROOMS.items() if request.url.path.startswith(address)), key=_depth)
        wrong = wrong_in(lang, place, name, value)
        return await _page(request, house_of(request), lang, "", room, _nothing, wrong=(wrong_status(place), wrong))


def _depth(room: str) -> int:
    return len(ROOMS[room])


def _nothing(_look: Looking) -> Mapping[str, Any]:
    return {}


router = APIRouter(include_in_schema=False, route_class=OperatingRoute)


async def _page(
    request: Request,
    house: House,
    lang: str,
    name: str,
    room: str,
    ask: Ask | OfLanes | Asked,
    *,
    every: int = 0,
    wrong: tuple[HTTPStatus, str] | None = None,
) -> Response:
    """A page over what `ask` finds, or only what is asked for again of it; for admins and viewers."""
    account = await account_of(request)
    again = "HX-Request" in request.headers
    if account is None:
        there = {"HX-Redirect": sign_in_address(address_of(request))}
        return Response(status_code=401, headers=there) if again else sign_in_first(request)
    looking = Looking(request, house, account, lang, every)
    more: dict[str, Any] = {
        "look": looking,
        "room": room,
        "rooms": ROOMS,
        "frame": "operating_part.html" if again else "operating.html",
        "here": f"{request.url.path}{looking.link()}",
        "moment": shapes.moment,
    }
    if not account.looks:
        return await show(request, "operating_refused.html", lang, HTTPStatus.FORBIDDEN, **more)
    if wrong is not None:
        return await show(request, "operating_wrong.html", lang, wrong[0], wrong=wrong[1], **more)
    try:
        found = {} if must_wait(request, account) else await _found(ask, looking)
    except (NotFound, BadRequest) as error:
        told = looking.told(Fault(error.code, error.message, error.hint))
        return await show(request, "operating_wrong.html", lang, HTTPStatus(error.status), wrong=told, **more)
    except TooMany as error:
        answer = await show(request, "operating_busy.html", lang, HTTPStatus.TOO_MANY_REQUESTS, **more)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    return await show(request, name, lang, **more, **found)


@router.get("/admin")
async def overview(
    request: Request, house: Parts, lang: Language, hours: Annotated[int, Query(ge=1, le=LONGEST_HOURS)] = 1
) -> Response:
    """What goes on now, what is wrong, and how it went over time."""

    def ask(look: Looking, seen: Lanes) -> Mapping[str, Any]:
        workers = look.house.desk.watching.workers(look.account)
        found = house.desk.watching.queue(look.account, seen.queue)
        return {
            "queue": found,
            "unserved": _unserved(found, workers),
            "workers": [one for one in workers if one.live],
            "gone": sum(not one.live for one in workers),
            "dead": house.desk.dead.count(),
            "hours": hours,
            "ranges_of": HOURS,
            "silent_for": SILENCES,
        }

    return await _page(request, house, lang, "operating_overview.html", "overview", OfLanes(ask), every=_OFTEN)


def _unserved(queue: Queue, workers: Sequence[Member]) -> Sequence[EngineState]:
    """Engines whose tasks wait, and of which no worker lives."""
    served = {one.engine for one in workers if one.live}
    return [engine for engine in queue.engines if engine.queued and engine.name not in served]


@router.get("/admin/alerts")
async def incidents(
    request: Request,
    house: Parts,
    lang: Language,
    state: Which = "open",
    cursor: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """What alerts found, and what the webhook is told nothing of."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found, silences = house.desk.alerts.page(look.account, state, cursor, _A_PAGE + 1)
        shown = silences[:_A_PAGE]
        users = [*(one.by for one in shown), *(one.acknowledged_by for one in found if one.acknowledged_by)]
        names = house.desk.accounts.names(users)
        return {
            "alerts": [shapes.incident(one, silences, names, look.lang) for one in found[:_A_PAGE]],
            "silences": shown,
            "more_silences": len(silences) - len(shown),
            "names": names,
            "titles": {name: alarm.title[LANGUAGES.index(look.lang)] for name, alarm in ALARMS.items()},
            "state": state,
            "states": get_args(Which),
            "onward": found[_A_PAGE - 1].id if len(found) > _A_PAGE else "",
            "silent_for": SILENCES,
        }

    return await _page(request, house, lang, "operating_alerts.html", "alerts", ask, every=_OFTEN)


@router.get("/admin/queue")
async def queue(request: Request, house: Parts, lang: Language) -> Response:
    """Who waits and who runs, and whether that is fair."""

    def ask(look: Looking, seen: Lanes) -> Mapping[str, Any]:
        found, shares = house.desk.watching.queue(look.account, seen.queue), seen.shares
        names = house.desk.accounts.names([lane.user for lane in found.lanes])
        minutes = round(SERVICE_SECONDS / _MINUTE)
        bounded = house.desk.rollout.uses(USER_SEMAPHORE)
        return {
            "queue": found,
            "shares": shares,
            "names": names,
            "minutes": minutes,
            "each": _A_PAGE,
            "bounded": bounded,
        }

    return await _page(request, house, lang, "operating_queue.html", "queue", OfLanes(ask), every=_OFTEN)


@router.get("/admin/tasks")
async def tasks(
    request: Request,
    house: Parts,
    lang: Language,
    status: Text = "",
    user: Number = None,
    name: Text = "",
    engine: Text = "",
    code: Text = "",
    batch: Text = "",
    cursor: Text = "",
) -> Response:
    """Everybody's tasks, by what is in the address."""

    def ask(look: Looking) -> Mapping[str, Any]:
        if status and status not in STATES:
            raise BadRequest(f"There is no status {status!r}.", hint=f"Choose one of {', '.join(STATES)}.")
        whose = house.desk.accounts.user(name.strip()).id if name.strip() else UserId(user) if user else None
        which = Sought(whose, BatchId(batch) if batch else None, STATES.get(status, ()), engine, code)
        found = house.desk.watching.tasks(look.account, which, cursor, _A_PAGE)
        shown = {task.user for task in found.tasks} | ({whose} if whose else set())
        names = house.desk.accounts.names(list(shown))
        return {"found": found, "which": which, "chosen": status, "names": names, "states": STATES, "engines": ENGINES,
                "most": AT_ONCE}  # fmt: skip

    return await _page(request, house, lang, "operating_tasks.html", "tasks", ask)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a timeline: from and how long, in percent of the whole; `step` is what was done."""

    step: str
    begin: float
    width: float
    seconds: float
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt with its pieces; what it did after its last finished step is the last one."""

    of: PastAttempt
    seconds: float
    pieces: Sequence[Piece]


def timeline(task: Task, tries: Sequence[PastAttempt], now: float) -> Sequence[Try]:
    """The attempts on one line of time, from the first one's begin to the last one's end.

    Steps follow each other; they are drawn in this order from where the attempt begins.
    """
    if not tries:
        return ()
    begin = min(one.started_at for one in tries)
    whole = max(1e-3, max(one.ended_at or now for one in tries) - begin)
    told: list[Try] = []
    for one in tries:
        seconds = max(0.0, (one.ended_at or now) - one.started_at)
        at, pieces = one.started_at - begin, list[Piece]()
        for step in one.steps:
            pieces.append(Piece(step.step, 100 * at / whole, 100 * step.seconds / whole, step.seconds, step.resumed))
            at += step.seconds
        rest = one.started_at - begin + seconds - at
        unfinished = task.step if one is tries[-1] and task.step not in {step.step for step in one.steps} else ""
        if unfinished or rest > 0.01 * whole:
            pieces.append(Piece(unfinished, 100 * at / whole, 100 * max(0.0, rest) / whole, max(0.0, rest)))
        told.append(Try(one, seconds, pieces))
    return told


@router.get("/admin/tasks/{task}")
async def one_task(task: str, request: Request, house: Parts, lang: Language) -> Response:
    """A task's attempts, beside each other in time, with their steps."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found, tries = house.desk.watching.task(look.account, TaskId(task))
        told = timeline(found, tries, house.desk.clock.now())
        return {
            "task": found,
            "document": name_of(found) if found.payload else "",
            "tries": told,
            "steps": list(dict.fromkeys(piece.step for one in told for piece in one.pieces)),
            "owner": house.desk.accounts.names([found.user]).get(found.user, ""),
        }

    return await _page(request, house, lang, "operating_task.html", "tasks", ask, every=_OFTEN)


@router.get("/admin/errors")
async def errors(
    request: Request, house: Parts, lang: Language, hours: Annotated[int, Query(ge=1, le=LONGEST_HOURS)] = 24
) -> Response:
    """What fails alike."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found = house.desk.watching.errors(look.account, hours)
        return {"errors": found, "hours": hours, "ranges_of": HOURS, "most": AT_ONCE, "most_dead": MOST_DEAD}

    return await _page(request, house, lang, "operating_errors.html", "failures", ask)


@router.get("/admin/dead")
async def dead(
    request: Request,
    house: Parts,
    lang: Language,
    user: Number = None,
    batch: Text = "",
    code: Text = "",
    hours: Annotated[int | None, Query(ge=1, le=LONGEST_HOURS)] = None,
    cursor: Text = "",
) -> Response:
    """What failed for good, and starting all of a filter again, or discarding it."""

    def ask(look: Looking) -> Mapping[str, Any]:
        now = house.desk.clock.now()
        since = now - hours * _HOUR if hours else 0.0
        which = Letters(UserId(user) if user else None, BatchId(batch) if batch else None, code, since)
        found = house.desk.dead.page(look.account, which, cursor, _A_PAGE + 1)
        causes = house.desk.dead.causes(look.account, which)
        letters = found[:_A_PAGE]
        shown = {letter.task.user for letter in letters} | ({which.user} if which.user else set())
        # what fails from now on is not among those that are counted here
        asked = {"user": which.user, "batch": batch, "code": code, "since": _iso(since), "until": _iso(now)}
        return {
            "letters": letters,
            "causes": causes,
            "count": sum(causes.values()),
            "onward": cursor_of(found[_A_PAGE - 1].task) if len(found) > _A_PAGE else "",
            "names": house.desk.accounts.names(list(shown)),
            "asked": {name: value for name, value in asked.items() if value},
            "which": which,
            "hours": hours,
            "ranges_of": HOURS,
        }

    return await _page(request, house, lang, "operating_dead.html", "dead letters", ask)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat() if at else ""


@router.get("/admin/workers")
async def workers(request: Request, house: Parts, lang: Language) -> Response:
    """Who serves which engine, and stopping and starting these."""

    def ask(look: Looking, seen: Lanes) -> Mapping[str, Any]:
        now = house.desk.clock.now()
        found = house.desk.watching.queue(look.account, seen.queue)
        named = {engine.name for engine in found.engines}
        members = house.desk.watching.workers(look.account)
        return {
            "workers": [shapes.worker(one, now) for one in members],
            "unserved": _unserved(found, members),
            "alone": all(one.engine == _SERVICES_OWN for one in members if one.live),
            "engines": found.engines,
            "idle": [engine for engine in ENGINES if engine not in named],
            "queue": found,
        }

    return await _page(request, house, lang, "operating_workers.html", "workers", OfLanes(ask), every=_OFTEN)


@router.get("/admin/rollout")
async def rolled_out(request: Request, house: Parts, lang: Language) -> Response:
    """Which engine carries whom, what is in use, and changing either."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found = house.desk.operating.rolled_out(look.account)
        setters = [*(rule.by for rule in found.rules), *(flag.by for flag in found.flags)]
        return {
            "found": found,
            "said": {rule.id: wording.said(rule.engine, found.guards[rule.id], look.lang) for rule in found.rules},
            "worse": {rule for rule, guard in found.guards.items() if guard.state in FOUND_WORSE},
            "ruled": {rule.engine for rule in found.rules},
            "queued": all(flag.on for flag in found.flags if flag.name == DATABASE_QUEUE),
            "names": house.desk.accounts.names(setters),
            "groups": sorted(
                {*house.desk.operating.groups(look.account), *(rule.group for rule in found.rules)} - {""}
            ),
            "engines": ENGINES,
            "modes": [mode.value for mode in Mode],
        }

    return await _page(request, house, lang, "operating_rollout.html", "rollout", ask, every=_OFTEN)


def _asked(a: Text = "", b: Text = "", since: Text = USUAL, until: Text = "", group: Text = "") -> Asked:
    """What an address asks to be compared."""
    return Asked(a, b, since.strip() or USUAL, until.strip(), group)


@router.get("/admin/comparisons")
async def engines_beside(
    request: Request, house: Parts, lang: Language, asked: Annotated[Asked, Depends(_asked)]
) -> Response:
    """Which engines are to be compared, and a place for what that comes to: it takes seconds."""

    def ask(look: Looking) -> Mapping[str, Any]:
        groups = house.desk.operating.groups(look.account)
        query = _query_of(asked, look.lang) if asked.a and asked.b else ""
        return {"asked": asked, "groups": groups, "engines": ENGINES, "query": query}

    return await _page(request, house, lang, "operating_comparisons.html", "comparisons", ask)


@router.get("/admin/comparisons/told")
async def comparison(
    request: Request, house: Parts, lang: Language, asked: Annotated[Asked, Depends(_asked)]
) -> Response:
    """Two engines beside each other."""
    return await _page(request, house, lang, "operating_comparison.html", "comparisons", asked)


def _compared(found: Comparison, asked: Asked, lang: str) -> Mapping[str, Any]:
    return {
        "verdict": found.verdict.value,
        "headline": telling.headline(found, lang),
        "about": telling.title(found, lang),
        "measured": telling.measured(found, lang),
        "cautions": telling.cautions(found, lang),
        "plot": telling.plot(found, lang),
        "tables": list(telling.tables(found, lang)),
        "how": telling.how(found, lang),
        "query": _query_of(asked, lang),
    }


def _query_of(asked: Asked, lang: str) -> str:
    given = {name: value for name, value in asdict(asked).items() if value}
    return urlencode({**given, "lang": lang})


@router.get("/admin/users")
async def users(
    request: Request,
    house: Parts,
    lang: Language,
    cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$")] = "",
) -> Response:
    """Accounts and what they may."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found = house.desk.accounts.page(look.account, int(cursor or 0), _A_PAGE + 1)
        limits = {account.id: house.desk.quotas.limits(account) for account, _ in found}
        onward = str(found[_A_PAGE - 1][0].id) if len(found) > _A_PAGE else ""
        return {"users": found[:_A_PAGE], "quotas": limits, "onward": onward, **_bounds(house)}

    return await _page(request, house, lang, "operating_users.html", "users", ask)


@router.get("/admin/users/{user}")
async def one_user(
    user: Annotated[int, Path(ge=1, le=2**63 - 1)], request: Request, house: Parts, lang: Language
) -> Response:
    """An account: what it may, and its tokens."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found, terms = house.desk.accounts.one(look.account, UserId(user))
        use = house.desk.quotas.use(look.account, found.id)
        asked = pace_of(request).used(found, use.limits.requests)
        return {"user": found, "terms": terms, "engines": ENGINES, "use": use, "asked": asked, **_bounds(house)}

    return await _page(request, house, lang, "operating_user.html", "users", ask)


def _bounds(house: House) -> Mapping[str, Any]:
    """What a limit and a weight may be, and what a role brings with it."""
    limits = {role.value: house.settings.user_limit for role in Role} | {Role.ADMIN.value: house.settings.admin_limit}
    return {"roles": [role.value for role in Role], "limits": limits, "largest_limit": LARGEST_LIMIT,
            "least_weight": LEAST_WEIGHT, "largest_weight": LARGEST_WEIGHT,
            "longest_group": accounts.LONGEST_GROUP, "largest_quota": accounts.LARGEST_QUOTA, "mb": MB}  # fmt: skip


@router.get("/admin/audit")
async def trail(
    request: Request,
    house: Parts,
    lang: Language,
    user: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    what: Annotated[str, Query(max_length=60)] = "",
    cursor: Text = "",
) -> Response:
    """Who changed what."""

    def ask(look: Looking) -> Mapping[str, Any]:
        found = audit.look_at(house, look.account, user, what, cursor, _A_PAGE)
        named = house.desk.accounts.names([UserId(user)]) if user else {}
        return {"entries": found["items"], "onward": found["next"], "by": user, "what": what, "names": named}

    return await _page(request, house, lang, "operating_audit.html", "audit", ask)
