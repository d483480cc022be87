"""Workers take only tasks whose payload they can read, while a newer version is rolled out."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = ("workers", "schedule_tasks", "tasks")  # in the order in which a worker's step locks them


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "version")
