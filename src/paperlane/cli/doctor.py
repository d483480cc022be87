"""`paperlane doctor`: tells what is wrong with this installation, and what is as it should be."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from paperlane.cli.installation import Data, Database, Json
from paperlane.cli.output import oldest_wait, show, waiting_in_vain
from paperlane.errors import PaperlaneError
from paperlane.settings import Settings, models_of, no_settings, settings_of

if TYPE_CHECKING:
    from paperlane.ledger import Ledger

_BROKERS = {"redis_url": ("redis", "rq"), "amqp_url": ("rabbitmq", "celery")}
"""By the setting that names it: what it is called, and the engine that takes most kinds of addresses there."""

_PORTS = {"http": 80, "https": 443}
_REACHED = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: `state` is ok, warning or error."""

    what: str
    state: str
    detail: str


def doctor(data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Examine this installation. Exit code 1 when something must be mended."""
    settings = settings_of(data=data, database=database)
    engines = {settings.engine: False}  # that carry somebody, and whether a live worker serves them; as far as is known
    looks: Mapping[str, Callable[[], Iterator[Finding]]] = {
        "python": _python,
        "environment": lambda: _environment(settings),
        "sqlite": _sqlite,
        "folder": lambda: _folder(settings),
        "bucket": lambda: _bucket(settings),
        "ledger": lambda: _ledger(settings, engines),
        "brokers": lambda: _brokers(settings, engines),
        "models": lambda: _models(settings),
        "isolation": _isolation,
        "fonts": _fonts,
    }
    found = [finding for what, look in looks.items() for finding in _careful(what, look)]
    show([asdict(finding) for finding in found], as_json=as_json, empty="")
    if any(finding.state == "error" for finding in found):
        raise typer.Exit(1)


def _careful(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001  the doctor reports what is broken, whatever it is
        from paperlane.ledger.troubles import said

        known = isinstance(error, PaperlaneError)
        detail = f"{error.message} {error.hint}".rstrip() if known else f"{type(error).__name__}: {said(error)}"
        yield Finding(what, "error", detail)


def _python() -> Iterator[Finding]:
    import platform

    from paperlane import __version__

    yield Finding("paperlane", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")


def _environment(settings: Settings) -> Iterator[Finding]:
    if unknown := no_settings(settings):
        said = [f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items()]
        yield Finding("environment", "warning", f"no setting of this version: {', '.join(said)}")


def _sqlite() -> Iterator[Finding]:
    from pysqlite3 import dbapi2

    from paperlane.ledger.dialects.sqlite import SAFE_VERSION

    version = dbapi2.sqlite_version_info
    safe = version >= SAFE_VERSION
    yield Finding(
        "sqlite",
        "ok" if safe else "error",
        ".".join(map(str, version)) + ("" if safe else ": several processes could corrupt the file; update pysqlite3"),
    )


def _folder(settings: Settings) -> Iterator[Finding]:
    import os
    import shutil

    folder = settings.data.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        yield Finding("data folder", "error", f"{existing} cannot be written")
        return
    free = shutil.disk_usage(existing).free / 2**30
    yield Finding("data folder", "ok" if free > 1 else "warning", f"{folder}, {free:.1f} GiB free")


def _bucket(settings: Settings) -> Iterator[Finding]:
    if settings.blobs:
        from paperlane.assembly import open_blobs

        open_blobs(settings).check()
        yield Finding("bucket", "ok", settings.blobs)


def _ledger(settings: Settings, engines: dict[str, bool]) -> Iterator[Finding]:
    """Also tells `engines` of those that carry somebody, and which of them are served."""
    from paperlane import migrations
    from paperlane.ledger.dialects.address import shown
    from paperlane.ledger.sql import SqlLedger, connect
    from paperlane.records.accounts import by_engine
    from paperlane.rollout import flags, rules

    path = settings.database.removeprefix("sqlite:///")
    if path != settings.database and not Path(path).exists():
        yield Finding("database", "warning", f"{path} is not there yet: paperlane serve (or migrate) makes it")
        return
    dialect = connect(settings.database)
    ledger = SqlLedger(dialect)
    try:
        with dialect.reader.connect() as connection:
            at = migrations.current(connection)
            weak = list(dialect.weaknesses(connection))
        newest = migrations.newest()
        if at is not None and migrations.is_newer(at):
            hint = "install the version that wrote it, or restore a backup from before the upgrade"
            yield Finding("database", "error", f"at {at}, this version knows {newest}: {hint}")
            return
        if at != newest:
            hint = "paperlane migrate (or serve) makes it" if at is None else "run paperlane migrate"
            yield Finding("database", "warning", f"at {at or 'nothing yet'}, this version wants {newest}: {hint}")
            return
        yield Finding("database", "ok", f"{shown(dialect.writer.url)}, revision {at}")
        yield from (Finding("database server", "warning", weakness) for weakness in weak)
        yield _default_engine(settings, ledger, engines)
        queue, members, carrying = ledger.queue(), ledger.members(), ledger.read(by_engine)
        live = [member for member in members if member.live]
        busy = {engine.name for engine in queue.engines if engine.queued or engine.running}
        wanted = {*engines, *carrying, *busy}
        for engine in sorted(wanted | {member.engine for member in live}):
            own = [member.slots for member in live if member.engine == engine]
            said = f"{len(own)} live with {sum(own)} slots"
            yield Finding(f"workers of {engine}", "ok" if sum(own) or engine not in wanted else "warning", said)
        paused = [engine.name for engine in queue.engines if engine.paused]
        waits = f"{queue.queued} queued, {queue.running} running, {oldest_wait(queue)}"
        serving = {member.engine for member in live if member.slots}
        rolled_out = {rule.engine for rule in ledger.read(rules.in_force) if rule.percent}
        engines |= {engine: engine in serving for engine in {*engines, *carrying, *rolled_out}}
        if off := [flag.name for flag in ledger.read(flags.standing).values() if not flag.on]:
            yield Finding("flags", "warning", f"off: {', '.join(off)}; on again: paperlane rollout flag NAME on")
        for waiting in queue.unreadable:
            yield Finding(f"versions of {waiting.engine}", "warning", waiting_in_vain(waiting))
        if queue.repairs:
            drifted = "users' counters that had drifted from their tasks, since the database was made; please report it"
            yield Finding("counters", "warning", f"{queue.repairs} times put right: {drifted}")
        stuck = bool(paused) or any(engine.queued and engine.name not in serving for engine in queue.engines)
        yield Finding(
            "queue", "warning" if stuck else "ok", waits + (f"; paused: {', '.join(paused)}" if paused else "")
        )
    finally:
        ledger.close()


def _default_engine(settings: Settings, ledger: "Ledger", engines: dict[str, bool]) -> Finding:
    """Which one the last `paperlane serve` has named, and what one that is started here would do; tells `engines`."""
    from paperlane.rollout import usual

    named = ledger.read(lambda connection: usual.current(connection, settings.engine))
    if named == settings.engine:
        return Finding("default engine", "ok", named)
    del engines[settings.engine]
    engines[named] = False
    said = f"{named}; the setting is {settings.engine} here: paperlane serve, started with it, would move users there"
    return Finding("default engine", "warning" if "engine" in settings.model_fields_set else "ok", said)


def _brokers(settings: Settings, engines: Mapping[str, bool]) -> Iterator[Finding]:
    """Those that are set, or that an engine goes through which carries somebody; and what its workers need here."""
    from paperlane.carriers import CARRIED, broker_of

    through: dict[str, list[str]] = {
        setting: [] for setting in _BROKERS if setting in settings.model_fields_set and getattr(settings, setting)
    }
    for engine in CARRIED:
        if engine in engines:
            through.setdefault(broker_of(settings, engine), []).append(engine)
    for setting, used in through.items():
        yield _broker(settings, setting, used)
    for engine in CARRIED if through else ():
        library = f"library of {engine}"
        if version := _installed(engine):
            yield Finding(library, "ok", version)
        elif engine in engines:
            hint = f"pip install 'paperlane[{engine}]', or make engine-{engine}"
            state = "ok" if engines[engine] else "warning"
            yield Finding(library, state, f"not installed here; where its workers are to run: {hint}")


def _broker(settings: Settings, setting: str, used: Sequence[str]) -> Finding:
    """How it looks from here; where a library of its engines is here, as their workers see it."""
    import asyncio

    from paperlane.carriers import CARRIED, broker_of, reach
    from paperlane.engines.brokers import SCHEMES, checked, without_password
    from paperlane.engines.greeting import greet

    name, url = f"PAPERLANE_{setting.upper()}", getattr(settings, setting)
    what, widest = _BROKERS[setting]
    here = [engine for engine in CARRIED if broker_of(settings, engine) == setting and _installed(engine)]
    try:
        for engine in used or here or [widest]:
            checked(url, SCHEMES[engine], name)
        with_library = next((engine for engine in used or here if engine in here), None)
        if with_library is None:
            does = greet(url, name)
        else:
            asyncio.run(reach(settings, with_library))
            does = f"lets {with_library} in"
    except PaperlaneError as error:
        # where nobody set it, it may be set where the workers are; and what nobody goes through may be away
        state = "error" if used and setting in settings.model_fields_set else "warning"
        return Finding(what, state, f"{error.message} {error.hint}")
    whose = f"for {', '.join(used)}" if used else "nobody's tasks go through it yet"
    return Finding(what, "ok", f"{without_password(url)} {does}; {whose}")


def _installed(package: str) -> str:
    """Its version; "" where it is not here."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _models(settings: Settings) -> Iterator[Finding]:
    """Where each is and whether it has a key; asks none of them anything."""
    for terms in models_of(settings):
        key = f"{terms.key_env} is {'set' if terms.key() else 'not set'}"
        why = _unreached(terms.base_url)
        state = "warning" if why or terms.lacks_key else "ok"
        yield Finding(f"model {terms.called}", state, f"{terms.base_url}{': ' * bool(why)}{why}; {key}")


def _unreached(address: str) -> str:
    """Why no connection can be opened there; "" where one can, or where a proxy is between."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address)
    host = parts.hostname or ""
    proxies = getproxies()
    if (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(host):
        return ""
    try:
        socket.create_connection((host, parts.port or _PORTS[parts.scheme]), _REACHED).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _isolation() -> Iterator[Finding]:
    from paperlane.work.isolation import probe

    for what, state in asdict(probe()).items():
        yield Finding(f"sandbox {what}", "ok" if state in {True, "enforced", "closed"} else "warning", str(state))


def _fonts() -> Iterator[Finding]:
    from paperlane.reports.pdf import chinese_font

    font = chinese_font()
    hint = "none to print Chinese with: PDF reports in Chinese are refused; install one, as fonts-noto-cjk on Debian"
    yield Finding("fonts", "ok" if font else "warning", f"Chinese is printed with {font}" if font else hint)
