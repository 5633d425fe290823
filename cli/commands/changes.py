"""`ackrep changes`: which entities broke, were repaired, or changed otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import notification_pb2, notification_pb2_grpc
from cli import documents, tables, verdicts
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.spans import Span
from cli.times import ago

_PAGE = 500
_K = notification_pb2.VerdictChange.Kind
_KINDS = {
    "first": (_K.KIND_FIRST, "dim"),
    "broken": (_K.KIND_BROKEN, "bold red"),
    "repaired": (_K.KIND_REPAIRED, "bold green"),
    "changed": (_K.KIND_CHANGED, "yellow"),
}
_CAUSES = {
    "CAUSE_DATA": "data",
    "CAUSE_ENVIRONMENT": "environment",
    "CAUSE_DATA_AND_ENVIRONMENT": "data and environment",
    "CAUSE_NEITHER": "neither",
}


class _Since(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A day, a time in UTC, or how long ago, e.g. `7d`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            span: timedelta = Span().convert(value, param, ctx)
            return datetime.now(UTC) - span
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.argument("key", required=False, default="")
@click.option("--since", type=_Since(), help="Only since a time: 2026-01-31, or 7d for a week.")
@click.option(
    "--kind", "kinds", type=click.Choice(list(_KINDS)), multiple=True, help="Only such changes."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@server_options
@shared_options
@pass_context
def changes(
    context: Context, *, key: str, since: datetime | None, kinds: tuple[str, ...], limit: int
) -> None:
    """Show what changed: entities that broke, were repaired, or fail in another way.

    Newest first, of all entities or of one.
    """
    request = notification_pb2.ListVerdictChangesRequest(
        kinds=[_KINDS[kind][0] for kind in kinds],
        entity=f"entities/{key.upper()}" if key else "",
    )
    if since is not None:
        request.since_time.FromDatetime(since)

    async def work(client: Client) -> None:
        found = await _listed(client, request, limit=limit)
        if context.screen.json:
            for change in found:
                click.echo(documents.line(_document(change)))
        elif found:
            context.screen.print(_table(found, width=context.screen.out.width))
        else:
            context.screen.note("nothing changed" + (" since then" if since else " yet"))

    context.run(work)


async def _listed(
    client: Client, request: notification_pb2.ListVerdictChangesRequest, *, limit: int
) -> list[notification_pb2.VerdictChange]:
    stub = notification_pb2_grpc.NotificationServiceStub(client.channel("scheduler"))
    found: list[notification_pb2.VerdictChange] = []
    while len(found) < limit:
        request.page_size = min(_PAGE, limit - len(found))
        page = await client.call("scheduler", stub.ListVerdictChanges, request)
        found.extend(page.changes)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    return found


def _kind(change: notification_pb2.VerdictChange) -> str:
    return _K.Name(change.kind).removeprefix("KIND_").lower()


def _document(change: notification_pb2.VerdictChange) -> dict[str, Any]:
    """The message's JSON with `key`, and kind, cause and verdicts in lower case."""
    document: dict[str, Any] = MessageToDict(change)
    document |= {"key": documents.last(change.entity), "kind": _kind(change)}
    cause = notification_pb2.VerdictChange.Cause.Name(change.cause)
    document["cause"] = cause.removeprefix("CAUSE_").lower() if change.cause else ""
    document["after"]["verdict"] = verdicts.word(change.after.verdict).name
    if "before" in document:
        document["before"]["verdict"] = verdicts.word(change.before.verdict).name
    return document


def _table(found: Sequence[notification_pb2.VerdictChange], *, width: int) -> Table:
    wide = width >= tables.WIDE
    table = tables.new_table()
    table.add_column("When", no_wrap=True)
    table.add_column("Key", style="cyan", no_wrap=True)
    table.add_column("Change", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Commit", style="dim", no_wrap=True)
    table.add_column("What differs")
    if wide:
        table.add_column("Said", style="dim")
    for change in found:
        kind = _kind(change)
        verdict = Text()
        if change.HasField("before"):
            verdict.append(f"{verdicts.word(change.before.verdict).label} → ", "dim")
        verdict.append_text(tables.verdict_text(change.after.verdict))
        cause = notification_pb2.VerdictChange.Cause.Name(change.cause)
        row: list[RenderableType] = [
            Text(ago(change.change_time.ToDatetime(tzinfo=UTC))),
            Text(documents.last(change.entity)),
            Text(kind, _KINDS[kind][1] if kind in _KINDS else ""),
            verdict,
            Text(change.after.commit[:10]),
            Text(_CAUSES.get(cause, "") + (" (imported)" if change.imported else "")),
        ]
        if wide:
            said = tables.plain(change.after.title)
            said.no_wrap, said.overflow = True, "ellipsis"
            row.append(said)
        table.add_row(*row)
    return table
