"""Runs migrations on the connection that is handed in, by way of its journal where there is one."""

from alembic import context

from paperlane.migrations.journal import Journal

given = context.config.attributes
journal: Journal | None = given.get("journal")
context.configure(
    connection=given["connection"],
    transactional_ddl=False,
    journal=journal,
    on_version_apply=journal and journal.turn_over,
)
context.run_migrations()
