"""Private servers for tests and benchmarks: on free ports of this machine, in a folder that goes with them."""

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
from typing import Any, Self

import psycopg
import pymysql

ROOT = Path(__file__).parents[1]

_PATIENCE = 60.0  # seconds that a server may take to start or to end


class Missing(Exception):
    """The server is not installed; `package` is Debian's name for it, or what `make` installs."""

    def __init__(self, package: str, how: str = "on Debian and Ubuntu: apt install {}") -> None:
        super().__init__(f"{package} is not installed ({how.format(package)})")
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
    user: str  # that it runs as when we are root, for most refuse to be root; "" for us
    port: int
    ready: Callable[[], object]
    end: signal.Signals
    url: str = ""
    secure_url: str = ""  # the same with TLS, where there is such a way
    environment: Mapping[str, str] = field(default_factory=dict)
    farewell: Sequence[str] = ()  # what ends what it left behind
    process: subprocess.Popen[Any] | None = None

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            process: subprocess.Popen[Any] = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,
                **_as(self.user),
            )
        self.process = process
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.ready()
            except Exception:  # noqa: BLE001  each server has its own
                if process.poll() is not None or time.monotonic() > deadline:
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
        if self.farewell:
            subprocess.run(self.farewell, check=False, capture_output=True, env={**os.environ, **self.environment})
        shutil.rmtree(self.folder, ignore_errors=True)


def _as(user: str) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []} if user and os.geteuid() == 0 else {}


def _folder(user: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="paperlane-"))
    if user and os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def _make(command: Sequence[str], folder: Path, user: str) -> None:
    """Make a server's files; when that fails, with what it said."""
    made = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, **_as(user))
    if made.returncode != 0:
        raise RuntimeError(f"{command[0]} failed ({made.returncode}): {made.stdout[-2_000:]}{made.stderr[-2_000:]}")


def postgresql(*, fsync: bool = False, **settings: object) -> Server:
    """A PostgreSQL server. Without fsync a killed server loses nothing, only a machine that loses power does."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    places = [str(path) for path in reversed(versions)]
    server, initdb = (_found(name, "postgresql", *places) for name in ("postgres", "initdb"))
    user = "postgres"
    folder, port = _folder(user), free_port()
    data = folder / "data"
    init = [initdb, "-D", str(data), "-U", "paperlane", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
    _make(init, folder, user)
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
    _make([*init, f"--tmpdir={folder}"], folder, user)
    given = {
        "datadir": data,
        "tmpdir": folder,  # a server that starts deletes what others have in a common one
        "bind-address": "127.0.0.1",
        "port": port,
        "socket": folder / "server.sock",
        "pid-file": folder / "server.pid",
        "innodb-flush-log-at-trx-commit": 1 if fsync else 2,  # 0 would lose a second of commits with a killed server
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


CERTIFICATE = "tls/certificate.pem"
"""Where a broker's certificate is in its folder. It is for `localhost`, and signed by nobody else."""


def _certify(folder: Path, user: str) -> None:
    (folder / "tls").mkdir()
    if user and os.geteuid() == 0:
        shutil.chown(folder / "tls", user, user)
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "tls/key.pem"]
    uses = ["subjectAltName=DNS:localhost", "keyUsage=critical,digitalSignature,keyCertSign"]
    added = [part for use in uses for part in ("-addext", use)]
    openssl = _found("openssl", "openssl")
    _make([openssl, "req", "-x509", *ec, *added, "-subj", "/CN=localhost", "-out", CERTIFICATE], folder, user)


def redis(*, fsync: bool = True, tls: bool = False) -> Server:
    """A Redis server with an append-only file: on disk every second, Redis's own advice, or never."""
    server = _found("redis-server", "redis-server")
    user = "redis"
    folder, port = _folder(user), free_port()
    given = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": folder,
        "save": "",
        "appendonly": "yes" if fsync else "no",
        "appendfsync": "everysec",
    }
    secure_url = ""
    if tls:
        _certify(folder, user)
        given |= {
            "tls-port": (secure := free_port()),
            "tls-cert-file": folder / CERTIFICATE,
            "tls-key-file": folder / "tls/key.pem",
            "tls-auth-clients": "no",
        }
        secure_url = f"rediss://localhost:{secure}/0"
    options = [part for name, value in given.items() for part in (f"--{name}", str(value))]

    def ready() -> None:
        with socket.create_connection(("127.0.0.1", port), 1) as asked:
            asked.sendall(b"PING\r\n")
            if not asked.recv(64).startswith(b"+PONG"):
                raise ConnectionError("Redis is still loading")

    url = f"redis://127.0.0.1:{port}/0"
    made = Server([server, *options], folder, user, port, ready, signal.SIGTERM, url, secure_url)
    return made.start()


def rabbitmq(*, tls: bool = False) -> Server:
    """A RabbitMQ server without plugins; its port mapper is on a free port too, and ends with it."""
    server = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # Debian's own script changes the user, which is done here
    if not Path(server).exists():
        raise Missing("rabbitmq-server")
    user = "rabbitmq"
    folder, port = _folder(user), free_port()
    secure_url = ""
    if tls:
        _certify(folder, user)
        given = {
            "listeners.ssl.1": f"127.0.0.1:{(secure := free_port())}",
            "ssl_options.certfile": folder / CERTIFICATE,
            "ssl_options.keyfile": folder / "tls/key.pem",
        }
        configuration = folder / "tls/rabbitmq.conf"
        configuration.write_text("".join(f"{name} = {value}\n" for name, value in given.items()))
        configuration.chmod(0o644)  # a test may have called a command, which sets what others may read
        secure_url = f"amqps://guest:guest@localhost:{secure}//"
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"paperlane{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "tls/rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    }

    def ready() -> None:
        with socket.create_connection(("127.0.0.1", port), 1) as asked:
            asked.sendall(b"AMQP\x00\x00\x09\x01")
            if not asked.recv(1):
                raise ConnectionError("RabbitMQ is still starting")

    made = Server(
        [server],
        folder,
        user,
        port,
        ready,
        signal.SIGTERM,
        f"amqp://guest:guest@127.0.0.1:{port}//",
        secure_url,
        environment,
        [_found("epmd", "erlang-base"), "-kill"],
    )
    return made.start()


def moto() -> Server:
    """An S3 server whose buckets are in its memory: killed or stopped, it starts again with nothing."""
    server = ROOT / "build/moto/bin/moto_server"
    if not server.exists():
        raise Missing("moto", "make build/moto/made")
    folder, port = _folder(""), free_port()
    url = f"http://127.0.0.1:{port}"

    def ready() -> None:
        with socket.create_connection(("127.0.0.1", port), 1) as asked:
            asked.sendall(b"GET /moto-api/ HTTP/1.0\r\n\r\n")
            if not asked.recv(64).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("moto is still starting")

    command = [str(server), "-H", "127.0.0.1", "-p", str(port)]
    return Server(command, folder, "", port, ready, signal.SIGTERM, url).start()
