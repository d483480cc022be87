"""`paperlane doctor`: tells what is wrong with this installation, and what is as it should be."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from paperlane.cli.installation import Data, Database, Json, settings_of
from paperlane.cli.output import show, waiting_in_vain
from paperlane.errors import PaperlaneError
from paperlane.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: `state` is ok, warning or error."""

    what: str
    state: str
    detail: str


def doctor(data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Examine this installation. Exit code 1 when something must be mended."""
    settings = settings_of(data=data, database=database)
    found = [
        finding
        for look in (_python, _environment, _sqlite, _folder, _bucket, _ledger, _isolation)
        for finding in _careful(look, settings)
    ]
    show([asdict(finding) for finding in found], as_json=as_json, empty="")
    if any(finding.state == "error" for finding in found):
        raise typer.Exit(1)


def _careful(look: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from look(settings)
    except Exception as error:  # noqa: BLE001  the doctor reports what is broken, whatever it is
        from paperlane.ledger.troubles import said

        known = isinstance(error, PaperlaneError)
        detail = f"{error.message} {error.hint}".rstrip() if known else f"{type(error).__name__}: {said(error)}"
        yield Finding(look.__name__.strip("_"), "error", detail)


def _python(_settings: Settings) -> Iterator[Finding]:
    import platform

    from paperlane import __version__

    yield Finding("paperlane", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")


def _environment(_settings: Settings) -> Iterator[Finding]:
    import os

    known = {f"PAPERLANE_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith("PAPERLANE_") and name not in known)
    if unknown:
        yield Finding("environment", "warning", f"no setting of this version: {', '.join(unknown)}")


def _sqlite(_settings: Settings) -> Iterator[Finding]:
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


def _ledger(settings: Settings) -> Iterator[Finding]:
    from paperlane import migrations
    from paperlane.ledger.dialects.address import shown
    from paperlane.ledger.sql import SqlLedger, connect

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
        queue, members = ledger.queue(), ledger.members()
        live = [member for member in members if member.live]
        wanted = {settings.engine} | {engine.name for engine in queue.engines if engine.queued or engine.running}
        for engine in sorted(wanted | {member.engine for member in live}):
            own = [member.slots for member in live if member.engine == engine]
            said = f"{len(own)} live with {sum(own)} slots"
            yield Finding(f"workers of {engine}", "ok" if sum(own) or engine not in wanted else "warning", said)
        paused = [engine.name for engine in queue.engines if engine.paused]
        waits = f"{queue.queued} queued, {queue.running} running, oldest waits {queue.oldest:.0f} s"
        serving = {member.engine for member in live if member.slots}
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


def _isolation(_settings: Settings) -> Iterator[Finding]:
    from paperlane.work.isolation import probe

    for what, state in asdict(probe()).items():
        yield Finding(f"sandbox {what}", "ok" if state in {True, "enforced", "closed"} else "warning", str(state))
