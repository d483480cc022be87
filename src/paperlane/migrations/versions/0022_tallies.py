"""What processes count is added up for all, and each lane counts what of it ended and the processor time it used."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, key

revision = "0022"
down_revision = "0021"

_BUCKETS = 19


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("name", key(40), nullable=False),
        sa.Column("label", key(100), nullable=False),
        sa.Column("total", sa.Double(), nullable=False, server_default="0"),
        *(sa.Column(f"bucket_{at}", sa.BigInteger(), nullable=False, server_default="0") for at in range(_BUCKETS)),
        sa.PrimaryKeyConstraint("name", "label"),
        **TABLE,
    )
    for name in ("completed", "failed", "cancelled"):
        op.add_column("lanes", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("lanes", sa.Column("cpu", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("cpu", "cancelled", "failed", "completed"):
        op.drop_column("lanes", name)
    op.drop_table("tallies")
