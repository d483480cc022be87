"""Each sign-in has a row of its own, which signing out makes useless; files that no document names can be found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:

    op.add_column("tokens", sa.Column("session_of", sa.String(length=64), server_default="", nullable=False))
    op.create_index("documents_blob", "documents", ["blob"], unique=False)


def downgrade() -> None:

    op.drop_index("documents_blob", table_name="documents")
    op.drop_column("tokens", "session_of")
