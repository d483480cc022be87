"""The broker of a benchmark: a Redis of its own, or one that is named and empty."""

import asyncio
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from paperlane.bench.bound import bound
from paperlane.carriers import CARRIED, reach
from paperlane.errors import BadRequest, Misconfigured
from paperlane.settings import Settings

_LOOK = 0.05  # seconds
_START = 10.0  # seconds
_LINES = 3  # of its log, that tell why it ended
_PROGRAM = "redis-server"


@asynccontextmanager
async def broker(engine: str, usual: Settings, named: str, folder: Path) -> AsyncGenerator[Settings]:
    """Settings with a broker for this engine, for as long as the block lasts; as they are where it needs none.

    Without a name a Redis of its own is started, where the program is. A named one must be empty, and is emptied. The
    installation's RabbitMQ is never used: other people's tasks may be there.
    """
    if engine not in CARRIED:
        yield usual
        return
    if named:
        chosen = _through(named, usual)
        await reach(chosen, engine)
        if _keys(named):
            raise BadRequest(
                "The Redis database is not empty.",
                hint="A benchmark fills it and empties it: name one that nobody else uses, as redis://HOST/9.",
            )
        try:
            yield chosen
        finally:
            _empty(named)
        return
    async with _own(folder) as url:
        chosen = _through(url, usual)
        await reach(chosen, engine)
        yield chosen


def _through(url: str, usual: Settings) -> Settings:
    return usual.model_copy(update={"redis_url": url, "amqp_url": ""})


def _keys(url: str) -> int:
    from redis import Redis  # noqa: PLC0415  the library is an extra, which `reach` has found

    with Redis.from_url(url) as redis:
        return int(redis.dbsize())  # type: ignore[arg-type]  nobody awaits it here


def _empty(url: str) -> None:
    from redis import Redis  # noqa: PLC0415  as above

    with Redis.from_url(url) as redis:
        redis.flushdb()


@asynccontextmanager
async def _own(folder: Path) -> AsyncGenerator[str]:
    if (program := shutil.which(_PROGRAM)) is None:
        raise Misconfigured(
            "There is no broker for the benchmark.", hint=f"Install {_PROGRAM}, or name an empty Redis with --redis."
        )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    log = folder / "redis.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *bound(program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "yes"),
            cwd=folder,
            stdout=said,
            stderr=said,
        )
    try:
        began = asyncio.get_running_loop().time()
        while process.returncode is not None or not await _answers(port):
            if process.returncode is not None or asyncio.get_running_loop().time() > began + _START:
                raise Misconfigured(
                    f"The benchmark's {_PROGRAM} did not start: {_last_words(log) or 'it said nothing'}",
                    hint="Mend what it says, or name an empty Redis with --redis.",
                )
            await asyncio.sleep(_LOOK)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        with suppress(ProcessLookupError):  # it ended early, and what came of that is to be told
            process.terminate()
        await process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LINES:]
    return " / ".join(line.strip() for line in lines)


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
