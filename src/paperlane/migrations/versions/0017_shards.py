"""A clock for each shard of an engine's users."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("clocks", sa.Column("shards", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM clocks WHERE band > 0")  # without shards only the first is asked for
    op.drop_column("clocks", "shards")
