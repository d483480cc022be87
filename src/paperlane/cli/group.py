"""`paperlane group`: what the members of a group share."""

import json
from pathlib import Path
from typing import Annotated

import typer

from paperlane.cli.files import words_of
from paperlane.cli.installation import Data, Database, Json, desk_of

app = typer.Typer(help="Groups of users: their words.", no_args_is_help=True)


@app.command()
def words(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The group's name.")],
    file: Annotated[
        Path | None, typer.Option("--set", metavar="FILE", readable=False, help="Take the words of this file instead.")
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show or change a group's glossary and the words that no check complains of, in its members' documents.

    A line of the file is "term: meaning" or a word to ignore; what is printed can be changed and set again.
    """
    said = None if file is None else words_of(file, "--set")
    with desk_of(data, database) as desk:
        kept = desk.words.of(None, group) if said is None else desk.words.put(None, group, said)
    if as_json:
        typer.echo(
            json.dumps({"group": group, "terms": dict(kept.terms), "ignored": [*kept.ignored]}, ensure_ascii=False)
        )
    elif said is not None:
        typer.echo(f"{group} has its words: {len(kept.terms)} in the glossary, {len(kept.ignored)} to ignore.")
    else:
        typer.echo(kept.written(), nl=False)
