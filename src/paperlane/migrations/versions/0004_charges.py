"""What turns are charged: lanes learn how far estimates are off, tasks remember what was charged."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("charged", sa.Double(), server_default="0", nullable=False))
    op.add_column("lanes", sa.Column("served", sa.Double(), server_default="0", nullable=False))
    op.add_column("lanes", sa.Column("ratio", sa.Double(), server_default="1", nullable=False))
    # turns that are under way were charged by the weight of the time, which is most often the present one
    op.execute(
        "UPDATE tasks SET charged = cost / (SELECT weight FROM lanes WHERE lanes.user_id = tasks.user_id) "
        "WHERE state IN ('leased', 'running')"
    )
    op.execute(
        "UPDATE lanes SET served = vtime - (SELECT coalesce(sum(charged), 0) FROM tasks "
        "WHERE tasks.user_id = lanes.user_id AND state IN ('leased', 'running'))"
    )


def downgrade() -> None:
    op.drop_column("lanes", "ratio")
    op.drop_column("lanes", "served")
    op.drop_column("tasks", "charged")
