"""`/tasks`: one document each."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from paperlane.desk import STATES
from paperlane.model.tasks import BatchId, Task, TaskId
from paperlane.reports import REPORTS
from paperlane.web import answers, problems, shapes
from paperlane.web.identity import Asker, House, Parts
from paperlane.web.language import Language

router = APIRouter(prefix="/tasks", tags=["tasks"], responses=problems.may(401, 404, 408, 413, 422))

Limit = Annotated[int, Query(ge=1, le=1_000)]
Position = Annotated[str, Query(pattern="^[0-9]{0,9}$")]


async def shown(house: House, tasks: Sequence[Task]) -> Sequence[answers.Task]:
    """These tasks, with what changed in their documents and what was dismissed."""
    versions = await house.threads(house.desk.documents.versions, tasks)
    dismissed = await house.threads(house.desk.documents.dismissed, tasks)
    return [shapes.task(task, versions, dismissed) for task in tasks]


async def _shown(house: House, task: Task) -> answers.Task:
    return (await shown(house, [task]))[0]


@router.get("")
async def several(
    account: Asker,
    house: Parts,
    status: Annotated[str, Query(json_schema_extra={"enum": ["", *STATES]})] = "",
    batch: str = "",
    limit: Limit = 100,
    cursor: str = "",
) -> answers.Page[answers.Task]:
    """One's tasks, newest first; a batch's in its order."""
    found = await house.threads(
        house.desk.tasks.page,
        account,
        batch=BatchId(batch) if batch else None,
        status=status,
        cursor=cursor,
        limit=limit + 1,  # one more tells whether there is a next page
    )
    onward = found[limit - 1].id if len(found) > limit else None
    return shapes.page(await shown(house, found[:limit]), onward)


@router.get("/{task}")
async def one(task: str, account: Asker, house: Parts) -> answers.Task:
    """A task."""
    return await _shown(house, await house.threads(house.desk.tasks.one, account, TaskId(task)))


@router.post("/{task}/cancel", responses=problems.may(403, 409))
async def cancel(task: str, account: Asker, house: Parts) -> answers.Task:
    """Stop a task: a queued one at once, a running one at its next step."""
    return await _shown(house, await house.threads(house.desk.tasks.cancel, account, TaskId(task)))


@router.post("/{task}/retry", responses=problems.may(403, 409, 429))
async def retry(task: str, account: Asker, house: Parts) -> answers.Task:
    """Start a failed or cancelled task again, after its last finished step."""
    return await _shown(house, await house.threads(house.desk.tasks.retry, account, TaskId(task)))


@router.get("/{task}/attempts")
async def attempts(task: str, account: Asker, house: Parts) -> answers.Page[answers.Attempt]:
    """Every attempt with its steps."""
    found = await house.threads(house.desk.tasks.attempts, account, TaskId(task))
    return shapes.page([shapes.attempt(attempt) for attempt in found])


@router.get("/{task}/issues")
async def issues(
    task: str,
    account: Asker,
    house: Parts,
    language: Language,
    severity: Literal["", "error", "warning", "info"] = "",
    status: Literal["", "open", "accepted", "dismissed"] = "",
    change: Literal["", "new", "unchanged"] = "",
    limit: Limit = 200,
    cursor: Position = "",
) -> answers.Page[answers.Issue]:
    """A task's issues in reading order."""
    after = int(cursor) if cursor else -1
    found = await house.threads(
        house.desk.documents.issues,
        account,
        TaskId(task),
        severity=severity,
        status=status,
        change=change,
        after=after,
        limit=limit + 1,
    )
    onward = str(found[limit - 1].position) if len(found) > limit else None
    return shapes.page([shapes.issue(issue, language) for issue in found[:limit]], onward)


@router.get("/{task}/changes", responses=problems.may(409))
async def changes(
    task: str, account: Asker, house: Parts, language: Language, limit: Limit = 200, cursor: Position = ""
) -> answers.Page[answers.Issue]:
    """What is fixed: the issues of the version before that this one has no more, as they stood there."""
    after = int(cursor) if cursor else -1
    found = await house.threads(house.desk.documents.fixed, account, TaskId(task), after=after, limit=limit + 1)
    onward = str(found[limit - 1].position) if len(found) > limit else None
    return shapes.page([shapes.issue(issue, language) for issue in found[:limit]], onward)


_FILES: dict[str, Any] = {form.media_type: {} for form in REPORTS.values()}


@router.get(
    "/{task}/report",
    response_class=Response,
    responses={200: {"description": "The report as a download.", "content": _FILES}, **problems.may(409)},
)
async def report(
    task: str,
    account: Asker,
    house: Parts,
    language: Language,
    form: Annotated[str, Query(alias="format", json_schema_extra={"enum": list(REPORTS)})] = "html",
) -> Response:
    """The report as a download."""
    content, media_type, name = await house.threads(house.desk.documents.report, account, TaskId(task), form, language)
    plain = name.encode("ascii", "replace").decode().replace('"', "_").replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


@router.get("/{task}/document", response_model=answers.Text, responses=problems.may(409))
async def document(task: str, request: Request, account: Asker, house: Parts) -> Response:
    """The document's text and structure, for showing it beside its issues; of several, some wait for the others."""

    def whole() -> JSONResponse:  # of a large document, to write it out takes as long as to read it
        return JSONResponse(house.desk.documents.text(account, TaskId(task)))

    async with request.app.state.readers:
        return await house.threads(whole)
