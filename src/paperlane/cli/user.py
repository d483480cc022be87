"""`paperlane user`: accounts and their tokens."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_of, made
from paperlane.cli.output import show
from paperlane.errors import BadRequest

if TYPE_CHECKING:
    from paperlane.desk import Desk

_PAGE = 1_000  # users that are asked for at once

app = typer.Typer(help="Accounts: add, list, set, token, revoke, usage.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The account's name.")]
Role = Annotated[str | None, typer.Option(metavar="user|viewer|admin", help="What the account may do.")]
Group = Annotated[str | None, typer.Option(help="The group that the account belongs to, at most 100 characters.")]
Limit = Annotated[int | None, typer.Option(help="Tasks that may run at once.")]
Weight = Annotated[float | None, typer.Option(help="Share of the turns; 1 is usual.")]
_AUTO = "auto"
"""What stands for a quota where the settings are to say which."""

Storage = Annotated[
    str | None,
    typer.Option("--storage-mb", metavar="N|auto", help="Megabytes of documents that are kept; 0: no limit."),
]
Requests = Annotated[
    str | None, typer.Option("--requests", metavar="N|auto", help="Requests a minute to each web process; 0: no limit.")
]
Tokens = Annotated[
    str | None, typer.Option("--tokens", metavar="N|auto", help="Tokens at models in a calendar month; 0: no limit.")
]


def _role(name: str) -> Any:
    from paperlane.records.accounts import Role as Roles

    try:
        return Roles(name)
    except ValueError as error:
        raise BadRequest(f"There is no role {name!r}.", hint="Choose user, viewer or admin.") from error


def _quotas(storage_mb: str | None, requests: str | None, tokens: str | None) -> dict[str, int | None]:
    """Those that were given; None for what is as the settings say."""
    asked = {
        "storage_mb": ("--storage-mb", storage_mb),
        "requests_a_minute": ("--requests", requests),
        "model_tokens": ("--tokens", tokens),
    }
    given = {name: (option, said) for name, (option, said) in asked.items() if said is not None}
    return {name: None if said == _AUTO else _number(option, said) for name, (option, said) in given.items()}


def _number(option: str, said: str) -> int:
    if said.isascii() and said.isdigit():
        return int(said)
    raise BadRequest(f"{option} {said!r} is no number.", hint=f"Give a whole number, 0 for no limit, or {_AUTO}.")


@app.command()
def add(
    name: Name,
    role: Role = "user",
    group: Group = "",
    limit: Limit = None,
    weight: Weight = None,
    storage_mb: Storage = None,
    requests: Requests = None,
    tokens: Tokens = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Add an account and print its token, this once."""
    from paperlane.records.accounts import Quotas

    quotas = Quotas(**_quotas(storage_mb, requests, tokens))
    with desk_of(data, database, made) as desk:
        account = desk.accounts.add_user(None, name, _role(role or "user"), group or "", limit, weight, quotas)
        token = desk.accounts.new_token(None, account)
    if as_json:
        typer.echo(json.dumps({"id": account.id, "name": account.name, "role": account.role.value, "token": token}))
    else:
        typer.echo(f"Added {account.role.value} {account.name}. The token, shown this once:\n{token}")


@app.command("list")
def several(data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """List all accounts with their limits; a quota that is not shown is as the settings say."""
    from paperlane.records.accounts import with_terms

    with desk_of(data, database) as desk:
        rows = [
            {
                "id": account.id,
                "name": account.name,
                "role": account.role.value,
                "group": account.group,
                "limit": terms.limit if terms else None,
                "weight": terms.weight if terms else None,
                "engine": terms.engine if terms else None,
                "pinned": bool(account.pinned),
                "paused": terms.paused if terms else None,
                **asdict(account.quotas),
                "stored_mb": round(account.stored / (1 << 20), 1),
            }
            for account, terms in desk.ledger.read(with_terms)
        ]
    show(rows, as_json=as_json, empty="There is no account yet: paperlane user add NAME.")


@app.command("set")
def change(
    name: Name,
    role: Role = None,
    group: Group = None,
    limit: Limit = None,
    weight: Weight = None,
    storage_mb: Storage = None,
    requests: Requests = None,
    tokens: Tokens = None,
    engine: Annotated[
        str | None, typer.Option(help="The engine that carries this user's tasks whatever is rolled out, or auto.")
    ] = None,
    paused: Annotated[bool | None, typer.Option("--pause/--resume", help="Start none of this user's tasks.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also to an engine that no worker serves.")] = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
) -> None:
    """Change an account, while everything runs; a lowered limit kills nothing."""
    quotas = _quotas(storage_mb, requests, tokens)
    with desk_of(data, database) as desk:
        account = desk.accounts.user(name)
        chosen = None if role is None else _role(role)
        desk.accounts.change_user(
            None,
            account,
            role=chosen,
            group=group,
            limit=limit,
            weight=weight,
            engine=engine,
            paused=paused,
            quotas=quotas,
            force=force,
        )
    typer.echo(f"Changed {name}.")


@app.command()
def token(name: Name, data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Print a fresh token, this once; older ones stay valid."""
    with desk_of(data, database) as desk:
        account = desk.accounts.user(name)
        made = desk.accounts.new_token(None, account)
    if as_json:
        typer.echo(json.dumps({"id": account.id, "name": account.name, "role": account.role.value, "token": made}))
    else:
        typer.echo(made)


@app.command()
def revoke(name: Name, data: Data = None, database: Database = None) -> None:
    """Make all tokens and sessions of an account useless."""
    with desk_of(data, database) as desk:
        count = desk.accounts.revoke(None, desk.accounts.user(name))
    typer.echo(f"Revoked {count} {'token' if count == 1 else 'tokens'} of {name}.")


@app.command()
def usage(
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="The last so many days; else this calendar month.")
    ] = None,
    tasks: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--tasks", help="What all tasks of each user came to instead, since they are counted; not with --days."
        ),
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what each user's documents used up at language models, the dearest first."""
    from paperlane.settings import currency_of, models_of

    if tasks and days is not None:
        raise BadRequest(
            "--days says nothing to --tasks: what tasks came to is counted in all, not by the day.",
            hint="Leave one of them out.",
        )
    with desk_of(data, database) as desk:
        if tasks:
            show(list(_spent(desk)), as_json=as_json, empty="Nobody has an account.")
            return
        currency = currency_of(models_of(desk.accounts.settings))
        rows: list[dict[str, object]] = [
            {
                "user": used.name or used.user,
                "model": used.model,
                "requests": used.spent.usage.requests,
                "tokens in": used.spent.usage.tokens_in,
                "tokens out": used.spent.usage.tokens_out,
                "money": round(used.spent.money, 4),
                "currency": currency,
            }
            for used in desk.accounts.used(None, days, 1_000)
        ]
    show(rows, as_json=as_json, empty="No model was asked.")


def _spent(desk: "Desk") -> Iterator[dict[str, object]]:
    """What all tasks of each user came to, page by page."""
    from paperlane.settings import currency_of, models_of

    currency, after = currency_of(models_of(desk.accounts.settings)), 0
    while page := desk.accounts.spent(None, after, _PAGE):
        for one in page:
            yield {
                "user": one.name or one.use.user,
                "queued": one.use.queued,
                "running": one.use.running,
                "completed": one.use.completed,
                "failed": one.use.failed,
                "cancelled": one.use.cancelled,
                "CPU seconds": round(one.use.cpu, 1),
                "tokens": one.spent.usage.tokens,
                "money": round(one.spent.money, 4),
                "currency": currency,
            }
        after = page[-1].use.user
