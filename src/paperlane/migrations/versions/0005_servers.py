"""What several servers need: a row at which registrations take turns, a clock for each engine, fewer indexes."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, drop_partial_index, partial_index

revision = "0005"
down_revision = "0004"

_UNDER_WAY = "state IN ('leased', 'running')"


def upgrade() -> None:
    op.create_table(
        "system",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    partial_index(
        "tasks_suspect", "tasks", ["crashes"], "state = 'ready' AND crashes > 0", on_mysql=["state", "crashes"]
    )
    # each index of what runs is written twice for each task; one serves all who ask, for few tasks run
    drop_partial_index("tasks_live", "tasks", was_on_mysql=False)
    drop_partial_index("tasks_lease", "tasks")
    drop_partial_index("tasks_worker", "tasks")
    under_way = ["worker_id", "engine", "user_id"]
    partial_index("tasks_worker", "tasks", under_way, _UNDER_WAY, on_mysql=["state", *under_way])
    partial_index("tasks_late", "tasks", ["user_id"], "state = 'waiting'", on_mysql=[])
    op.execute("INSERT INTO system (id) VALUES (1)")
    op.execute(
        "INSERT INTO clocks (engine, band, vtime) SELECT DISTINCT engine, 0, 0 FROM lanes"
        " WHERE NOT EXISTS (SELECT 1 FROM clocks WHERE clocks.engine = lanes.engine AND clocks.band = 0)"
    )


def downgrade() -> None:
    drop_partial_index("tasks_late", "tasks", was_on_mysql=False)
    drop_partial_index("tasks_worker", "tasks")
    under_way = ["worker_id", "engine"]
    partial_index("tasks_worker", "tasks", under_way, _UNDER_WAY, on_mysql=["state", *under_way])
    partial_index("tasks_lease", "tasks", ["lease_until"], _UNDER_WAY, on_mysql=["state", "lease_until"])
    live = "state IN ('ready', 'waiting', 'leased', 'running')"
    partial_index("tasks_live", "tasks", ["user_id", "state"], live, on_mysql=[])
    drop_partial_index("tasks_suspect", "tasks")
    op.drop_table("system")
