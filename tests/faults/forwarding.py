"""A way to a server on which connections can fall silent: nothing comes through any more, and nobody is told."""

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

_SO_ATTACH_FILTER = 26  # Linux: a socket takes in only what a program of its kernel's lets pass
_NOTHING = (ctypes.c_ubyte * 8).from_buffer_copy(struct.pack("HBBI", 0x06, 0, 0, 0))  # "return 0": no segment passes


@dataclass
class _Pair:
    """One connection: the client's socket, and the server's."""

    client: socket.socket
    server: socket.socket
    silent: Event = field(default_factory=Event)
    closed: Event = field(default_factory=Event)

    def start(self) -> None:
        for source, sink in ((self.client, self.server), (self.server, self.client)):
            Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(1 << 16):
                if self.silent.is_set():
                    self.closed.wait()
                    return
                sink.sendall(some)
            if not self.silent.is_set():
                self.close()

    def fall_silent(self, *, acknowledging: bool) -> None:
        self.silent.set()
        if not acknowledging:
            program = struct.pack("HL", 1, ctypes.addressof(_NOTHING))
            self.client.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def close(self) -> None:
        self.closed.set()
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class Way:
    """Forwards connections from a port of its own to a server's."""

    to: int
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    pairs: list[_Pair] = field(default_factory=list)
    port: int = field(init=False)
    running: Thread | None = None

    def __post_init__(self) -> None:
        self.port = self.listening.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                self.pairs.append(_Pair(client, socket.create_connection(("127.0.0.1", self.to))))
                self.pairs[-1].start()

    def start(self) -> None:
        """Forward until it is cut."""
        self.running = Thread(target=self.run, daemon=True)
        self.running.start()

    def cut(self) -> None:
        """Connections end, and new ones are refused, as where a server's process has died."""
        if self.running is None:
            return
        self.listening.shutdown(socket.SHUT_RDWR)
        self.running.join()
        self.listening.close()
        for pair in self.pairs:
            pair.close()
        self.running = None

    def mend(self) -> None:
        """The server is there again, at the same port."""
        self.listening = socket.create_server(("127.0.0.1", self.port))
        self.pairs.clear()
        self.start()

    def fall_silent(self, *, acknowledging: bool = False) -> None:
        """Whatever is connected now hears nothing more; new connections are good.

        As behind a firewall that forgot them, or after a server moved. When `acknowledging`, as with a server that
        stands still on a machine that runs: what is sent to it still arrives there.
        """
        for pair in self.pairs:
            pair.fall_silent(acknowledging=acknowledging)


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """Such a way, until the end of the block."""
    way = Way(port)
    way.start()
    try:
        yield way
    finally:
        way.cut()
