"""Schedules that submit again and again; ended tasks can be found by their age."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LARGE, TABLE, partial_index

revision = "0006"
down_revision = "0005"

_ENDED = "state IN ('completed', 'failed', 'cancelled')"


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=False),
        sa.Column("timezone", sa.String(length=60), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("last_batch", sa.String(length=40), server_default="", nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("refused_at", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("schedules_name", "schedules", ["user_id", "name"], unique=True)
    op.create_index("schedules_due", "schedules", ["paused", "next_at"], unique=False)
    op.create_table(
        "schedule_tasks",
        sa.Column("schedule_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("payload", LARGE, nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "position"),
        **TABLE,
    )
    op.create_table(
        "scheduled_files",
        sa.Column("schedule_id", sa.String(length=40), nullable=False),
        sa.Column("blob", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "blob"),
        **TABLE,
    )
    op.create_index("scheduled_files_blob", "scheduled_files", ["blob"], unique=False)
    chores = op.create_table(
        "chores",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("done_until", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **TABLE,
    )
    op.bulk_insert(chores, [{"name": "retention", "next_at": 0.0}])
    columns = ("user_id", "state", "finished_at", "id")
    partial_index("tasks_ended", "tasks", columns, _ENDED, on_mysql=columns)


def downgrade() -> None:
    op.drop_index("tasks_ended", table_name="tasks")
    for name in ("chores", "scheduled_files", "schedule_tasks", "schedules"):
        op.drop_table(name)
