"""Which engine carries whom nothing else takes in is the same for all; guards know since when they look anew."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import check_queue_used, key

revision = "0030"
down_revision = "0029"

_COUNTS = ("usual_named", "usual_settled")


def upgrade() -> None:
    """Nobody has named one yet: each process goes by its settings until `paperlane serve` starts."""
    op.add_column("system", sa.Column("usual", key(40), server_default="", nullable=False))
    op.add_column("system", sa.Column("usual_at", sa.Double(), server_default="0", nullable=False))
    for name in _COUNTS:
        op.add_column("system", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("guards", sa.Column("since", sa.Double(), server_default="0", nullable=False))


def downgrade() -> None:
    """Each process goes by its settings again, and nobody is moved by that until rules change.

    Not where one of the next ones down would be refused: what was named would be gone by then.
    """
    check_queue_used(op.get_bind())
    op.drop_column("guards", "since")
    for name in ("usual", "usual_at", *_COUNTS):
        op.drop_column("system", name)
