"""Dead letters can be listed, counted by cause, and discarded; what failed before is one, whatever its age."""

import json

import sqlalchemy as sa
from alembic import op

from paperlane.migrations.portable import partial_index

revision = "0007"
down_revision = "0006"

_LONGEST_CODE = 60
_AT_ONCE = 500
_DEAD = "dead = 1"

_tasks = sa.table("tasks", *map(sa.column, ("id", "state", "fault", "cause", "dead")))


def upgrade() -> None:
    op.add_column("tasks", sa.Column("cause", sa.String(length=_LONGEST_CODE), server_default="", nullable=False))
    op.add_column("tasks", sa.Column("dead", sa.Integer(), server_default="0", nullable=False))
    _find_the_dead(op.get_bind())  # on MySQL once more, where a process died after it
    for name, columns in (
        ("tasks_dead", ("dead", "finished_at", "id", "cause")),
        ("tasks_dead_user", ("user_id", "dead", "finished_at", "id", "cause")),
    ):
        partial_index(name, "tasks", columns, _DEAD, on_mysql=columns)


def _find_the_dead(connection: sa.Connection) -> None:
    failed = sa.select(_tasks.c.id, _tasks.c.fault).where(_tasks.c.state == "failed").order_by(_tasks.c.id)
    mark = sa.update(_tasks).where(_tasks.c.id == sa.bindparam("task")).values(dead=1, cause=sa.bindparam("code"))
    last = ""
    while rows := connection.execute(failed.where(_tasks.c.id > last).limit(_AT_ONCE)).all():
        codes = {row.id: json.loads(row.fault)["code"] if row.fault else "" for row in rows}
        connection.execute(mark, [{"task": task, "code": code[:_LONGEST_CODE]} for task, code in codes.items()])
        last = rows[-1].id


def downgrade() -> None:
    op.drop_index("tasks_dead_user", table_name="tasks")
    op.drop_index("tasks_dead", table_name="tasks")
    op.drop_column("tasks", "dead")
    op.drop_column("tasks", "cause")
