"""A document is compared with its version before."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import LONG, key

revision = "0018"
down_revision = "0017"

_PAGE = 10_000


def upgrade() -> None:
    op.add_column("documents", sa.Column("document", key(64), server_default="", nullable=False))
    op.add_column("documents", sa.Column("compared_with", key(40), server_default="", nullable=False))
    for name in ("new_issues", "unchanged_issues"):
        op.add_column("documents", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("documents", sa.Column("fixed_issues", LONG, nullable=True))
    op.add_column("issues", sa.Column("change", key(10), server_default="", nullable=False))
    _name_versions(op.get_bind())
    op.create_index("documents_versions", "documents", ["user_id", "document", "task_id"])


def _name_versions(connection: sa.Connection) -> None:
    """What was tested before is the version before, too."""
    documents = sa.table("documents", *map(sa.column, ("task_id", "name", "document")))
    tasks = sa.table("tasks", *map(sa.column, ("id", "state")))
    after = ""
    while True:
        asked = (
            sa.select(documents.c.task_id, documents.c.name)
            .join(tasks, tasks.c.id == documents.c.task_id)
            .where(tasks.c.state == "completed", documents.c.task_id > after)
            .order_by(documents.c.task_id)
            .limit(_PAGE)
        )
        page = connection.execute(asked).all()
        if not page:
            return
        after = page[-1].task_id
        named = [{"task": row.task_id, "digest": sha256(row.name.encode()).hexdigest()} for row in page]
        of_it = documents.c.task_id == sa.bindparam("task")
        connection.execute(sa.update(documents).where(of_it).values(document=sa.bindparam("digest")), named)


def downgrade() -> None:
    op.drop_index("documents_versions", table_name="documents")
    op.drop_column("issues", "change")
    for name in ("fixed_issues", "unchanged_issues", "new_issues", "compared_with", "document"):
        op.drop_column("documents", name)
