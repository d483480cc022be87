"""Less is written for each change of a task: keys compare by bytes, batches know where their tasks lie.

MySQL gets flags to lead its indexes: one that is led by the state is written anew at each change of it.
"""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import drop_flag_columns, flag_columns

revision = "0009"
down_revision = "0008"

_TABLES = (  # those with short texts, in the order in which a worker's step locks them
    "workers", "engines", "clocks", "lanes", "schedules", "schedule_tasks", "batches", "tasks", "attempts", "events",
    "checkpoints", "chores", "users", "tokens", "documents", "scheduled_files", "issues", "audit",
)  # fmt: skip
_ROOM = {"lanes": 50, "clocks": 50, "workers": 50, "attempts": 70}
_FLAGS = {
    "is_ready": "state = 'ready'",
    "is_suspect": "state = 'ready' AND crashes > 0",
    "is_waiting": "state = 'waiting'",
    "is_under_way": "state IN ('leased', 'running')",
}
_WORKER = ["worker_id", "engine", "user_id"]
_BY_FLAG = {  # index: its flag, its columns, and those that it had on MySQL
    "tasks_ready": ("is_ready", ["user_id", "sort_key", "id"], ["user_id", "state", "sort_key", "id"]),
    "tasks_suspect": ("is_suspect", ["crashes"], ["state", "crashes"]),
    "tasks_waiting": ("is_waiting", ["run_at"], ["state", "run_at"]),
    "tasks_worker": ("is_under_way", _WORKER, ["state", *_WORKER]),
}
_EAGER = {"autovacuum_vacuum_scale_factor": 0.05, "autovacuum_vacuum_threshold": 500}


def upgrade() -> None:
    by_bytes = "id"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"LOCK TABLE {', '.join(_TABLES)}")  # or a step that holds workers waits for what waits for it
        by_bytes = 'id COLLATE "C"'  # as they will compare
    for name in ("first_task", "last_task"):
        op.add_column("batches", sa.Column(name, sa.String(length=40), server_default="", nullable=False))
    op.execute(
        "UPDATE batches SET"  # noqa: S608  words of ours
        f" first_task = coalesce((SELECT min({by_bytes}) FROM tasks WHERE tasks.batch_id = batches.id), ''),"
        f" last_task = coalesce((SELECT max({by_bytes}) FROM tasks WHERE tasks.batch_id = batches.id), '')"
    )
    op.drop_index("tasks_batch", table_name="tasks")
    flag_columns("tasks", **_FLAGS)
    if op.get_bind().dialect.name in {"mysql", "mariadb"}:
        for name, (flag, columns, _) in _BY_FLAG.items():
            op.drop_index(name, table_name="tasks")
            op.create_index(name, "tasks", [flag, *columns])
    if op.get_bind().dialect.name == "postgresql":
        _compare_keys('"C"')
        for table, full in _ROOM.items():
            op.execute(f"ALTER TABLE {table} SET (fillfactor = {full})")
        eager = ", ".join(f"{name} = {value}" for name, value in _EAGER.items())
        op.execute(f"ALTER TABLE lanes SET ({eager})")


def _compare_keys(collation: str) -> None:
    """Every short text, by this collation; a table's indexes are made anew once."""
    for table in _TABLES:
        changes = [
            f'ALTER "{column["name"]}" TYPE VARCHAR({column["type"].length}) COLLATE {collation}'
            for column in sa.inspect(op.get_bind()).get_columns(table)
            if isinstance(column["type"], sa.String) and column["type"].length
        ]
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _ROOM:
            op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
        op.execute(f"ALTER TABLE lanes RESET ({', '.join(_EAGER)})")
        _compare_keys('"default"')
    if op.get_bind().dialect.name in {"mysql", "mariadb"}:
        for name, (_, _, columns) in _BY_FLAG.items():
            op.drop_index(name, table_name="tasks")
            op.create_index(name, "tasks", columns)
    drop_flag_columns("tasks", *_FLAGS)
    op.create_index("tasks_batch", "tasks", ["batch_id", "id"], unique=False)
    for name in ("last_task", "first_task"):
        op.drop_column("batches", name)
