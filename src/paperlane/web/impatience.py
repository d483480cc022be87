"""Connections on which no whole request comes are closed, so that whoever dribbles holds nothing up."""

import asyncio

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol


class Impatient(H11Protocol):
    """Closes a connection when a request's head, or what is left of an answered one's body, takes too long.

    The server's own timer ends connections between requests, but stops at the first byte.
    """

    patience = 30.0  # seconds
    _waiting: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as its base
        super().connection_made(transport)
        self._wait()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait(self) -> None:
        """A request under way, or a WebSocket that took over, is somebody else's to wait for."""
        if self.transport.get_protocol() is not self or self._under_way():
            self._stop_waiting()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(self.patience, self._too_late)

    def _under_way(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]  None before the first

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_late(self) -> None:
        self._waiting = None
        if not self._under_way():
            self.transport.close()
