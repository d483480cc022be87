"""What of the machinery is in use is a matter of flags, and a lane keeps its own limit while that bounds nobody."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, check_queue_used, key

revision = "0028"
down_revision = "0027"

_FLAGS = ("use_database_queue", "use_worker_pool", "use_user_semaphore")


def upgrade() -> None:
    op.create_table(
        "flags",
        sa.Column("name", key(40), nullable=False),
        sa.Column("is_on", sa.Integer(), nullable=False),
        sa.Column("set_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("set_by", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("settled", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **TABLE,
    )
    flags = sa.table("flags", sa.column("name"), sa.column("is_on"))
    op.execute(sa.delete(flags))  # of a migration that was cut off, on MySQL
    op.execute(sa.insert(flags).values([{"name": name, "is_on": 1} for name in _FLAGS]))
    op.add_column("lanes", sa.Column("own_limit", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Whoever is bounded by no limit of their own just now is so again: the older version knows no other state.

    Who is on `inline` only because the queue is not used would stay there for good, and which engine is the usual one
    only settings know: so that flag is switched on before.
    """
    check_queue_used(op.get_bind())
    op.execute(sa.text("UPDATE lanes SET max_running = own_limit WHERE own_limit > 0"))
    op.drop_column("lanes", "own_limit")
    op.drop_table("flags")
