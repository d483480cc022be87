"""Each roll-out has a guard, which compares it with what it replaces."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LONG, TABLE, check_queue_used, key

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Rules of before have no guard: who set them knew of none."""
    op.create_table(
        "guards",
        sa.Column("rule", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mode", key(8), nullable=False),
        sa.Column("state", key(16), nullable=False),
        sa.Column("found", LONG),
        sa.Column("looked_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("rule"),
        **TABLE,
    )
    chores = sa.table("chores", sa.column("name"), sa.column("next_at"), sa.column("done_until"))
    op.execute(sa.delete(chores).where(chores.c.name == "guardrails"))  # of a migration that was cut off, on MySQL
    op.execute(sa.insert(chores).values(name="guardrails", next_at=0, done_until=0))


def downgrade() -> None:
    """Not where the next one down would be refused: guards would be gone by then."""
    check_queue_used(op.get_bind())
    op.execute(sa.text("DELETE FROM chores WHERE name = 'guardrails'"))
    op.drop_table("guards")
