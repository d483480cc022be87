"""Private database servers for tests and benchmarks: on free ports of this machine, in a folder that goes with them."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
import pymysql

_PATIENCE = 60.0  # seconds that a server may take to start or to end


class Missing(Exception):
    """The server is not installed; `package` is Debian's name for it."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed (on Debian and Ubuntu: apt install {package})")
        self.package = package


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def _found(name: str, package: str, *places: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *places])
    if (program := shutil.which(name, path=path)) is None:
        raise Missing(package)
    return program


@dataclass
class Server:
    """A server's process. Killed or stopped, it starts again with what is on its disk."""

    command: Sequence[str]
    folder: Path
    user: str  # that it runs as when we are root, for servers refuse to be root
    port: int
    ready: Callable[[], object]
    end: signal.Signals
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,
                **_as(self.user),
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.ready()
            except Exception:  # noqa: BLE001  each server has its own
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "server.log").read_text(errors="replace")) from None
                time.sleep(0.05)
            else:
                return self

    def stop(self) -> None:
        """End it in order."""
        self._end(self.end)

    def kill(self) -> None:
        """Kill it and its children with -9, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        (os.killpg if number == signal.SIGKILL else os.kill)(self.process.pid, number)
        self.process.wait(_PATIENCE)
        self.process = None

    def close(self) -> None:
        """End it, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _as(user: str) -> dict[str, str]:
    return {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}  # type: ignore[dict-item]


def _folder(user: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="paperlane-"))
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def postgresql(*, fsync: bool = False, **settings: object) -> Server:
    """A PostgreSQL server. Without fsync a killed server loses nothing, only a machine that loses power does."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    places = [str(path) for path in reversed(versions)]
    server, initdb = (_found(name, "postgresql", *places) for name in ("postgres", "initdb"))
    user = "postgres"
    folder, port = _folder(user), free_port()
    data = folder / "data"
    init = [initdb, "-D", str(data), "-U", "paperlane", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
    subprocess.run(init, check=True, capture_output=True, cwd=folder, **_as(user))
    given = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "on" if fsync else "off",
        "max_connections": 200,
        "shared_buffers": "256MB",
        **settings,
    }
    options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://paperlane@127.0.0.1:{port}/postgres"
    made = Server(
        [server, "-D", str(data), *options],
        folder,
        user,
        port,
        lambda: psycopg.connect(url).close(),
        signal.SIGINT,
        url,
    )
    return made.start()


def mariadb(*, fsync: bool = False, **settings: object) -> Server:
    """A MariaDB server; `fsync` as for PostgreSQL."""
    server = _found("mariadbd", "mariadb-server")
    install = _found("mariadb-install-db", "mariadb-server")
    user = "mysql"
    folder, port = _folder(user), free_port()
    data = folder / "data"
    init = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(init, check=True, capture_output=True, cwd=folder, **_as(user))
    given = {
        "datadir": data,
        "tmpdir": folder,  # a server that starts deletes what others have in a common one
        "bind-address": "127.0.0.1",
        "port": port,
        "socket": folder / "server.sock",
        "pid-file": folder / "server.pid",
        "innodb-flush-log-at-trx-commit": 1 if fsync else 0,
        "innodb-buffer-pool-size": "256M",
        "max-connections": 200,
        **settings,
    }
    options = [f"--{name}={value}" for name, value in given.items()]
    made = Server(
        [server, "--no-defaults", *options],
        folder,
        user,
        port,
        lambda: pymysql.connect(host="127.0.0.1", port=port, user="root").close(),
        signal.SIGTERM,
        f"mysql://root@127.0.0.1:{port}/",
    )
    return made.start()
