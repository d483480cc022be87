"""A real receiver of webhooks, which takes, refuses, hangs, dawdles or hangs up, as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What arrived, and how the next posts are met: a status, `hang`, `dawdle` or `hang up`; then they are taken."""

    url: str = ""
    moods: list[int | str] = field(default_factory=list)
    arrived: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def told(self, kind: str) -> list[tuple[str, str]]:
        """Alert and subject of what was taken of a kind, in its order."""
        return [(one["data"]["alert"], one["data"]["subject"]) for one in self.taken if one["type"] == kind]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
            mood = receiver.moods.pop(0) if receiver.moods else 204
            if mood == "hang":
                receiver.over.wait(60)
            elif mood == "dawdle":  # a byte now and then: no read of it ever takes long
                for byte in b"HTTP/1.1 200 OK\r\n" + b"x-slow: 1\r\n" * 1_000:
                    if receiver.over.wait(0.02):
                        break
                    self.wfile.write(bytes([byte]))
            elif mood != "hang up":
                if mood == 204:
                    receiver.taken.append(json.loads(body))
                self.send_response(int(mood))
                self.end_headers()
            self.close_connection = True

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # who posted has gone

        def log_message(self, *said: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
