"""What several servers need: a row at which registrations take turns, a clock for each engine, suspects at hand."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, partial_index

revision = "0005"
down_revision = "0004"


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
    op.execute("INSERT INTO system (id) VALUES (1)")
    op.execute(
        "INSERT INTO clocks (engine, band, vtime) SELECT DISTINCT engine, 0, 0 FROM lanes"
        " WHERE NOT EXISTS (SELECT 1 FROM clocks WHERE clocks.engine = lanes.engine AND clocks.band = 0)"
    )


def downgrade() -> None:
    op.drop_index("tasks_suspect", table_name="tasks")
    op.drop_table("system")
