"""The command line `paperlane`: one command a file, each loading what it needs only when it is called."""

import gc
import sys

import typer
from typer.exceptions import Abort, TyperException

from paperlane.cli import (
    advise,
    alerts,
    bench,
    check,
    checks,
    dispatcher,
    doctor,
    group,
    migrate,
    queue,
    rollout,
    schedule,
    serve,
    simulate,
    user,
    worker,
)
from paperlane.errors import PaperlaneError

_IMPORTS = 50_000  # objects more before garbage is looked for: at every 700 it took a tenth of a start, and found none

app = typer.Typer(
    name="paperlane",
    help="Tests requirement and design documents, and schedules that work fairly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(check.check)
app.command()(checks.checks)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(dispatcher.dispatcher)
app.command()(migrate.migrate)
app.add_typer(user.app, name="user")
app.add_typer(group.app, name="group")
app.add_typer(queue.app, name="queue")
app.add_typer(schedule.app, name="schedule")
app.add_typer(rollout.app, name="rollout")
app.add_typer(alerts.app, name="alerts")
app.add_typer(bench.app, name="bench")
app.command()(simulate.simulate)
app.command()(advise.advise)
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
    """Run the command line; wrong usage, errors raised on purpose and the system's are a sentence, and exit code 2."""
    gc.set_threshold(_IMPORTS)
    try:
        code = app(prog_name="paperlane", standalone_mode=False)
    except Abort:
        code = 130  # as a shell says of a program that Ctrl-C ended
    except TyperException as error:
        code = _usage(error)
    except PaperlaneError as error:
        _say(f"{error.message} {error.hint}")
        code = 2
    except OSError as error:
        what = "this" if error.filename is None else error.filename
        _say(f"The system refuses {what}: {error.strerror or error}. Check the path, its rights and the disk.")
        code = 2
    gc.freeze()  # what goes with the process is not looked through for garbage: that took 0.3 s of a service's end
    sys.exit(code)


def _usage(error: TyperException) -> int:
    """Say what is wrong with the command line; a group without a command has shown its help by now."""
    if message := error.format_message().replace("Value error, ", ""):
        context = getattr(error, "ctx", None)
        ended = message if message.endswith("?") else f"{message.rstrip('.')}."
        _say(f"{ended} See: {context.command_path if context else 'paperlane'} --help")
    return 2


def _say(sentence: str) -> None:
    sys.stderr.write(f"paperlane: {sentence}".rstrip() + "\n")
