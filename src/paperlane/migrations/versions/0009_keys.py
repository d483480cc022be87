"""Less is written for each change of a task: keys compare by bytes, batches know where their tasks lie."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_TABLES = (  # those with short texts, in the order in which a worker's step locks them
    "workers", "engines", "clocks", "lanes", "schedules", "schedule_tasks", "batches", "tasks", "attempts", "events",
    "checkpoints", "chores", "users", "tokens", "documents", "scheduled_files", "issues", "audit",
)  # fmt: skip
_ROOM = {"lanes": 50, "clocks": 50, "workers": 50, "attempts": 70}
_EAGER = {"autovacuum_vacuum_scale_factor": 0.05, "autovacuum_vacuum_threshold": 500}


def upgrade() -> None:
    for name in ("first_task", "last_task"):
        op.add_column("batches", sa.Column(name, sa.String(length=40), server_default="", nullable=False))
    op.execute(
        "UPDATE batches SET"
        " first_task = coalesce((SELECT min(id) FROM tasks WHERE tasks.batch_id = batches.id), ''),"
        " last_task = coalesce((SELECT max(id) FROM tasks WHERE tasks.batch_id = batches.id), '')"
    )
    op.drop_index("tasks_batch", table_name="tasks")
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
    op.create_index("tasks_batch", "tasks", ["batch_id", "id"], unique=False)
    for name in ("last_task", "first_task"):
        op.drop_column("batches", name)
