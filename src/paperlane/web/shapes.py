"""The JSON forms of what the interface answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeVar

from pydantic import TypeAdapter

from paperlane.catalog import alarm_in
from paperlane.checks import DEFAULT_PROFILE
from paperlane.desk import RolledOut, name_of
from paperlane.desk.watching import Errors
from paperlane.model.documents import Severity, Upload
from paperlane.model.schedules import Schedule
from paperlane.model.tasks import Batch, DeadLetter, Event, Handled, Member, PastAttempt, Queue, Task, TaskId
from paperlane.records.accounts import Account, Terms
from paperlane.records.audit import Entry
from paperlane.records.incidents import Incident, Silence
from paperlane.records.issues import Reviewed, Versions
from paperlane.reports import said
from paperlane.rollout.comparison import Comparison, Figure, Measure, Side, Stratum
from paperlane.rollout.guarded import Guard
from paperlane.rollout.guards import Finding
from paperlane.rollout.resampling import Interval
from paperlane.rollout.telling import cautions, headline, sentence
from paperlane.rollout.wording import said as said_of_guard
from paperlane.web import answers

Given = TypeVar("Given")
_UPLOAD = TypeAdapter(Upload)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
_NO_COVERAGE: answers.Coverage = {"tested": 0, "failed": 0, "skipped": 0, "by": {}}
_NO_ISSUES: answers.Counts = {"error": 0, "warning": 0, "info": 0}


def moment(at: float) -> str | None:
    """A time as ISO 8601 in UTC, to the millisecond; None for never. What no calendar holds is its last second."""
    if not at > 0:  # nor is what is no number
        return None
    return datetime.fromtimestamp(min(at, _LAST), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def task(
    of: Task, versions: Mapping[TaskId, Versions], dismissed: Mapping[TaskId, Mapping[Severity, int]]
) -> answers.Task:
    """A task, with what changed in its document since the version before, and what was dismissed."""
    upload = _UPLOAD.validate_json(of.payload)
    summary: Mapping[str, Any] = of.summary
    return {
        "id": of.id,
        "batch": of.batch,
        "owner": of.user,
        "document": {
            "name": upload.name,
            "media_type": upload.media_type,
            "bytes": upload.bytes,
            "sha256": upload.sha256,
        },
        "brief": {
            "profiles": upload.brief.profiles or [DEFAULT_PROFILE],
            "also": upload.brief.also,
            "without": upload.brief.without,
            "terms": len(upload.brief.terms),
            "ignored": len(upload.brief.ignored),
            "models": upload.brief.models,
        },
        "status": of.status,
        "priority": of.priority,
        "engine": of.engine or None,
        "step": of.step or None,
        "percent": round(of.percent, 1),
        "message": of.message,
        "seq": of.seq,
        "attempt": of.attempt,
        "max_attempts": of.max_attempts,
        "created_at": moment(of.created_at),
        "started_at": moment(of.started_at),
        "finished_at": moment(of.finished_at),
        "run_at": moment(of.run_at),
        "error": of.fault if of.status == "failed" else None,
        "warnings": summary.get("warnings", []),
        "coverage": _coverage(summary.get("coverage", _NO_COVERAGE)),
        "issues": summary.get("issues", _NO_ISSUES),
        "dismissed": _counts(dismissed.get(of.id, {})),
        "changes": _changes(versions.get(of.id)),
    }


def _counts(of: Mapping[Severity, int]) -> answers.Counts:
    error, warning, info = (of.get(severity, 0) for severity in Severity)
    return {"error": error, "warning": warning, "info": info}


def _coverage(kept: answers.Coverage) -> answers.Coverage:
    """That of before there were several judges does not tell of each."""
    return {**_NO_COVERAGE, **kept}


def _changes(of: Versions | None) -> answers.Changes | None:
    if of is None:
        return None
    return {"compared_with": of.compared_with, "new": of.new, "fixed": of.fixed, "unchanged": of.unchanged}


def batch(of: Batch) -> answers.Batch:
    """A batch."""
    return {
        "id": of.id,
        "owner": of.user,
        "name": of.name,
        "created_at": moment(of.created_at),
        "counts": of.counts,
        "percent": round(of.percent, 1),
    }


def attempt(of: PastAttempt) -> answers.Attempt:
    """An attempt with its steps."""
    return {
        "number": of.number,
        "engine": of.engine,
        "worker": of.worker,
        "started_at": moment(of.started_at),
        "ended_at": moment(of.ended_at),
        "outcome": of.outcome or None,
        "error": of.fault,
        "steps": of.steps,
    }


def dead_letter(of: DeadLetter, reader: Account) -> answers.DeadLetter:
    """A dead letter; what the document is called is its owner's to know."""
    return {
        "id": of.task.id,
        "batch": of.task.batch,
        "owner": of.task.user,
        "document": name_of(of.task) if of.task.user == reader.id else None,
        "error": of.task.fault,
        "attempts": of.tries,
        "created_at": moment(of.task.created_at),
        "failed_at": moment(of.task.finished_at),
    }


def left(of: Handled) -> answers.Handled:
    """The dead letters that are left, and where to go on."""
    found: Sequence[answers.LeftOver] = [
        {
            "code": one.why.code,
            "message": one.why.message,
            "hint": one.why.hint,
            "count": one.count,
            "tasks": one.tasks,
        }
        for one in of.left
    ]
    return {"left": found, "next": of.cursor or None}


def issue(of: Reviewed, language: str) -> answers.Issue:
    """An issue with its review."""
    found = of.issue
    message, suggestion = said(found, language)
    place = found.location
    return {
        "id": of.id,
        "task": of.task,
        "rule": found.rule,
        "category": found.category,
        "severity": found.severity.value,
        "confidence": found.confidence,
        "message": message,
        "quote": found.quote,
        "suggestion": suggestion,
        "location": {
            "section": place.section,
            "page": place.page or None,
            "line": place.line,
            "column": place.column,
            "start": place.start,
            "end": place.end,
            "cell": place.cell or None,
        },
        "source": found.source,
        "status": of.status.value,
        "reason": of.reason,
        "comment": of.comment,
        "fingerprint": found.fingerprint,
        "change": of.change.value if of.change else None,
    }


def frame(of: Event) -> answers.Frame:
    """A WebSocket's frame."""
    return {
        "seq": of.seq,
        "task": of.task,
        "status": of.status,
        "step": of.step or None,
        "percent": round(of.percent, 1),
        "message": of.message,
        "at": moment(of.at),
    }


def present(of: Task) -> answers.Frame:
    """The frame that tells of a task's present state."""
    at = of.finished_at or of.started_at or of.created_at
    return frame(Event(of.id, of.seq, "", of.status, of.step, of.percent, of.message, at))


def account(of: Account, terms: Terms | None = None) -> answers.User:
    """An account, with what its lane may where that is known."""
    shape: answers.User = {
        "id": of.id,
        "name": of.name,
        "role": of.role.value,
        "group": of.group,
        "created_at": moment(of.created_at),
    }
    if terms is None:
        return shape
    return {
        **shape,
        "limit": terms.limit,
        "weight": terms.weight,
        "engine": terms.engine,
        "paused": terms.paused,
        "storage_mb": of.quotas.storage_mb,
        "requests_a_minute": of.quotas.requests_a_minute,
        "model_tokens": of.quotas.model_tokens,
        "stored_bytes": of.stored,
    }


def schedule(of: Schedule) -> answers.Schedule:
    """A schedule."""
    return {
        "name": of.name,
        "cron": of.cron,
        "timezone": of.timezone,
        "priority": of.priority,
        "documents": of.tasks,
        "paused": of.paused,
        "created_at": moment(of.created_at),
        "next_at": moment(of.next_at),
        "last_at": moment(of.last_at),
        "last_batch": of.last or None,
        "refusal": of.refusal,
        "refused_at": moment(of.refused_at),
    }


def queue(of: Queue, names: Mapping[int, str]) -> answers.Queue:
    """What waits and runs."""
    return {
        "queued": of.queued,
        "running": of.running,
        "oldest_wait": round(of.oldest, 1),
        "limit": of.limit,
        "default_limit": of.default_limit,
        "busy_users": of.busy,
        "users": [
            {
                "user": lane.user,
                "name": names.get(lane.user, ""),
                "engine": lane.engine,
                "queued": lane.ready + lane.waiting + lane.leased,
                "running": lane.running,
                "limit": lane.max_running,
                "weight": lane.weight,
                "oldest_wait": round(lane.oldest, 1),
                "paused": lane.paused,
            }
            for lane in of.lanes
        ],
        "engines": of.engines,
        "unreadable": of.unreadable,
    }


def worker(of: Member, now: float) -> answers.Worker:
    """A worker."""
    return {
        "id": of.id,
        "engine": of.engine,
        "host": of.machine,
        "pid": of.pid,
        "slots": of.slots,
        "asked": of.asked,
        "least": of.least,
        "wants": of.wants,
        "running": of.running,
        "cpu": of.cpu,
        "memory": of.memory,
        "started_at": moment(of.started_at),
        "seen_at": moment(of.seen_at),
        "seen": round(max(0.0, now - of.seen_at), 1),
        "live": of.live,
        "stages": sorted(of.channel.stages),
        "shard": of.channel.shard,
        "shards": of.channel.shards,
    }


def audit_entry(of: Entry, names: Mapping[int, str]) -> answers.AuditEntry:
    """A line of the audit trail."""
    return {
        "id": of.id,
        "at": moment(of.at),
        "user": of.user,
        "name": names.get(of.user, ""),
        "what": of.what,
        "details": of.details,
    }


def failures(of: Errors) -> answers.Failures:
    """Groups of failures."""
    groups: Sequence[answers.FailureGroup] = [
        {
            "fingerprint": group.fingerprint,
            "code": group.code,
            "step": group.step,
            "message": group.message,
            "hint": group.hint,
            "count": group.count,
            "users": len(group.users),
            "first_at": moment(group.first_at),
            "last_at": moment(group.last_at),
            "engines": sorted(group.engines),
            "tasks": group.tasks,
        }
        for group in of.groups
    ]
    return {"items": groups, "next": None, "looked": of.looked, "whole": of.whole}


def incident(of: Incident, silences: Sequence[Silence], names: Mapping[int, str], language: str) -> answers.Incident:
    """An incident, in a language; `names` are those of accounts, and whoever has none was at the machine."""
    message, hint = alarm_in(language, of.alert, of.params)
    until = [] if of.closed_at else [one.until for one in silences if one.covers(of.alert, of.subject)]
    by = of.acknowledged_by
    return {
        "id": of.id,
        "alert": of.alert,
        "subject": of.subject,
        "severity": of.severity,
        "message": message,
        "hint": hint,
        "value": of.value,
        "limit": of.limit,
        "opened_at": moment(of.opened_at),
        "closed_at": moment(of.closed_at),
        "acknowledged_by": None if by is None else names.get(by),
        "acknowledged_at": moment(of.acknowledged_at),
        "silenced_until": moment(max(until)) if until else None,
    }


def silence(of: Silence) -> answers.Silence:
    """A silence."""
    return {
        "id": of.id,
        "alert": of.alert,
        "subject": of.subject,
        "created_at": moment(of.created_at),
        "until": moment(of.until),
    }


def page(items: Sequence[Given], cursor: str | None = None) -> answers.Page[Given]:
    """A page of a list; `cursor` leads to the next one, None at the end."""
    return {"items": items, "next": cursor}


def rolled_out(of: RolledOut, names: Mapping[int, str], language: str = "en") -> answers.RolledOut:
    """What was rolled out; what guards say in a language."""
    hidden = of.hidden
    return {
        "usual": of.usual,
        "flags": {flag.name: flag.on for flag in of.flags},
        "rules": [
            {
                "id": rule.id,
                "engine": rule.engine,
                "percent": rule.percent,
                "group": rule.group or None,
                "set_at": moment(rule.at),
                "set_by": names.get(rule.by),
                "hidden": rule.id in hidden,
                "guard": _guard(rule.engine, of.guards[rule.id], language),
            }
            for rule in of.rules
        ],
        "engines": [
            {"engine": one.engine, "users": one.users, "of_their_own": one.of_their_own, "workers": one.workers}
            for one in of.engines
        ],
        "unserved": of.unserved,
        "settled": of.settled,
    }


def _guard(engine: str, of: Guard, language: str) -> answers.Guard:
    judgement = of.judgement
    return {
        "mode": of.mode.value,
        "state": of.state.value,
        "words": said_of_guard(engine, of, language),
        "control": None if judgement is None else judgement.control,
        "looked_at": moment(of.looked_at),
        "changed_at": moment(of.changed_at),
        "findings": [] if judgement is None else [_guard_finding(one) for one in judgement.findings],
    }


def _guard_finding(of: Finding) -> answers.GuardFinding:
    return {
        "measure": of.measure,  # pyright: ignore[reportReturnType]  of the names in guards.MEASURES
        "a": _known(of.a) or 0.0,
        "b": _known(of.b) or 0.0,
        "apart": _known(of.apart) or 0.0,
        "low": _known(of.low),
        "margin": _known(of.margin) or 0.0,
        "worse": of.worse,
        "day": of.day,
        "hour": of.hour,
        "a_users": of.users[0],
        "b_users": of.users[1],
        "a_tasks": of.tasks[0],
        "b_tasks": of.tasks[1],
    }


def comparison(of: Comparison, language: str = "en") -> answers.Comparison:
    """Two engines beside each other, told in a language."""
    return {
        "a": _side(of.a),
        "b": _side(of.b),
        "since": moment(of.since),
        "until": moment(of.until),
        "group": of.group or None,
        "verdict": of.verdict.value,
        "words": headline(of, language),
        "measures": [_measure(one, of, language) for one in of.measures],
        "strata": [_stratum(one) for one in of.strata],
        "left_out": [_stratum(one) for one in of.left_out],
        "users_on_both": of.both,
        "cautions": [
            {"code": one.code, "words": words} for one, words in zip(of.cautions, cautions(of, language), strict=True)
        ],
        "sampled": {
            "users": of.sampled.users,
            "asked": of.sampled.asked,
            "cut": of.sampled.cut,
            "whole": of.sampled.whole,
        },
        "resamples": of.resamples,
        "seed": of.seed,
    }


def _side(of: Side) -> answers.EngineSide:
    return {
        "engine": of.engine,
        "users": of.users,
        "tasks": of.tasks,
        "completed": of.completed,
        "failed": of.failed,
        "cancelled": of.cancelled,
        "queued": of.queued,
        "running": of.running,
        "oldest_seconds": _known(of.oldest) or 0.0,
        "retried": of.retried,
        "compared_users": of.compared_users,
        "compared_tasks": of.compared,
        "left_out": of.left_out,
        "effective_users": _known(of.effective) or 0.0,
    }


def _measure(of: Measure, whole: Comparison, language: str) -> answers.Measure:
    return {
        "name": of.name,
        "unit": of.unit,
        "verdict": of.verdict.value,
        "words": sentence(of, whole.a.engine, whole.b.engine, language),
        "decides": of.decides,
        "figures": {name: _figure(figure) for name, figure in of.figures.items()},
        "superiority": _known(of.superiority),
        "superiority_interval": _interval(of.superiority_interval),
        "cliffs_delta": _known(of.delta),
        "p": _known(of.chance),
        "p_holm": _known(of.holm),
        "smallest": _known(of.smallest),
    }


def _figure(of: Figure) -> answers.Figure:
    values = {"a": of.a, "b": of.b}
    return {
        "a": _known(of.a),
        "b": _known(of.b),
        "a_interval": _interval(of.a_interval),
        "b_interval": _interval(of.b_interval),
        "beyond": [side for side, value in values.items() if value is not None and not isfinite(value)],
        "ratio": _known(of.ratio),
        "ratio_interval": _interval(of.ratio_interval),
        "difference": _known(of.difference),
        "difference_interval": _interval(of.difference_interval),
    }


def _interval(of: Interval | None) -> answers.Interval | None:
    return None if of is None else {"low": _known(of.low), "high": _known(of.high)}


def _known(value: float | None) -> float | None:
    """Six digits that count; None for what is no number, or beyond all."""
    return None if value is None or not isfinite(value) else float(f"{value:.6g}")


def _stratum(of: Stratum) -> answers.Stratum:
    return {
        "kind": of.kind,
        "low": of.low,
        "high": of.high,
        "a": of.a,
        "b": of.b,
        "weight": _known(of.weight) or 0.0,
        "a_median": _known(of.a_median),
        "b_median": _known(of.b_median),
    }
