"""Threads that a part owns, so that synchronous calls never hold an event loop up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

Given = TypeVar("Given")
Takes = ParamSpec("Takes")


class Threads:
    """A few named threads; `await threads(function, ...)` runs a call on one of them."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def __call__(self, function: Callable[Takes, Given], *args: Takes.args, **kwargs: Takes.kwargs) -> Given:
        """The call's result, or what it raised.

        A thread cannot be interrupted: who is cancelled meanwhile goes on only when the call has ended, so nothing that
        it still does is overtaken by what its caller does to clean up.
        """
        call = asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            while not call.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([call])
            if not call.cancelled():
                call.exception()  # known now, or the loop would complain that nobody asked
            raise

    def close(self) -> None:
        """Wait for calls under way, and end the threads."""
        self._pool.shutdown()
