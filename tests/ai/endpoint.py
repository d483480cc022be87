"""The scripted model server as a process, and what it was asked."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from tests.conftest import ROOT
from tests.model_server.script import Rule, Script


@dataclass
class Endpoint:
    """A running server; `url` is what a model's terms call its base_url."""

    process: "subprocess.Popen[str]"
    url: str
    client: httpx.Client

    @classmethod
    def start(cls) -> "Endpoint":
        """Start it on a free port."""
        command = [sys.executable, "-m", "tests.model_server"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        return cls(process, url, httpx.Client(base_url=url.removesuffix("/v1"), verify=False, trust_env=False))

    def does(self, *rules: Rule, **script: Any) -> None:
        """From now on, as if nothing had been asked before."""
        self.client.post("/script", json=asdict(Script(rules=rules, **script))).raise_for_status()

    def calls(self) -> Sequence[dict[str, Any]]:
        """What was asked since, the first first."""
        return self.client.get("/calls").json()["calls"]

    def most(self) -> int:
        """The most that were under way at once."""
        return self.client.get("/calls").json()["most"]

    def flight(self) -> int:
        """How many are under way now."""
        return self.client.get("/flight").json()["flight"]

    def release(self) -> None:
        """Answer what is held."""
        self.client.post("/release").raise_for_status()

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.kill()
        self.process.communicate()
