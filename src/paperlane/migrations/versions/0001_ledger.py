"""The ledger: batches, tasks, lanes, attempts, checkpoints, events, workers."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LARGE, LONG, TABLE, flag_columns, partial_index

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("fence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("worker_id", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("outcome", sa.String(length=20), server_default="", nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task_id", "fence"),
        **TABLE,
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("batches_key", "batches", ["user_id", "key"], unique=True)
    op.create_index("batches_user", "batches", ["user_id", "id"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("result", LARGE, nullable=False),
        sa.PrimaryKeyConstraint("task_id", "step", "key"),
        **TABLE,
    )
    op.create_table(
        "clocks",
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("band", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("vtime", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("engine", "band"),
        **TABLE,
    )
    op.create_table(
        "engines",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("paused", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **TABLE,
    )
    op.create_table(
        "events",
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("percent", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "seq"),
        sqlite_with_rowid=False,
        **TABLE,
    )
    op.create_table(
        "lanes",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("band", sa.Integer(), server_default="0", nullable=False),
        sa.Column("weight", sa.Double(), server_default="1", nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ready", sa.Integer(), server_default="0", nullable=False),
        sa.Column("waiting", sa.Integer(), server_default="0", nullable=False),
        sa.Column("vtime", sa.Double(), server_default="0", nullable=False),
        sa.Column("paused", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
        **TABLE,
    )
    runnable = "ready > 0 AND running < max_running AND paused = 0"
    flag_columns("lanes", runnable=runnable, backlogged="ready + waiting > 0")
    partial_index(
        "lanes_backlog",
        "lanes",
        ["user_id", "ready", "waiting"],
        "ready + waiting > 0",
        on_mysql=["backlogged", "user_id", "ready", "waiting"],
    )
    partial_index(
        "lanes_turn",
        "lanes",
        ["engine", "band", "vtime", "user_id"],
        "ready > 0 AND running < max_running AND paused = 0",
        on_mysql=["runnable", "engine", "band", "vtime", "user_id"],
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("batch_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("sort_key", sa.Double(), nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("run", sa.Integer(), server_default="1", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel", sa.Integer(), server_default="0", nullable=False),
        sa.Column("engine", sa.String(length=40), server_default="", nullable=False),
        sa.Column("worker_id", sa.String(length=40), server_default="", nullable=False),
        sa.Column("lease_until", sa.Double(), server_default="0", nullable=False),
        sa.Column("run_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=60), server_default="", nullable=False),
        sa.Column("percent", sa.Double(), server_default="0", nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("summary", LONG, nullable=True),
        sa.Column("payload", LARGE, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("tasks_batch", "tasks", ["batch_id", "id"], unique=False)
    partial_index(
        "tasks_lease", "tasks", ["lease_until"], "state IN ('leased', 'running')", on_mysql=["state", "lease_until"]
    )
    partial_index(
        "tasks_live", "tasks", ["user_id", "state"], "state IN ('ready', 'waiting', 'leased', 'running')", on_mysql=[]
    )
    partial_index(
        "tasks_ready",
        "tasks",
        ["user_id", "sort_key", "id"],
        "state = 'ready'",
        on_mysql=["user_id", "state", "sort_key", "id"],
    )
    op.create_index("tasks_user", "tasks", ["user_id", "id"], unique=False)
    partial_index("tasks_waiting", "tasks", ["run_at"], "state = 'waiting'", on_mysql=["state", "run_at"])
    partial_index(
        "tasks_worker",
        "tasks",
        ["worker_id", "engine"],
        "state IN ('leased', 'running')",
        on_mysql=["state", "worker_id", "engine"],
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("workers")
    op.drop_table("tasks")
    op.drop_table("lanes")
    op.drop_table("events")
    op.drop_table("engines")
    op.drop_table("clocks")
    op.drop_table("checkpoints")
    op.drop_table("batches")
    op.drop_table("attempts")
