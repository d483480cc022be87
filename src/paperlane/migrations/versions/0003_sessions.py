"""Sessions of the page: each sign-in has a row of its own, which signing out makes useless."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:

    op.add_column("tokens", sa.Column("session_of", sa.String(length=64), server_default="", nullable=False))


def downgrade() -> None:

    op.drop_column("tokens", "session_of")
