"""Puts what no dispatcher sends into Celery's queues: `python -m tests.engines.forge BROKER FILE`.

Whatever would be run touches FILE.
"""

import json
import os
import pickle
import sys

from kombu.connection import Connection
from kombu.messaging import Producer

QUEUE = "file_processing"
JSON, PICKLE = "application/json", "application/x-python-serialize"


class Touches:
    """Unpickled, it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mknod, (self.path,)


def main() -> None:
    """One of each kind."""
    broker, path = sys.argv[1:]
    lease = {"task": "x", "fence": 1, "stage": "cpu", "user": 1}
    pickled = pickle.dumps(((Touches(path),), lease, {}))
    ours = {"task": "paperlane.run", "argsrepr": "", "kwargsrepr": "", "lang": "py"}
    with Connection(broker) as connection:
        producer = Producer(connection.channel(), routing_key=QUEUE)

        def send(number: int, body: bytes, kind: str = JSON, encoding: str = "utf-8", **head: object) -> None:
            named = {**head, "id": f"forged-{number}"}
            producer.publish(body, content_type=kind, content_encoding=encoding, headers=named)

        def call(number: int, args: list[object], words: dict[str, object], task: str = "paperlane.run") -> None:
            send(number, json.dumps([args, words, {}]).encode(), **{**ours, "task": task})

        send(1, pickled, PICKLE, "binary", **ours)
        send(2, pickle.dumps({"task": "paperlane.run", "id": "forged-2", "args": [Touches(path)]}), PICKLE, "binary")
        send(3, pickled, **ours)
        send(4, b"no JSON", **ours)
        send(5, b"")
        call(6, [], {"cmd": f"touch {path}"}, "os.system")
        call(7, [{"task": "os.mknod", "args": [], "kwargs": {}}, [[path]]], {}, "celery.map")
        call(8, [path], {})
        call(9, [], {**lease, "fence": "1"})
        call(10, [], {**lease, "stage": "gpu"})
        call(11, [], {})
        if broker.startswith("redis"):
            connection.default_channel.client.rpush(QUEUE, "no message")  # read first


if __name__ == "__main__":
    main()
