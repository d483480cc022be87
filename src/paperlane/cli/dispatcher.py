"""`paperlane dispatcher`: hands over an engine's tasks, and runs none."""

import asyncio
from typing import Annotated

import typer

from paperlane.cli.installation import Data, Database, existing


def dispatcher(
    engine: Annotated[str, typer.Option(help="The engine whose tasks to hand over: arq, celery or rq.")],
    data: Data = None,
    database: Database = None,
) -> None:
    """Hand an engine's tasks over until Ctrl-C or SIGTERM. Each of its workers does so too; several are harmless."""
    from paperlane import assembly, logs
    from paperlane.telemetry import traced

    settings = existing(data=data, database=database)
    logs.configure(settings)

    async def run() -> None:
        await assembly.run_dispatcher(settings, engine, assembly.stop_on_signals())

    with traced():
        asyncio.run(run())
