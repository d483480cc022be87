"""Samples of the figures, incidents that alerts found, silences, and who looks at the figures."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LONG, TABLE, key

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "samples",
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", LONG, nullable=False),
        sa.PrimaryKeyConstraint("step", "at"),
        **TABLE,
    )
    op.create_table(
        "incidents",
        sa.Column("id", key(40), nullable=False),
        sa.Column("alert", key(60), nullable=False),
        sa.Column("subject", key(200), nullable=False),
        sa.Column("severity", key(10), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("params", LONG, nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=False, server_default="0"),
        sa.Column("acknowledged_by", sa.BigInteger()),
        sa.Column("acknowledged_at", sa.Double(), nullable=False, server_default="0"),
        sa.Column("opening", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("closing", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("incidents_once", "incidents", ["closed_at", "alert", "subject"], unique=True)
    op.create_table(
        "silences",
        sa.Column("id", key(40), nullable=False),
        sa.Column("alert", key(60), nullable=False),
        sa.Column("subject", key(200), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("silences_until", "silences", ["until"])
    op.create_table(
        "watch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("watcher", key(60), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": 50},
        **TABLE,
    )


def downgrade() -> None:
    for name in ("watch", "silences", "incidents", "samples"):
        op.drop_table(name)
