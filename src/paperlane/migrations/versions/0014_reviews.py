"""What people said of an issue holds for the next test of the document, too."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import TABLE, key

revision = "0014"
down_revision = "0013"

_SAID = ("status", "reason", "comment", "reviewed_by", "reviewed_at")


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", key(64), nullable=False),
        sa.Column("fingerprint", key(16), nullable=False),
        sa.Column("status", key(10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("reviewed_by", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "document", "fingerprint"),
        **TABLE,
    )
    _keep_what_was_said(op.get_bind())


def _keep_what_was_said(connection: sa.Connection) -> None:
    """Of each issue the last word; on MySQL once more, where a process died after it."""
    issues = sa.table("issues", *map(sa.column, ("task_id", "fingerprint", *_SAID)))
    documents = sa.table("documents", *map(sa.column, ("task_id", "user_id", "name")))
    reviews = sa.table("reviews", *map(sa.column, ("user_id", "document", "fingerprint", *_SAID)))
    asked = (
        sa.select(documents.c.user_id, documents.c.name, issues.c.fingerprint, *(issues.c[name] for name in _SAID))
        .join(documents, documents.c.task_id == issues.c.task_id)
        .where(issues.c.reviewed_at > 0)
        .order_by(issues.c.reviewed_at)
    )
    last = {}
    for row in connection.execute(asked):
        document = sha256(row.name.encode()).hexdigest()
        said = {name: getattr(row, name) for name in ("user_id", "fingerprint", *_SAID)}
        last[row.user_id, document, row.fingerprint] = {"document": document, **said}
    connection.execute(sa.delete(reviews))
    if last:
        connection.execute(sa.insert(reviews), list(last.values()))


def downgrade() -> None:
    op.drop_table("reviews")
