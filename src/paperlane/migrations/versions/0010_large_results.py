"""Large results of steps lie in files; their rows name them."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import drop_partial_index, key, partial_index

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("file", key(200), server_default="", nullable=False))
    op.add_column("checkpoints", sa.Column("sha256", key(64), server_default="", nullable=False))
    op.add_column("checkpoints", sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False))
    partial_index("checkpoints_file", "checkpoints", ["file"], "file <> ''", on_mysql=["file"])


def downgrade() -> None:
    drop_partial_index("checkpoints_file", "checkpoints")
    op.execute("DELETE FROM checkpoints WHERE file <> ''")  # older programs find nothing there, and run the step again
    for column in ("bytes", "sha256", "file"):
        op.drop_column("checkpoints", column)
