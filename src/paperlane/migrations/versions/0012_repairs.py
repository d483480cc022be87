"""How many lanes' counters were put right is kept, for all processes together."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("system", sa.Column("repairs", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("system", "repairs")
