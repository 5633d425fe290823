"""`ackrep token` and `ackrep audit`: who may do what over HTTP, and who did."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import access_pb2, access_pb2_grpc
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.spans import Span
from cli.times import ago

_SCOPES = ("read", "check", "maintain", "admin")
_FAILED = 400
_FORBIDDEN = (401, 403, 429)


@click.group(invoke_without_command=True)
@click.pass_context
@server_options
@shared_options
@pass_context
def token(context: Context, click_context: click.Context) -> None:
    """Show the tokens with which people and programs use pages and HTTP API, and make or end them.

    On this machine's loopback the gateway asks for none, unless ACKREP_GATEWAY_REQUIRE_LOGIN=1.
    """
    if click_context.invoked_subcommand is None:
        context.run(lambda client: _list(context, client))


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(_SCOPES),
    default="check",
    show_default=True,
    help="The most that it allows; each holds those before it.",
)
@click.option("--lasts", type=Span(), help="When it ends by itself, e.g. 90d; else never.")
@server_options
@shared_options
@pass_context
def create(context: Context, *, name: str, scope: str, lasts: timedelta | None) -> None:
    """Make a token for NAME, a person or program. Its secret is shown this once."""
    request = access_pb2.CreateTokenRequest(
        display_name=name, scope=access_pb2.AccessScope.Value(f"ACCESS_SCOPE_{scope.upper()}")
    )
    if lasts is not None:
        request.lifetime.FromTimedelta(lasts)

    async def work(client: Client) -> None:
        made = await client.call("scheduler", _stub(client).CreateToken, request)
        if context.json:
            click.echo(documents.line({**_document(made.token), "secret": made.secret}))
            return
        context.screen.print(tables.panel(_advice(made), title=f"token of {name}"))

    context.run(work)


@token.command("list")
@server_options
@shared_options
@pass_context
def list_tokens(context: Context) -> None:
    """Show the tokens, newest first, also those that have ended."""
    context.run(lambda client: _list(context, client))


@token.command()
@click.argument("name")
@server_options
@shared_options
@pass_context
def revoke(context: Context, *, name: str) -> None:
    """End a token, by its NAME or by `tokens/ID`, and its sessions: for ever, within 5 s."""

    async def work(client: Client) -> None:
        resource = name if name.startswith("tokens/") else await _named(client, name)
        gone = await client.call(
            "scheduler", _stub(client).RevokeToken, access_pb2.RevokeTokenRequest(name=resource)
        )
        if context.json:
            click.echo(documents.line(_document(gone)))
        else:
            context.screen.note(f"revoked {gone.display_name} ({gone.name})")

    context.run(work)


@click.command()
@click.option("--who", default="", help="Only of this token's name.")
@click.option("--what", default="", help="Only actions that hold this text, e.g. CreateCheck.")
@click.option("--to", "resource", default="", help="Only resources that hold this text.")
@click.option("--since", type=Span(), help="Only of so long, e.g. 12h.")
@click.option("--failed", is_flag=True, help="Only what failed or was refused.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@server_options
@shared_options
@pass_context
def audit(
    context: Context,
    *,
    who: str,
    what: str,
    resource: str,
    since: timedelta | None,
    failed: bool,
    limit: int,
) -> None:
    """Show who changed what through pages and HTTP API, and who was refused; newest first."""
    request = access_pb2.ListAuditEntriesRequest(
        page_size=limit, principal=who, action=what, resource=resource, failed_only=failed
    )
    if since is not None:
        request.since_time.FromDatetime(datetime.now(UTC) - since)

    async def work(client: Client) -> None:
        found = await client.call("scheduler", _stub(client).ListAuditEntries, request)
        if context.json:
            for entry in found.entries:
                click.echo(documents.line(_entry_document(entry)))
        elif found.entries:
            context.screen.print(_audit_table(found.entries))
        else:
            context.screen.note("nothing of that kind was recorded")

    context.run(work)


def _stub(client: Client) -> Any:
    return access_pb2_grpc.AccessServiceStub(client.channel("scheduler"))


async def _all(client: Client) -> list[access_pb2.Token]:
    found: list[access_pb2.Token] = []
    following = ""
    while True:
        answer = await client.call(
            "scheduler",
            _stub(client).ListTokens,
            access_pb2.ListTokensRequest(page_size=500, page_token=following),
        )
        found += answer.tokens
        following = answer.next_page_token
        if not following:
            return found


async def _named(client: Client, name: str) -> str:
    """The resource name of the token that works under a name, or else was the last to."""
    found = [one for one in await _all(client) if one.display_name == name]
    working = [one for one in found if one.state == access_pb2.Token.STATE_ACTIVE]
    if not found:
        raise click.UsageError(f"there is no token named {name!r}; `ackrep token list` shows all")
    return (working or found)[0].name


async def _list(context: Context, client: Client) -> None:
    found = await _all(client)
    if context.json:
        for one in found:
            click.echo(documents.line(_document(one)))
    elif found:
        context.screen.print(_table(found))
    else:
        context.screen.note("no tokens yet: ackrep token create NAME --scope check")


def _advice(made: access_pb2.CreateTokenResponse) -> Group:
    return Group(
        Text(made.secret, "bold green", no_wrap=True, overflow="fold"),
        Text(""),
        tables.facts(
            [
                ("may", _scope(made.token)),
                ("ends", _end(made.token)),
                ("programs", 'curl -H "Authorization: Bearer $TOKEN" http://…/v1/checks'),
                ("people", "sign in with it at /login"),
            ]
        ),
        Text("This is shown once: keep it now.", "yellow"),
    )


def _table(found: Sequence[access_pb2.Token]) -> Table:
    table = tables.new_table()
    table.add_column("Name", style="cyan", no_wrap=True)
    table.add_column("May", no_wrap=True)
    table.add_column("Secret", style="dim", no_wrap=True)
    table.add_column("Made")
    table.add_column("Used")
    table.add_column("Ends")
    for one in found:
        by = f" by {one.creator}" if one.creator else ""
        table.add_row(
            tables.plain(one.display_name),
            _scope(one),
            f"…{one.hint}",
            tables.plain(_ago(one.create_time) + by),
            _ago(one.last_used_time) if one.HasField("last_used_time") else Text("never", "dim"),
            _end(one),
        )
    return table


def _audit_table(entries: Sequence[access_pb2.AuditEntry]) -> Table:
    table = tables.new_table()
    table.add_column("When", no_wrap=True)
    table.add_column("Who")
    table.add_column("What")
    table.add_column("To what", overflow="fold")
    table.add_column("Outcome", no_wrap=True)
    for one in entries:
        table.add_row(
            _ago(one.create_time),
            tables.plain(one.principal) if one.principal else Text(one.address or "?", "dim"),
            tables.plain(one.action),
            tables.plain(one.resource),
            _outcome(one.status),
        )
    return table


def _outcome(status: int) -> Text:
    if status < _FAILED:
        return Text("done", "green")
    return Text(f"refused ({status})" if status in _FORBIDDEN else f"failed ({status})", "red")


def _scope(one: access_pb2.Token) -> str:
    return access_pb2.AccessScope.Name(one.scope).removeprefix("ACCESS_SCOPE_").lower()


def _end(one: access_pb2.Token) -> Text:
    if one.state == access_pb2.Token.STATE_REVOKED:
        return Text(f"revoked {_ago(one.revoke_time)}", "red")
    if one.state == access_pb2.Token.STATE_EXPIRED:
        return Text(f"expired {_ago(one.expire_time)}", "yellow")
    if one.HasField("expire_time"):
        return Text(one.expire_time.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d"))
    return Text("never", "dim")


def _ago(time: Timestamp) -> str:
    return ago(time.ToDatetime(tzinfo=UTC))


def _document(one: access_pb2.Token) -> dict[str, Any]:
    state = access_pb2.Token.State.Name(one.state).removeprefix("STATE_").lower()
    return {**MessageToDict(one), "scope": _scope(one), "state": state}


def _entry_document(one: access_pb2.AuditEntry) -> dict[str, Any]:
    scope = access_pb2.AccessScope.Name(one.scope).removeprefix("ACCESS_SCOPE_").lower()
    return {**MessageToDict(one), "scope": "" if scope == "unspecified" else scope}
