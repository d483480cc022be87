"""A real service on a free port with an empty data folder, and clients for it."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


@dataclass(frozen=True)
class Service:
    """Where the service answers, and how to be somebody there."""

    url: str
    data: Path

    def user(self, name: str, *options: str) -> httpx.Client:
        """A client signed in as a new user."""
        command = [sys.executable, "-m", "paperlane", "user", "add", name, "--json", "--data", str(self.data), *options]
        made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {made['token']}"}, timeout=60
        )


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """`paperlane serve`, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "paperlane", "serve", "--port", "0", "--data", str(data)]
        environment = {f"PAPERLANE_{name.upper()}": value for name, value in (settings or {}).items()}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if found := re.search(r"http://\S+", line):
                        break
                else:
                    raise RuntimeError("the service did not start")
                yield Service(found.group().rstrip("/"), data)
            finally:
                process.terminate()
                process.wait(60)


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
