"""Workers tell with how many slots they began: what they have beyond that, they give back where others lack some."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.add_column("workers", sa.Column("starts", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("workers", "starts")
