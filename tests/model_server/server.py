"""The server itself: HTTP/1.1 by hand, for it must be able to break off where it wants."""

import asyncio
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from typing import Any

from tests.model_server.script import Minute, Rule, Script, content

_PASSAGE = re.compile(r"<<<BEGIN passage ([0-9a-f]{16})>>>\n(.*?)\n<<<END passage \1>>>", re.DOTALL)


@dataclass
class Server:
    """Answers by a script, which may change while it runs; keeps what was asked in `calls`."""

    script: Script
    calls: list[dict[str, Any]] = field(default_factory=list)
    flight: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        self.read(self.script)

    def read(self, script: Script) -> None:
        """Do as this script says from now on, as if nothing had been asked before."""
        self.script = script
        self.chance = random.Random(script.seed)
        self.minute = Minute(script)
        self.calls.clear()
        self.seen: dict[str, Counter[int]] = defaultdict(Counter)
        self.released = asyncio.Event()
        self.most = self.flight

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as many requests as come."""
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in head.splitlines()[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if path.endswith("/chat/completions") and method == "POST":
            return await self._complete(reader, writer, headers, json.loads(body))
        if path == "/script" and method == "POST":
            self.read(Script.of(json.loads(body)))
            return await self._answer(writer, 200, {})
        if path == "/release" and method == "POST":
            self.released.set()
            return await self._answer(writer, 200, {})
        if path == "/flight":
            return await self._answer(writer, 200, {"flight": self.flight})
        if path == "/calls":
            return await self._answer(writer, 200, {"calls": self.calls, "most": self.most})
        return await self._answer(writer, 404, _error("there is nothing here"))

    async def _complete(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: Mapping[str, str],
        asked: Mapping[str, Any],
    ) -> bool:
        said = "\n".join(message["content"] for message in asked["messages"])
        found = _PASSAGE.search(said)
        passage = found[2] if found else said
        tokens = len(said.encode()) // 4 + 50
        call = {
            "at": time.time(),
            "passage": sha256(passage.encode()).hexdigest()[:16],
            "text": passage[:80],
            "messages": len(asked["messages"]),
            "system": sha256(asked["messages"][0]["content"].encode()).hexdigest()[:16],
            "form": asked.get("response_format", {}).get("type", ""),
            "room": asked.get("max_tokens") or asked.get("max_completion_tokens"),
            "key": headers.get("authorization", "").removeprefix("Bearer ")[:4],
            "status": 200,
            "say": "",
        }
        self.calls.append(call)
        script = self.script
        refused = self._refused(script, headers, asked)
        if refused is not None:
            call["status"], call["say"] = refused[0], "refused"
            return await self._answer(writer, *refused)
        wait = self.minute.wait(time.time(), tokens)
        if wait:
            call["status"], call["say"] = 429, "rate"
            how = {"seconds": f"{wait:.3f}", "date": f"date:{wait}", "": ""}[script.retry_after]
            return await self._answer(writer, 429, _error("too many requests", "rate_limit_exceeded"), how)
        number, rule = script.rule(passage, self.seen[call["passage"]])
        self.seen[call["passage"]][number] += 1
        call["say"] = rule.say if rule else "nothing"
        self.flight += 1
        self.most = max(self.most, self.flight)
        try:
            await asyncio.sleep(script.latency(self.chance))
            if rule is not None and rule.say == "hang":
                await reader.read()  # until the other side gives up
                return False
            if rule is not None and rule.say == "hold":
                await self.released.wait()
            return await self._say(writer, call, rule, passage, tokens, asked["model"])
        finally:
            self.flight -= 1

    @staticmethod
    def _refused(
        script: Script, headers: Mapping[str, str], asked: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any]] | None:
        if script.down:
            return script.down, _error("the server is down")
        if script.key and headers.get("authorization") != f"Bearer {script.key}":
            return 401, _error("Incorrect API key provided", "invalid_api_key")
        if script.models and asked["model"] not in script.models:
            return 404, _error("The model does not exist", "model_not_found")
        form = asked.get("response_format", {}).get("type", "")
        if form in script.without:
            return 400, _error(f"'response_format' of type '{form}' is not supported with this model.")
        if "max_tokens" in asked and "max_tokens" in script.without:
            return 400, _error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "temperature" in asked and "temperature" in script.without:
            return 400, _error("Unsupported value: 'temperature' does not support 0 with this model.")
        return None

    async def _say(
        self,
        writer: asyncio.StreamWriter,
        call: dict[str, Any],
        rule: Rule | None,
        passage: str,
        tokens: int,
        model: str,
    ) -> bool:
        say = rule.say if rule else ""
        if say == "drop":
            return False
        if rule is not None and say in {"error", "push", "quota"}:
            call["status"] = rule.status if say == "error" else 429
            told = _error("it broke", "insufficient_quota" if say == "quota" else None)
            return await self._answer(writer, call["status"], told, rule.retry_after)
        text = content(rule, passage)
        message = {"role": "assistant", "content": text, "refusal": "I cannot do that." if say == "refusal" else None}
        reason = {"length": "length", "filter": "content_filter"}.get(say, "stop")
        out = len(text.encode()) // 4
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [] if say == "no_choices" else [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": tokens - 50, "completion_tokens": out, "total_tokens": tokens - 50 + out},
        }
        if self.script.uncounted:
            del completion["usage"]
        call |= {"tokens_in": tokens - 50, "tokens_out": out}
        if say == "garbage":
            return await self._answer(writer, 200, "<html>Bad gateway</html>")
        return await self._answer(writer, 200, completion, cut=say == "cut")

    @staticmethod
    async def _answer(
        writer: asyncio.StreamWriter, status: int, words: object, retry_after: str = "", *, cut: bool = False
    ) -> bool:
        body = json.dumps(words).encode()
        lines = [f"HTTP/1.1 {status} Whatever", "content-type: application/json", f"content-length: {len(body)}"]
        lines.append(f"date: {formatdate(usegmt=True)}")
        if retry_after.startswith("date:"):
            retry_after = formatdate(time.time() + float(retry_after[5:]) + 1, usegmt=True)
        if retry_after:
            lines.append(f"retry-after: {retry_after}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + (body[: len(body) // 2] if cut else body))
        await writer.drain()
        return not cut


def _error(message: str, code: str | None = None) -> Mapping[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


async def run(script: Script, port: int) -> None:
    """Serve until cancelled; prints the port once it listens."""
    server = Server(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, limit=2**24, backlog=2_000)
    port = listening.sockets[0].getsockname()[1]
    print(f"listening at http://127.0.0.1:{port}/v1", flush=True)  # noqa: T201  it is how it tells its port
    async with listening:
        await listening.serve_forever()
