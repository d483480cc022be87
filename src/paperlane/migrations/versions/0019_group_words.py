"""Each group has a glossary, and words that no check complains of."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LONG, TABLE, key

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "group_words",
        sa.Column("group_name", key(100), nullable=False),
        sa.Column("content", LONG, nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_name"),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("group_words")
