"""What the webhook is still to be told of is found without reading a year of incidents."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    for ending in ("opening", "closing"):
        op.create_index(f"incidents_{ending}", "incidents", [ending, "id"])


def downgrade() -> None:
    for ending in ("closing", "opening"):
        op.drop_index(f"incidents_{ending}", "incidents")
