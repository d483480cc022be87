"""The limit of the whole backlog holds, however many come at once: what processes may bring is promised before."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "backlog",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counts", sa.BigInteger(), nullable=False),
        sa.Column("promised", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": 50},
        **TABLE,
    )
    # more than may ever wait, so that it is counted first
    op.execute("INSERT INTO backlog (id, counts, promised) VALUES (1, 0, 9000000000000000)")


def downgrade() -> None:
    op.drop_table("backlog")
