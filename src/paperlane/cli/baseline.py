"""Baselines: the issues that are accepted, so that only new ones count."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from paperlane.cli.files import text_of
from paperlane.errors import BadRequest
from paperlane.model.documents import Known, Report, Severity

_LARGEST = 256 << 20  # bytes
_LONGEST = 80  # characters of a quote that a reader of changes sees


class _Document(BaseModel):
    name: str


class _Issue(BaseModel):
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    rule: str
    severity: Severity
    quote: str
    source: str = "rule"


class _Tested(BaseModel):
    document: _Document
    issues: Sequence[_Issue]


class _Baseline(BaseModel):
    documents: Sequence[_Tested]


def read(path: Path) -> Mapping[str, Sequence[Known]]:
    """The issues of each document in a baseline, or a report as JSON; Misconfigured or BadRequest for anything else."""
    content = text_of(path, "The baseline", "--baseline", _LARGEST)
    try:
        baseline = _Baseline.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = f"The baseline makes no sense: {path}: {where + ': ' if where else ''}{first['msg']}."
        raise BadRequest(said, hint="Write one with --write-baseline, or name a report of --format json.") from error
    known: defaultdict[str, list[Known]] = defaultdict(list)
    for tested in baseline.documents:
        known[_place(tested.document.name)] += (Known(**issue.model_dump()) for issue in tested.issues)
    return known


def since(baseline: Mapping[str, Sequence[Known]], reports: Sequence[Report]) -> Sequence[Report]:
    """The reports, of whose issues only those count that the baseline does not have."""
    return [report.since(baseline.get(_place(report.name), ()), only_new=True) for report in reports]


def strange_to(baseline: Mapping[str, Sequence[Known]], reports: Sequence[Report], language: str) -> str | None:
    """What to do where a baseline knows none of the documents, so that each issue is new; None where all is well."""
    tested = [_place(report.name) for report in reports]
    if not baseline or not any(report.issues for report in reports) or not baseline.keys().isdisjoint(tested):
        return None
    if language == "zh":
        return (
            f"基线中没有 {_some(tested, language)}，只有 {_some(list(baseline), language)}，因此所有问题都算新增。"
            "请在写入基线时所在的文件夹中运行，或用 --write-baseline 重新写入。"
        )
    return (
        f"The baseline knows no {_some(tested, language)}; it holds {_some(list(baseline), language)}."
        " So every issue is new. Start in the folder where the baseline was written,"
        " or write it anew with --write-baseline."
    )


def _some(names: Sequence[str], language: str) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - 1
    return names[0] + (f" 等 {len(names)} 个文件" if language == "zh" else f" and {more} more") * (more > 0)


def written(reports: Sequence[Report]) -> bytes:
    """All issues of these reports: a line each, in an order that edits elsewhere leave as it is."""
    documents = sorted((_place(report.name), report) for report in reports if report.issues)
    lines = ",\n".join(map(_document, documents))
    return f'{{"documents": [\n{lines}\n]}}\n'.encode()


def _document(named: tuple[str, Report]) -> str:
    name, report = named
    head = json.dumps({"name": name}, ensure_ascii=False)
    lines = ",\n".join(sorted(_lines(report)))
    return f'{{"document": {head}, "issues": [\n{lines}\n]}}'


def _lines(report: Report) -> Iterator[str]:
    for issue in report.issues:
        quote = " ".join(issue.quote.split())[:_LONGEST]
        entry = {"rule": issue.rule, "severity": issue.severity.value, "quote": quote, "fingerprint": issue.fingerprint}
        if issue.source != "rule":
            entry["source"] = issue.source
        yield json.dumps(entry, ensure_ascii=False)


def _place(name: str) -> str:
    """A document's path from here, written in one way."""
    path = os.path.normpath(name)
    here = Path.cwd()
    if Path(path).is_relative_to(here):
        path = os.path.relpath(path, here)
    return path.replace(os.sep, "/")
