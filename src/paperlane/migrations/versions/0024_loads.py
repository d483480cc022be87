"""Workers tell between how many slots they choose, how many they want, and how much of their machine is in use."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    for name in ("asked", "least", "wants"):
        op.add_column("workers", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in ("cpu", "memory"):
        op.add_column("workers", sa.Column(name, sa.Double(), nullable=False, server_default="-1"))


def downgrade() -> None:
    for name in ("asked", "least", "wants", "cpu", "memory"):
        op.drop_column("workers", name)
