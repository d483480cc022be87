"""What must hold in a ledger at every instant, each as a query over its own tables."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Connection, text

from paperlane.ledger.sql import SqlLedger

RAN_AGAIN = "a step with a checkpoint ran again"
BROKEN = {
    "a counter differs from its recount": """
        SELECT user_id, ready, waiting, running FROM lanes AS l WHERE
        ready <> (SELECT count(*) FROM tasks AS t WHERE t.user_id = l.user_id AND t.state = 'ready') OR
        waiting <> (SELECT count(*) FROM tasks AS t WHERE t.user_id = l.user_id AND t.state = 'waiting') OR
        running <> (SELECT count(*) FROM tasks AS t WHERE t.user_id = l.user_id AND t.state IN ('leased', 'running'))
    """,
    "a lane has not counted each end of its tasks": """
        SELECT user_id, completed, failed, cancelled FROM lanes AS l WHERE
        completed < (SELECT count(*) FROM events AS e JOIN tasks AS t ON t.id = e.task_id
            WHERE t.user_id = l.user_id AND e.status = 'completed') OR
        failed < (SELECT count(*) FROM events AS e JOIN tasks AS t ON t.id = e.task_id
            WHERE t.user_id = l.user_id AND e.status = 'failed') OR
        cancelled < (SELECT count(*) FROM events AS e JOIN tasks AS t ON t.id = e.task_id
            WHERE t.user_id = l.user_id AND e.status = 'cancelled')
    """,  # it counts more where tasks were deleted since; the auditor knows how many
    "a lane's virtual time is not what it used and what its turns were charged": """
        SELECT user_id, vtime, served FROM lanes AS l WHERE abs(vtime - served - (
            SELECT coalesce(sum(charged), 0) FROM tasks AS t
            WHERE t.user_id = l.user_id AND t.state IN ('leased', 'running')
        )) > 0.000001 * (1 + abs(vtime))
    """,
    "a task is charged though it has no turn": """
        SELECT id FROM tasks WHERE charged <> 0 AND state NOT IN ('leased', 'running')
    """,
    "a dead letter has not failed, or a cause stays with what has not": """
        SELECT id FROM tasks WHERE state <> 'failed' AND (dead <> 0 OR cause <> '')
    """,
    "a worker holds more than it was granted": """
        SELECT id FROM workers AS w
        WHERE slots < (SELECT count(*) FROM tasks AS t WHERE t.worker_id = w.id AND t.state = 'running')
    """,
    "a running task has no worker, or another has one": """
        SELECT id FROM tasks WHERE (state = 'running') <> (worker_id <> '')
    """,
    "an event is missing or numbered twice": """
        SELECT t.id FROM tasks AS t LEFT JOIN events AS e ON e.task_id = t.id GROUP BY t.id, t.seq, t.state
        HAVING (count(e.seq) <> t.seq OR max(e.seq) <> t.seq OR min(e.seq) <> 1)
            AND NOT (max(e.seq) = t.seq AND t.state = 'completed'
                AND sum(CASE WHEN e.status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END) = count(e.seq))
    """,  # a completed task that was trimmed has the ends of its runs only
    "a run has not exactly one terminal event, or an unfinished one has": """
        SELECT t.id FROM tasks AS t JOIN events AS e ON e.task_id = t.id GROUP BY t.id, t.run, t.state
        HAVING sum(CASE WHEN e.status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END)
            <> t.run - 1 + CASE WHEN t.state IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END
    """,
    "an event's status is not the last one's task": """
        SELECT t.id FROM tasks AS t JOIN events AS e ON e.task_id = t.id AND e.seq = t.seq
        WHERE e.status <> CASE WHEN t.state IN ('ready', 'waiting', 'leased') THEN 'queued' ELSE t.state END
    """,
    "percent falls within a run": """
        SELECT a.task_id FROM events AS a JOIN events AS b ON b.task_id = a.task_id AND b.seq = a.seq + 1
        WHERE b.percent < a.percent AND b.kind <> 'replayed'
    """,
    "an attempt is written down before it ends": """
        SELECT a.task_id FROM attempts AS a JOIN tasks AS t ON t.id = a.task_id
        WHERE a.ended_at = 0 OR (t.state = 'running' AND t.fence = a.fence)
    """,
    "an attempt began and is over, and is not written down": """
        SELECT e.task_id FROM events AS e JOIN tasks AS t ON t.id = e.task_id
        LEFT JOIN attempts AS a ON a.task_id = e.task_id AND a.fence = e.fence
        WHERE e.kind = 'begun' AND a.task_id IS NULL AND NOT (t.state = 'running' AND t.fence = e.fence)
    """,
    RAN_AGAIN: """
        SELECT task_id FROM events WHERE kind = 'saved' GROUP BY task_id, step HAVING count(*) > 1
    """,
}
LEFT = {
    "something is left of a task that is no more": """
        SELECT task_id FROM events WHERE task_id NOT IN (SELECT id FROM tasks)
        UNION SELECT task_id FROM attempts WHERE task_id NOT IN (SELECT id FROM tasks)
        UNION SELECT task_id FROM checkpoints WHERE task_id NOT IN (SELECT id FROM tasks)
        UNION SELECT id FROM batches WHERE id NOT IN (SELECT batch_id FROM tasks)
    """,
}
"""Beside these, in the simulation: some tests write rows of no task, as another room would."""


def check_invariants(ledger: SqlLedger, *meant: str, also: Mapping[str, str] = MappingProxyType({})) -> None:
    """Fail with the invariant and the rows that break it; but for those that a test means to break."""

    def ask(connection: Connection) -> dict[str, list[object]]:
        return {
            what: list(connection.execute(text(query)).all())
            for what, query in {**BROKEN, **also}.items()
            if what not in meant
        }

    broken = {what: rows[:5] for what, rows in ledger.read(ask).items() if rows}
    assert not broken, broken
