"""`paperlane serve`: the whole service on one machine."""

import asyncio
from typing import Annotated

import typer

from paperlane.cli.installation import Data, Database, made, usual


def serve(
    host: Annotated[str | None, typer.Option(show_default=usual("host"), help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(show_default=usual("port"), help="Port to listen on; 0 picks a free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(show_default=usual("workers"), help="Worker processes to start.")
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Run the service: API, page and worker processes. Ctrl-C and SIGTERM let running steps end first."""
    from paperlane import assembly, logs, serving
    from paperlane.telemetry import traced
    from paperlane.threads import share_heaps

    share_heaps()
    settings = made(host=host, port=port, workers=workers, data=data, database=database)
    logs.configure(settings)

    def announce(url: str, sign_in: str) -> None:
        typer.echo(f"Paperlane is ready at {url}")
        if sign_in:
            typer.echo(f"Sign in as an admin, once, within the hour: {url}{sign_in}")

    def waits(url: str) -> None:
        typer.echo(f"Paperlane listens at {url} and waits for its database{' or its bucket' * bool(settings.blobs)}")

    async def run() -> None:
        await serving.serve(settings, assembly.stop_on_signals(), announce, waits)

    with traced():
        asyncio.run(run())
