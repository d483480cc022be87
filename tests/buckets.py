"""Buckets of a real S3 server for one test each, and a way to it that can be cut."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from threading import Thread

from tools.servers import Server

SECRET = "a-secret-that-nobody-is-shown"


@dataclass
class Buckets:
    """The server of this run, and what the environment of who uses it holds."""

    server: Server
    names: list[str] = field(default_factory=list)

    def new(self) -> str:
        """The address of a new bucket; each has another name, for who opened one keeps it open."""
        self.names.append(f"test-{token_hex(8)}")
        assert self.ask("PUT", f"/{self.names[-1]}") == 200
        return f"s3://{self.names[-1]}"

    def environment(self, port: int = 0) -> Mapping[str, str]:
        """How to come to it, by a port that leads there."""
        return {
            "AWS_ACCESS_KEY_ID": "paperlane",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.server.port}",
        }

    def ask(self, verb: str, path: str, body: str = "") -> int:
        """Ask the server itself, as its owner; the status of the answer."""
        with closing(HTTPConnection("127.0.0.1", self.server.port)) as connection:
            connection.request(verb, path, body, {"Content-Type": "text/plain"})
            return connection.getresponse().status

    @contextmanager
    def denying(self) -> Iterator[None]:
        """It knows nobody's key, until the end of the block."""
        self.ask("POST", "/moto-api/reset-auth", "0")
        try:
            yield
        finally:
            self.ask("POST", "/moto-api/reset-auth", "inf")


@dataclass(frozen=True)
class Answer:
    """What a server says to everything."""

    status: int
    body: str = ""


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """The port of a server that says always the same: what stands before a store, or one in trouble."""

    class Same(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def same(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):  # followed by the verb
                return self.same
            raise AttributeError(name)

        def log_message(self, *_given: object) -> None:
            """It is silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        server.daemon_threads = True
        running = Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            running.join()


def said(code: str) -> str:
    """An error as S3 words it."""
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>'
