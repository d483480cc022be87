"""Asks a broker for a sign of life where no library of an engine is at hand."""

import socket
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import SplitResult, unquote, urlsplit

from paperlane.engines.brokers import unusable

_PATIENCE = 3.0  # seconds
_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}
_HELLO = b"AMQP\0\0\x09\x01"  # AMQP 0-9-1, 4.2.2; the answer is a frame of a method
_METHOD = b"\x01"
_LONGEST_LINE = 1_024  # bytes


def greet(url: str, setting: str) -> str:
    """What the broker at a `checked` address does. Misconfigured where it does nothing, or not what a broker does.

    Redis lets us in, or not. Of RabbitMQ, and with TLS, it is only seen that somebody is there.
    """
    parts = urlsplit(url)
    try:
        with _connected(parts) as broker, broker.makefile("rb") as answers:
            match parts.scheme:
                case "redis" | "unix":
                    return _log_in(parts, broker, answers)
                case "amqp":
                    broker.sendall(_HELLO)
                    if answers.read(1) != _METHOD:
                        raise ConnectionError("what answers is no RabbitMQ")
                    return "answers"
                case _:
                    return "listens"
    except OSError as error:
        raise unusable(url, error.strerror or str(error), setting) from error


def _connected(parts: SplitResult) -> socket.socket:
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname or "", parts.port or _PORTS[parts.scheme]), _PATIENCE)
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(_PATIENCE)
    try:
        made.connect(unquote(parts.path))
    except OSError:
        made.close()
        raise
    return made


def _log_in(parts: SplitResult, redis: socket.socket, answers: BinaryIO) -> str:
    for command in _commands(parts):
        redis.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command))
        kind, words = (answer := answers.readline(_LONGEST_LINE))[:1], answer[1:].split()
        if kind == b"-" and words:  # its first word is enough: those behind it may be what we sent
            raise ConnectionError(f"it answers {words[0].decode(errors='replace')}")
        if kind != b"+":
            raise ConnectionError("what answers is no Redis")
    return "lets us in"


def _commands(parts: SplitResult) -> Iterator[list[bytes]]:
    if parts.password:
        yield [b"AUTH", *(unquote(word).encode() for word in (parts.username, parts.password) if word)]
    yield [b"PING"]
