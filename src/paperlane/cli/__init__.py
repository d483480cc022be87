"""The command line `paperlane`: one command a file, each loading what it needs only when it is called."""

import sys

import typer

from paperlane.cli import check, doctor, migrate, queue, serve, user, worker
from paperlane.errors import PaperlaneError

app = typer.Typer(
    name="paperlane",
    help="Tests requirement and design documents, and schedules that work fairly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(check.check)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(migrate.migrate)
app.add_typer(user.app, name="user")
app.add_typer(queue.app, name="queue")
app.command()(doctor.doctor)


def _version(wanted: bool) -> None:  # noqa: FBT001  typer's form of a callback
    if wanted:
        from paperlane import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Tests requirement and design documents, and schedules that work fairly."""
    del version


def main() -> None:
    """Run the command line; an error that we raise on purpose is one sentence, and exit code 2."""
    try:
        app()
    except PaperlaneError as error:
        sys.stderr.write(f"paperlane: {error.message} {error.hint}".rstrip() + "\n")
        raise SystemExit(2) from None
