"""Engines by roll-out: rules, and the engine that somebody chose for one user alone."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, key

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("engine", key(40), nullable=False),
        sa.Column("percent", sa.Double(), nullable=False),
        sa.Column("group_name", key(100), nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.Column("set_by", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("undone_by", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("settled", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.add_column("users", sa.Column("pinned", key(40), server_default="", nullable=False))
    chores = sa.table("chores", sa.column("name"), sa.column("next_at"), sa.column("done_until"))
    op.execute(sa.delete(chores).where(chores.c.name == "rollout"))  # of a migration that was cut off, on MySQL
    op.execute(sa.insert(chores).values(name="rollout", next_at=0, done_until=0))


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM chores WHERE name = 'rollout'"))
    op.drop_column("users", "pinned")
    op.drop_table("rollouts")
