"""An attempt is written once, as it ends; while it runs, its task's row tells of it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("begun_at", sa.Double(), server_default="0", nullable=False))
    op.execute(
        "UPDATE tasks SET begun_at = coalesce((SELECT started_at FROM attempts"
        " WHERE attempts.task_id = tasks.id AND attempts.fence = tasks.fence), 0) WHERE state = 'running'"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE attempts RESET (fillfactor)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE attempts SET (fillfactor = 70)")
    op.drop_column("tasks", "begun_at")
