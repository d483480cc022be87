"""Attempts in parts: where one pauses between two stages, and which stages and users a worker serves."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import key

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("parted", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("used", sa.Double(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("took", sa.Double(), server_default="0", nullable=False))
    op.add_column("workers", sa.Column("stages", key(40), server_default="", nullable=False))
    op.add_column("workers", sa.Column("shard", sa.Integer(), server_default="0", nullable=False))
    op.add_column("workers", sa.Column("shards", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    for column in ("shards", "shard", "stages"):
        op.drop_column("workers", column)
    for column in ("took", "used", "parted"):
        op.drop_column("tasks", column)
