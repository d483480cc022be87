"""A model's endpoint that is slow and says little: a tool of the benchmark, which nothing else of Paperlane asks.

It is a process of its own, so that what it costs is not counted as the service's. It answers in the form that
OpenAI's chat completions have, after a time by chance: log-normal, as the answers of real ones come.
"""

import argparse
import asyncio
import json
import math
import os
import random
import re
import sys
from threading import Thread
from typing import Any

_PASSAGE = re.compile(r"<<<BEGIN passage ([0-9a-f]{16})>>>\n(.*?)\n<<<END passage \1>>>", re.DOTALL)
_LARGEST = 1 << 24  # bytes of a request
_BACKLOG = 4_096
_FINDS = 3  # it finds something in one of so many passages
_QUOTED = 24  # characters


class SlowModel:
    """Answers each question after a while; once told to hurry, all of them at once."""

    def __init__(self, median: float, sigma: float = 0.5, seed: int = 1) -> None:
        self._median, self._sigma = median, sigma
        self._chance = random.Random(seed)  # noqa: S311  spreads load, keeps no secret
        self._hurry = asyncio.Event()
        self.asked = 0

    def latency(self) -> float:
        """Seconds that the next answer takes."""
        return self._median * math.exp(self._chance.gauss(0.0, self._sigma)) if self._median else 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with as many requests as come."""
        try:
            while True:
                await self._one(reader, writer)
        except (ConnectionError, EOFError, asyncio.LimitOverrunError, ValueError):
            pass  # whoever asks has gone, or speaks another language
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        length = re.search(r"(?i)^content-length: *(\d+)", head, re.MULTILINE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        status, answer = 404, _error("there is nothing here")
        if method == "POST" and path.endswith("/chat/completions"):
            status, answer = 200, await self._completion(json.loads(body))
        elif method == "POST" and path == "/hurry":
            self._hurry.set()
            status, answer = 200, {"asked": self.asked}
        said = json.dumps(answer, ensure_ascii=False).encode()
        head = f"HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
        writer.write(head.encode() + said)
        await writer.drain()

    async def _completion(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        number, seconds = self.asked, self.latency()
        try:
            async with asyncio.timeout(0.0 if self._hurry.is_set() else seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
        text = "\n".join(str(message["content"]) for message in asked["messages"])
        found = _PASSAGE.search(text)
        said = json.dumps({"issues": _issues(found[2]) if found and number % _FINDS == 0 else []}, ensure_ascii=False)
        tokens_in, tokens_out = len(text.encode()) // 4, len(said.encode()) // 4 + 1
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": said, "refusal": None},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }


def _issues(passage: str) -> list[dict[str, object]]:
    quote = passage.strip().split("\n", 1)[0][:_QUOTED].strip()
    return [
        {
            "quote": quote,
            "rule": "ambiguous",
            "severity": "info",
            "confidence": 0.6,
            "message": "Two readings are possible.",
            "suggestion": "Say which one is meant.",
        }
    ]


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


async def run(model: SlowModel) -> None:
    """Serve on a free port of this machine, which is printed, until standard input ends: with whoever started it."""
    listening = await asyncio.start_server(model.serve, "127.0.0.1", 0, limit=_LARGEST, backlog=_BACKLOG)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        loop.call_soon_threadsafe(ended.set)

    Thread(target=watch, name="parent-watch", daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()
    listening.close()


def main() -> None:
    """`python -m paperlane.bench.slow_model MEDIAN SIGMA SEED`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("median", type=float)
    parser.add_argument("sigma", type=float)
    parser.add_argument("seed", type=int)
    given = parser.parse_args()

    async def serve() -> None:
        await run(SlowModel(given.median, given.sigma, given.seed))

    asyncio.run(serve())


if __name__ == "__main__":
    main()
