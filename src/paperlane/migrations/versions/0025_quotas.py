"""Users may have quotas of their own, and it is counted how many bytes of theirs are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_QUOTAS = ("storage_mb", "requests_a_minute", "model_tokens")


def upgrade() -> None:
    for name in _QUOTAS:
        op.add_column("users", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("stored", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("scheduled_files", sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(
        "UPDATE scheduled_files SET bytes = COALESCE("
        "(SELECT MAX(documents.bytes) FROM documents WHERE documents.blob = scheduled_files.blob), 0)"
    )
    _count(op.get_bind())


def _count(connection: sa.Connection) -> None:
    """Each file once, however often it was tested; one that only a schedule names has no size any more, and counts 0.

    In two steps: MariaDB looks from within a derived table at nothing outside it.
    """
    users = sa.table("users", *map(sa.column, ("id", "stored")))
    documents = sa.table("documents", *map(sa.column, ("user_id", "blob", "bytes")))
    files = sa.select(documents.c.user_id, sa.func.max(documents.c.bytes).label("bytes"))
    each = files.group_by(documents.c.user_id, documents.c.blob).subquery()
    sums = sa.select(each.c.user_id, sa.func.sum(each.c.bytes).label("stored")).group_by(each.c.user_id)
    kept = [{"user": row.user_id, "bytes": int(row.stored)} for row in connection.execute(sums)]
    if kept:
        of_user = users.c.id == sa.bindparam("user")
        connection.execute(sa.update(users).where(of_user).values(stored=sa.bindparam("bytes")), kept)


def downgrade() -> None:
    op.drop_column("scheduled_files", "bytes")
    for name in ("stored", *reversed(_QUOTAS)):
        op.drop_column("users", name)
