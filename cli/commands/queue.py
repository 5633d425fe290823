"""`ackrep queue`: what waits, what holds it up, and what was given up."""

from collections.abc import Sequence
from datetime import UTC

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2, queue_pb2, queue_pb2_grpc
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.times import ago, span


@click.group(invoke_without_command=True)
@click.pass_context
@server_options
@shared_options
@pass_context
def queue(context: Context, click_context: click.Context) -> None:
    """Show the queue: what waits and runs by environment, pauses, and what was given up.

    Checks start by priority (single ones before runs, runs before what the schedule asks for), then
    by fair shares of time between runs and requesters, then those that take longest first.
    """
    if click_context.invoked_subcommand is None:
        _show(context, "GetQueue", queue_pb2.GetQueueRequest())


@queue.command("list")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@server_options
@shared_options
@pass_context
def list_waiting(context: Context, *, limit: int) -> None:
    """Show the waiting checks in the order in which they start."""

    async def work(client: Client) -> None:
        stub = queue_pb2_grpc.QueueServiceStub(client.channel("scheduler"))
        request = queue_pb2.ListWaitingChecksRequest(page_size=limit)
        found = await client.call("scheduler", stub.ListWaitingChecks, request)
        _checks(context, client, found.checks, otherwise="nothing waits")

    context.run(work)


@queue.command()
@click.argument("environment", required=False, default="")
@click.option("--reason", default="", help="Why, shown to everybody who looks.")
@click.option("--pool", default="", help="Pool of runners; by default the scheduler's own.")
@server_options
@shared_options
@pass_context
def pause(context: Context, *, environment: str, reason: str, pool: str) -> None:
    """Let no further check start: of ENVIRONMENT, or of all. Running ones go on."""
    request = queue_pb2.PauseQueueRequest(
        pool=pool, environment=_resource(environment), reason=reason
    )
    _show(context, "PauseQueue", request)


@queue.command()
@click.argument("environment", required=False, default="")
@click.option("--pool", default="", help="Pool of runners; by default the scheduler's own.")
@server_options
@shared_options
@pass_context
def resume(context: Context, *, environment: str, pool: str) -> None:
    """Let checks of ENVIRONMENT, or of all, start again."""
    request = queue_pb2.ResumeQueueRequest(pool=pool, environment=_resource(environment))
    _show(context, "ResumeQueue", request)


@queue.command()
@server_options
@shared_options
@pass_context
def dead(context: Context) -> None:
    """Show the dead letters: checks that were given up although their entity did nothing wrong."""

    async def work(client: Client) -> None:
        stub = queue_pb2_grpc.QueueServiceStub(client.channel("scheduler"))
        request = queue_pb2.ListDeadLettersRequest(page_size=500)
        found = await client.call("scheduler", stub.ListDeadLetters, request)
        _checks(context, client, found.checks, otherwise="nothing was given up")
        if found.checks and not context.json:
            context.screen.note("ackrep queue replay checks them again")

    context.run(work)


@queue.command()
@click.argument("checks", metavar="[CHECK]...", nargs=-1)
@server_options
@shared_options
@pass_context
def replay(context: Context, *, checks: tuple[str, ...]) -> None:
    """Check again what was given up; all of it where no CHECK is named."""
    request = queue_pb2.ReplayDeadLettersRequest(
        checks=[name if "/" in name else f"checks/{name}" for name in checks]
    )

    async def work(client: Client) -> None:
        stub = queue_pb2_grpc.QueueServiceStub(client.channel("scheduler"))
        made = await client.call("scheduler", stub.ReplayDeadLetters, request)
        _checks(context, client, made.checks, otherwise="nothing was given up")

    context.run(work)


def _show(context: Context, method: str, request: Message) -> None:
    async def work(client: Client) -> None:
        stub = queue_pb2_grpc.QueueServiceStub(client.channel("scheduler"))
        found: queue_pb2.Queue = await client.call("scheduler", getattr(stub, method), request)
        if context.json:
            click.echo(documents.line(MessageToDict(found)))
        else:
            _print(context, found)

    context.run(work)


def _print(context: Context, found: queue_pb2.Queue) -> None:
    if found.lines:
        context.screen.print(_table(found.lines))
    else:
        context.screen.note("nothing waits or runs")
    for one in found.pauses:
        where = documents.last(one.environment) if one.environment else f"all of {one.pool}"
        since = ago(one.create_time.ToDatetime(tzinfo=UTC))
        said = Text(f"paused: {where}", "yellow").append(f" since {since}", "dim")
        if one.reason:
            said.append(f": {one.reason}")
        context.screen.print(said)
    if found.dead_letter_count:
        given_up = Text(f"{found.dead_letter_count} given up", "magenta")
        context.screen.print(given_up.append(": ackrep queue dead", "dim"))


def _table(lines: Sequence[queue_pb2.QueueLine]) -> Table:
    table = tables.new_table()
    table.add_column("Environment", style="cyan")
    table.add_column("Pool", style="dim")
    for heading in ("Waiting", "Running", "Oldest", "Expected"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        oldest = line.HasField("oldest_time")
        table.add_row(
            tables.plain(documents.last(line.environment)),
            tables.plain(line.pool),
            f"{line.waiting_count}",
            f"{line.running_count}",
            ago(line.oldest_time.ToDatetime(tzinfo=UTC)) if oldest else "",
            span(line.expected_duration.ToTimedelta().total_seconds()),
        )
    return table


def _checks(
    context: Context, client: Client, checks: Sequence[check_pb2.Check], *, otherwise: str
) -> None:
    if context.json:
        for check in checks:
            click.echo(documents.line(documents.of_check(check, page=client.system.page)))
    elif checks:
        context.screen.print(_listed(checks))
    else:
        context.screen.note(otherwise)


def _listed(checks: Sequence[check_pb2.Check]) -> Table:
    table = tables.new_table()
    table.add_column("Key", style="cyan", no_wrap=True)
    table.add_column("Environment")
    table.add_column("Asked", justify="right", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Check", style="dim", no_wrap=True)
    table.add_column("Message")
    for check in checks:
        said = check.result.message
        if not said and check.failed_attempts:
            said = check.failed_attempts[-1].reason
        table.add_row(
            tables.plain(documents.last(check.entity)),
            tables.plain(documents.last(check.environment)),
            ago(check.create_time.ToDatetime(tzinfo=UTC)),
            documents.state(check),
            documents.last(check.name),
            tables.plain(said),
        )
    return table


def _resource(environment: str) -> str:
    if not environment or environment.startswith("environments/"):
        return environment
    return f"environments/{environment}"
