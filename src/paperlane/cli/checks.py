"""`paperlane checks`: what a document can be asked."""

import json
from typing import Annotated, Any

import typer

from paperlane.cli.installation import Json, settings_of
from paperlane.cli.output import show
from paperlane.errors import BadRequest


def checks(
    profiles: Annotated[
        list[str] | None,
        typer.Option("--profile", metavar="NAME", help="Only the checks of this profile; several too."),
    ] = None,
    language: Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of the titles.")] = "en",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List the profiles, and the checks with their severity, kind and profiles.

    A profile is a choice of checks for a kind of document; those marked as default are asked where none is named.
    Choose with paperlane check --profile NAME, add with --check NAME, leave out with --no-check NAME.
    """
    from paperlane.checks import CHECKS, DEFAULT_PROFILE, PROFILES, brief_of, chosen

    if language not in {"en", "zh"}:
        raise BadRequest(f"Checks have no titles in {language!r}.", hint="Choose en or zh.")
    usual = settings_of().profiles or (DEFAULT_PROFILE,)
    listed: Any = chosen(brief_of(profiles, (), ())) if profiles else CHECKS
    choices = [
        {"profile": name, "title": profile.title[language], "default": name in usual, "for": profile.why}
        for name, profile in PROFILES.items()
    ]
    found = [
        {
            "check": check.name,
            "title": check.title[language],
            "severity": check.severity.value,
            "category": check.category,
            "profiles": list(check.profiles) if as_json else ", ".join(check.profiles),
        }
        for check in sorted(listed.values(), key=lambda check: check.name)
    ]
    if as_json:
        typer.echo(json.dumps({"profiles": choices, "checks": found}, ensure_ascii=False, indent=2))
        return
    show(choices, as_json=False, empty="")
    typer.echo()
    show(found, as_json=False, empty="There are no checks.")
