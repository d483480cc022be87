"""The records: accounts, documents, issues, the audit trail."""

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LONG, TABLE

revision = "0002"
down_revision = "0001"


def upgrade() -> None:

    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=60), nullable=False),
        sa.Column("details", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "documents",
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=120), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("task_id"),
        **TABLE,
    )
    op.create_index("documents_user", "documents", ["user_id", "task_id"], unique=False)
    op.create_table(
        "issues",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("task_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("reviewed_by", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("content", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("issues_task", "issues", ["task_id", "position"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), server_default="0", nullable=False),
        sa.Column("once_until", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        **TABLE,
    )
    op.create_index("tokens_user", "tokens", ["user_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("group_name", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        **TABLE,
    )


def downgrade() -> None:

    op.drop_table("users")
    op.drop_index("tokens_user", table_name="tokens")
    op.drop_table("tokens")
    op.drop_index("issues_task", table_name="issues")
    op.drop_table("issues")
    op.drop_index("documents_user", table_name="documents")
    op.drop_table("documents")
    op.drop_index("audit_at", table_name="audit")
    op.drop_table("audit")
