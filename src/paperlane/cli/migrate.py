"""`paperlane migrate`: brings the database to this version."""

import typer

from paperlane.cli.installation import Data, Database, made


def migrate(data: Data = None, database: Database = None) -> None:
    """Bring the database to this version of Paperlane. Nothing happens when it is there already."""
    from paperlane import migrations
    from paperlane.ledger.sql import connect

    settings = made(data=data, database=database)
    dialect = connect(settings.database)
    before = migrations.migrate(dialect.unlimited)
    after = migrations.newest()
    dialect.close()
    said = "is at this version already" if before == after else f"went from {before or 'empty'} to {after}"
    typer.echo(f"The database {said}.")
