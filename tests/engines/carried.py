"""Other makers' programs at work on a real ledger and a real broker."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.conftest import ROOT, needs, started
from tests.databases import Databases
from tests.engines.house import House, new_ledger
from tools import servers
from tools.servers import Server

from paperlane.engines.door import words_of
from paperlane.model.tasks import Lease

ENGINES = {
    "arq": ("arq", partial(servers.redis, tls=True)),
    "celery on Redis": ("celery", partial(servers.redis, tls=True)),
    "celery on RabbitMQ": ("celery", partial(servers.rabbitmq, tls=True)),
    "rq": ("rq", partial(servers.redis, tls=True)),
}
"""By the name of a case: the engine, and what starts its broker."""
IMPORTS = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


def interpreter(engine: str) -> str:
    """The Python of the engine's own environment, which `make test` makes."""
    path = ROOT / f"build/engine-{engine}/bin/python"
    needs(f"the environment of {engine}: make build/engine-{engine}/made", there=path.exists())
    return str(path)


@dataclass(kw_only=True)
class Carried(House):
    """An engine's ledger, broker and programs; each has its worker beside."""

    python: str
    broker: Server

    def start(self, slots: int = 4, *options: str, broker: str = "") -> subprocess.Popen[bytes]:
        """A program with its worker beside."""
        where = ("--url", self.url, "--broker", broker or self.broker.url, "--slots", str(slots))
        command = [self.python, "-m", "tests.engines.foreign", self.engine, *where, *options]
        environment = {**os.environ, **IMPORTS, "PYTHONWARNINGS": "default"}
        with self.log() as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.programs.append(process)
        return process

    def keep(self) -> None:
        """They keep their workers themselves."""

    def deliver(self, leases: Sequence[Lease], times: int = 1) -> None:
        """Hand these over, as a dispatcher does, so many times."""
        command = [self.python, "-m", "tests.engines.deliver", self.engine, "--broker", self.broker.url]
        words = json.dumps([words_of(lease) for lease in leases]).encode()
        environment = {**os.environ, **IMPORTS}
        subprocess.run([*command, "--times", str(times)], input=words, check=True, env=environment, cwd=self.folder)

    def forget_all(self) -> None:
        """What the broker, which does not run, has kept is lost."""
        for left in self.broker.folder.iterdir():
            if left.name not in {"server.log", "tls"}:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def carried(case: str, databases: Databases, folder: Path) -> Iterator[Carried]:
    """A new broker, and a new ledger on PostgreSQL; no program is started yet."""
    engine, start_broker = ENGINES[case]
    python = interpreter(engine)
    with started(start_broker) as broker:
        made = Carried(engine, *new_ledger("postgresql", databases, folder), folder, python=python, broker=broker)
        try:
            yield made
        finally:
            made.close()
