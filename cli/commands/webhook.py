"""`ackrep webhook`: addresses that are told of verdict changes and finished runs."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import notification_pb2, notification_pb2_grpc
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.times import ago
from services.errors import InvalidArgumentError, NotFoundError

_D = notification_pb2.WebhookDelivery
_STATES = {
    _D.STATE_PENDING: ("waits", "yellow"),
    _D.STATE_DELIVERED: ("delivered", "green"),
    _D.STATE_FAILED: ("given up", "bold red"),
}
_SHORTEST = 4
"""Characters of an id that say which one is meant."""


@click.group(invoke_without_command=True)
@click.pass_context
@server_options
@shared_options
@pass_context
def webhook(context: Context, click_context: click.Context) -> None:
    """Show the webhooks: addresses that are told of verdict changes and finished runs.

    WEBHOOK and DELIVERY are ids, or the ends of such.
    """
    if click_context.invoked_subcommand is None:
        context.run(lambda client: _list(context, client))


@webhook.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, help="E.g. verdict.broken; may be repeated.")
@click.option("--secret", envvar="ACKREP_WEBHOOK_SECRET", default="", help="Made where not given.")
@server_options
@shared_options
@pass_context
def add(context: Context, *, url: str, events: tuple[str, ...], secret: str) -> None:
    """Add a webhook, and show its secret, this once.

    Events: verdict.first, verdict.broken, verdict.repaired, verdict.changed, run.finished;
    without --event, breaks and repairs.
    """
    request = notification_pb2.CreateWebhookRequest(url=url, events=events, secret=secret)

    async def work(client: Client) -> None:
        # Not repeated where the connection is lost: that could make two.
        made = await client.call("scheduler", _stub(client).CreateWebhook, request)
        if context.json:
            document = MessageToDict(made.webhook)
            click.echo(documents.line({**document, "secret": made.secret}))
            return
        context.screen.print(_table([made.webhook]))
        context.screen.print(Text.assemble(("secret  ", "dim"), made.secret), soft_wrap=True)
        context.screen.note("receivers prove with it who sent a delivery; it is shown this once")

    context.run(work)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@server_options
@shared_options
@pass_context
def remove(context: Context, *, name: str) -> None:
    """Remove a webhook with its log."""

    async def work(client: Client) -> None:
        found = await _named(client, name)
        request = notification_pb2.DeleteWebhookRequest(name=found.name)
        await client.call("scheduler", _stub(client).DeleteWebhook, request)
        context.screen.note(f"removed {found.name} ({found.url})")

    context.run(work)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@server_options
@shared_options
@pass_context
def pause(context: Context, *, name: str) -> None:
    """Hold deliveries back; what happens meanwhile waits."""

    async def work(client: Client) -> None:
        request = notification_pb2.PauseWebhookRequest(name=(await _named(client, name)).name)
        _show(context, [await client.call("scheduler", _stub(client).PauseWebhook, request)])

    context.run(work)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@server_options
@shared_options
@pass_context
def resume(context: Context, *, name: str) -> None:
    """Deliver what waits, and go on."""

    async def work(client: Client) -> None:
        request = notification_pb2.ResumeWebhookRequest(name=(await _named(client, name)).name)
        _show(context, [await client.call("scheduler", _stub(client).ResumeWebhook, request)])

    context.run(work)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@server_options
@shared_options
@pass_context
def test(context: Context, *, name: str) -> None:
    """Send the event `test`; `ackrep webhook log` tells how that went."""

    async def work(client: Client) -> None:
        request = notification_pb2.TestWebhookRequest(name=(await _named(client, name)).name)
        made = await client.call("scheduler", _stub(client).TestWebhook, request)
        _show_deliveries(context, [made])

    context.run(work)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@server_options
@shared_options
@pass_context
def log(context: Context, *, name: str, limit: int) -> None:
    """Show the deliveries of a webhook, newest first."""

    async def work(client: Client) -> None:
        found = await _deliveries(client, (await _named(client, name)).name, limit=limit)
        _show_deliveries(context, found)

    context.run(work)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@click.argument("delivery")
@server_options
@shared_options
@pass_context
def redeliver(context: Context, *, name: str, delivery: str) -> None:
    """Make a delivery again, whatever became of it."""

    async def work(client: Client) -> None:
        parent = (await _named(client, name)).name
        names = [one.name for one in await _deliveries(client, parent, limit=500)]
        request = notification_pb2.RedeliverWebhookRequest(
            name=_meant(names, delivery, what="delivery")
        )
        made = await client.call("scheduler", _stub(client).RedeliverWebhook, request)
        _show_deliveries(context, [made])

    context.run(work)


def _stub(client: Client) -> "notification_pb2_grpc.NotificationServiceStub":
    return notification_pb2_grpc.NotificationServiceStub(client.channel("scheduler"))


async def _all(client: Client) -> Sequence[notification_pb2.Webhook]:
    request = notification_pb2.ListWebhooksRequest()
    return (await client.call("scheduler", _stub(client).ListWebhooks, request)).webhooks


async def _named(client: Client, text: str) -> notification_pb2.Webhook:
    known = {one.name: one for one in await _all(client)}
    return known[_meant(list(known), text, what="webhook")]


async def _deliveries(
    client: Client, parent: str, *, limit: int
) -> Sequence[notification_pb2.WebhookDelivery]:
    request = notification_pb2.ListWebhookDeliveriesRequest(parent=parent, page_size=limit)
    answer = await client.call("scheduler", _stub(client).ListWebhookDeliveries, request)
    return answer.deliveries


def _meant(names: Sequence[str], text: str, *, what: str) -> str:
    """The one name that ends so.

    Raises:
        NotFoundError: None does.
        InvalidArgumentError: Several do, or nearly nothing was given.
    """
    if len(text) < _SHORTEST:
        raise InvalidArgumentError(f"{text!r} is too short for the end of an id")
    found = [name for name in names if name.endswith(text)]
    if not found:
        raise NotFoundError(f"there is no {what} {text}; `ackrep webhook` lists them")
    if len(found) > 1:
        raise InvalidArgumentError(f"{len(found)} end with {text}: write more of it")
    return found[0]


async def _list(context: Context, client: Client) -> None:
    found = await _all(client)
    if not found and not context.json:
        context.screen.note("no webhooks yet: ackrep webhook add https://example.org/hook")
        return
    _show(context, found)


def _show(context: Context, found: Sequence[notification_pb2.Webhook]) -> None:
    if context.json:
        for one in found:
            click.echo(documents.line({**MessageToDict(one), "id": documents.last(one.name)}))
    else:
        context.screen.print(_table(found))


def _table(found: Sequence[notification_pb2.Webhook]) -> Table:
    table = tables.new_table()
    table.add_column("Webhook", style="cyan", no_wrap=True)
    table.add_column("Address", overflow="fold")
    table.add_column("Events")
    table.add_column("Deliveries")
    for one in found:
        said = Text("paused " if one.paused else "", "yellow")
        if one.pending_count:
            said.append(f"{one.pending_count} waiting ", "yellow")
        if one.failed_count:
            said.append(f"{one.failed_count} given up ", "bold red")
        if one.HasField("last_success_time"):
            said.append(f"accepted {ago(one.last_success_time.ToDatetime(tzinfo=UTC))}", "dim")
        table.add_row(f"…{one.name[-8:]}", tables.plain(one.url), Text(", ".join(one.events)), said)
    return table


def _show_deliveries(context: Context, found: Sequence[notification_pb2.WebhookDelivery]) -> None:
    if context.json:
        for one in found:
            document: dict[str, Any] = MessageToDict(one)
            state = _D.State.Name(one.state).removeprefix("STATE_").lower()
            click.echo(documents.line({**document, "id": documents.last(one.name), "state": state}))
        return
    if not found:
        context.screen.note("nothing was sent yet")
        return
    table = tables.new_table()
    table.add_column("Delivery", style="cyan", no_wrap=True)
    for heading in ("When", "Event", "State"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Last attempt")
    for one in found:
        table.add_row(
            f"…{one.name[-8:]}",
            ago(one.create_time.ToDatetime(tzinfo=UTC)),
            tables.plain(one.event),
            Text(*_STATES.get(one.state, ("", ""))),
            _attempt(one),
        )
    context.screen.print(table)


def _attempt(one: notification_pb2.WebhookDelivery) -> Text:
    if not one.attempts:
        return Text("not tried yet", "dim")
    last = one.attempts[-1]
    milliseconds = last.duration.ToMicroseconds() / 1000
    said = Text(f"{last.attempt}. {last.status or 'no answer'} in {milliseconds:.0f} ms")
    if last.error:
        said.append(" · ").append_text(tables.plain(last.error, "red"))
    return said
