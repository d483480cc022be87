"""What models answered, what that cost, and what is known of their rates."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LONG, TABLE, key

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("key", key(64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt", key(40), nullable=False),
        sa.Column("content", LONG, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        **TABLE,
    )
    op.create_index("answers_at", "answers", ["at"])
    op.create_table(
        "usage_by_day",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", key(200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("money", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day", "model"),
        **TABLE,
    )
    op.create_table(
        "usage_by_task",
        sa.Column("task_id", key(40), nullable=False),
        sa.Column("model", key(200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("money", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "model"),
        **TABLE,
    )
    op.create_table(
        "rates",
        sa.Column("model", key(200), nullable=False),
        sa.Column("standing", LONG, nullable=False),
        sa.PrimaryKeyConstraint("model"),
        postgresql_with={"fillfactor": 50},
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("rates")
    op.drop_table("usage_by_task")
    op.drop_table("usage_by_day")
    op.drop_table("answers")
