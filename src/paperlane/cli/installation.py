"""The options that name an installation, and the settings they make."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.errors import Misconfigured
from paperlane.settings import Settings, no_settings, settings_of

if TYPE_CHECKING:
    from paperlane.desk import Desk


def usual(setting: str, otherwise: str = "") -> str:
    """What stands for an option that is left out, for its help."""
    return f"PAPERLANE_{setting.upper()}, else {otherwise or Settings.model_fields[setting].default}"


# readable=False: what cannot be read is told by whoever reads it, with a hint
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        readable=False,
        show_default=usual("data"),
        help="Folder of the database and the files.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        show_default=usual("database_url", "an SQLite file in the data folder"),
        help="Where the ledger is.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def said(**given: Any) -> Settings:
    """The settings; stderr names variables of the environment that look like some and are none."""
    settings = settings_of(**given)
    for name, near in no_settings(settings).items():
        meant = f" Did you mean {near}?" if near else ""
        typer.echo(f"paperlane: There is no setting {name}.{meant}", err=True)
    return settings


def made(*, by: Callable[..., Settings] = said, **given: Any) -> Settings:
    """The settings of an installation, which is made when it is missing.

    From here on, what this process writes is its owner's only: the database and the files hold people's documents.
    """
    os.umask(0o077)
    return by(**given)


def existing(*, by: Callable[..., Settings] = said, **given: Any) -> Settings:
    """The settings of an installation that is there: a wrong folder must not look like an empty queue."""
    settings = made(by=by, **given)
    path = settings.database.removeprefix("sqlite:///")
    if path == settings.database:
        return settings
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise Misconfigured(
            f"There is no installation at {Path(path).parent}.",
            hint="Name its folder with --data, or start it: paperlane serve.",
        ) from error
    except OSError as error:  # only its owner may enter the folder
        raise Misconfigured(
            f"The folder {Path(path).parent} cannot be looked into: {error.strerror}.",
            hint="Be the user that paperlane serve runs as, or name another folder with --data.",
        ) from error
    return settings


@contextmanager
def desk_of(data: Data, database: Database, settings: Callable[..., Settings] = existing) -> "Generator[Desk]":
    """The desk of an installation, which may be `made` here: stderr says so, for the folder may be a wrong one."""
    from paperlane.assembly import open_desk, open_ledger

    with _for_owners_only():
        chosen = settings(data=data, database=database)
        path = chosen.database.removeprefix("sqlite:///")
        is_new = path != chosen.database and not os.path.exists(path)  # noqa: PTH110  never raises
        ledger = open_ledger(chosen)
        try:
            if is_new:
                typer.echo(f"A new installation was made at {Path(path).parent}.", err=True)
            yield open_desk(chosen, ledger)
        finally:
            ledger.close()


@contextmanager
def _for_owners_only() -> "Generator[None]":
    """What is written meanwhile; a report that is written after it is for whom the caller lets read files."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def desk_in(context: typer.Context, data: Data, database: Database) -> "Generator[Desk]":
    """The desk of the installation that a command names, or the group before it."""
    before: dict[str, Any] = context.obj or {}
    with desk_of(data or before.get("data"), database or before.get("database")) as desk:
        yield desk
