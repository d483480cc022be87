"""A real service on a free port with an empty data folder, and clients for it."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_WORDS = (
    "The gateway shall answer each request within 200 ms. The operator may change the limit while it runs. "
    "The system should be fast and user-friendly, etc. TBD: the retention of audit records. "
)


def document(number: int, sentences: int = 20) -> bytes:
    """A small requirement document, different for each number."""
    lines = [f"# Specification {number}", "", "## 1 Purpose", "", _WORDS * 2, "", "## 2 Behaviour", ""]
    lines += [f"- R-{number}-{n} {_WORDS}" for n in range(sentences)]
    return "\n".join(lines).encode()


@dataclass
class Service:
    """Where the service answers, how to be somebody there, and how it comes and goes."""

    data: Path
    environment: Mapping[str, str]
    url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        command = [sys.executable, "-m", "paperlane", "serve", "--port", "0", "--data", str(self.data)]
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"ready at (\S+)", line):
                self.url = found[1]
                return
        raise RuntimeError("the service did not start")

    def stop(self) -> None:
        """Let it end in order, if it runs."""
        if self.process is not None:
            self.process.terminate()
            self._ended(self.process)

    def kill(self) -> None:
        """Kill it and all that it started with -9, as a power cut would: nobody is told, and nobody drains."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # or it would see its workers die, and say so
        for pid in (*_below(self.process.pid), self.process.pid):
            with suppress(ProcessLookupError):  # the workers' children end with them
                os.kill(pid, signal.SIGKILL)
        self._ended(self.process)

    def _ended(self, process: subprocess.Popen[str]) -> None:
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
        self.process = None

    def user(self, name: str, *options: str) -> httpx.Client:
        """A client signed in as a new user."""
        command = [sys.executable, "-m", "paperlane", "user", "add", name, "--json", "--data", str(self.data), *options]
        environment = {**os.environ, **self.environment}
        made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {made['token']}"}, timeout=60
        )


def _below(process: int) -> Iterator[int]:
    """All processes that it started, and theirs; workers have sessions of their own, so no group holds them all."""
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, thread.read_text().split()):
            yield child
            yield from _below(child)


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """`paperlane serve`, until the block ends."""
    environment = {f"PAPERLANE_{name.upper()}": value for name, value in (settings or {}).items()}
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "data", environment)
        try:
            service.start()
            yield service
        finally:
            service.stop()


def upload(client: httpx.Client, documents: list[bytes], **fields: str) -> dict[str, object]:
    """Submit a batch; its answer."""
    files = [("files", (f"document-{n}.md", content, "text/markdown")) for n, content in enumerate(documents)]
    answer = client.post("/batches", files=files, data=fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def tasks(client: httpx.Client) -> list[dict[str, object]]:
    """All tasks that the client may see."""
    found: list[dict[str, object]] = []
    cursor = ""
    while True:
        page = client.get("/tasks", params={"limit": 200, "cursor": cursor} if cursor else {"limit": 200}).json()
        found += page["items"]
        if (cursor := page["next"]) is None:
            return found


def until_done(client: httpx.Client, count: int) -> list[dict[str, object]]:
    """All tasks, once `count` of them have ended."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        found = tasks(client)
        if sum(task["status"] in {"completed", "failed", "cancelled"} for task in found) >= count:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"not all of {count} tasks ended")
