"""`/openapi.json`: what the interface takes and answers, for programs."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from paperlane.web import answers

_PLACE = "#/components/schemas/{model}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The description, made once; with the form of problems, which no route answers by itself."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        problem = TypeAdapter(answers.Problem).json_schema(ref_template=_PLACE)
        described["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        app.openapi_schema = described
    return app.openapi_schema
