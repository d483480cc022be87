"""What models cost is told by attempt, so that telling it twice counts once; and since when tasks wait for a model."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, key

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "usage_by_attempt",
        sa.Column("task_id", key(40), nullable=False),
        sa.Column("fence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model", key(200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("money", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "fence", "model"),
        **TABLE,
    )
    op.execute(
        "INSERT INTO usage_by_attempt (task_id, fence, model, requests, tokens_in, tokens_out, money) "
        "SELECT task_id, 0, model, requests, tokens_in, tokens_out, money FROM usage_by_task"
    )
    # usage_by_task stays: workers of before write it, as long as such are beside those of this version
    op.create_table(
        "waits_for_models",
        sa.Column("task_id", key(40), nullable=False),
        sa.Column("model", key(200), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "model"),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("waits_for_models")
    op.execute("DELETE FROM usage_by_task")
    op.execute(
        "INSERT INTO usage_by_task (task_id, model, requests, tokens_in, tokens_out, money) "
        "SELECT task_id, model, SUM(requests), SUM(tokens_in), SUM(tokens_out), SUM(money) "
        "FROM usage_by_attempt GROUP BY task_id, model"
    )
    op.drop_table("usage_by_attempt")
