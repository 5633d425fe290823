"""`ackrep runners`: who runs checks, and who is to take no new ones."""

from collections.abc import Sequence
from datetime import UTC

import click
from google.protobuf.json_format import MessageToDict
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.times import ago


@click.group(invoke_without_command=True)
@click.pass_context
@server_options
@shared_options
@pass_context
def runners(context: Context, click_context: click.Context) -> None:
    """Show the runners: what they have ready, how busy they are, and which are drained."""
    if click_context.invoked_subcommand is None:
        context.run(lambda client: _list(context, client))


@runners.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, shown to everybody who looks.")
@server_options
@shared_options
@pass_context
def drain(context: Context, *, name: str, reason: str) -> None:
    """Let the runner NAME take no new checks, also after a restart. It finishes what it holds."""

    async def work(client: Client) -> None:
        request = scheduler_pb2.DrainRunnerRequest(name=_resource(name), reason=reason)
        stub = scheduler_pb2_grpc.SchedulerServiceStub(client.channel("scheduler"))
        _show(context, [await client.call("scheduler", stub.DrainRunner, request)])

    context.run(work)


@runners.command()
@click.argument("name")
@server_options
@shared_options
@pass_context
def resume(context: Context, *, name: str) -> None:
    """Let the drained runner NAME take checks again."""

    async def work(client: Client) -> None:
        request = scheduler_pb2.ResumeRunnerRequest(name=_resource(name))
        stub = scheduler_pb2_grpc.SchedulerServiceStub(client.channel("scheduler"))
        _show(context, [await client.call("scheduler", stub.ResumeRunner, request)])

    context.run(work)


async def _list(context: Context, client: Client) -> None:
    stub = scheduler_pb2_grpc.SchedulerServiceStub(client.channel("scheduler"))
    found: list[check_pb2.RunnerStatus] = []
    token = ""
    while True:
        request = scheduler_pb2.ListRunnersRequest(page_size=500, page_token=token)
        answer = await client.call("scheduler", stub.ListRunners, request)
        found += answer.runners
        token = answer.next_page_token
        if not token:
            break
    _show(context, found)
    if not found and not context.json:
        context.screen.note("no runner was heard of lately: nothing can run")


def _resource(name: str) -> str:
    return name if name.startswith("runners/") else f"runners/{name}"


def _show(context: Context, found: Sequence[check_pb2.RunnerStatus]) -> None:
    if context.json:
        for one in found:
            click.echo(documents.line(MessageToDict(one)))
    elif found:
        context.screen.print(_table(found, width=context.screen.out.width))


def _table(found: Sequence[check_pb2.RunnerStatus], *, width: int) -> Table:
    table = tables.new_table()
    table.add_column("Runner", style="cyan", no_wrap=True)
    table.add_column("Host")
    table.add_column("Backend")
    table.add_column("Slots", justify="right", no_wrap=True)
    table.add_column("Environments")
    table.add_column("Heard", no_wrap=True)
    table.add_column("State")
    for one in found:
        table.add_row(
            tables.plain(documents.last(one.name)),
            tables.plain(one.host),
            tables.plain(" ".join(part for part in (one.backend, one.engine_version) if part)),
            f"{max(0, one.slots - one.free_slots)}/{one.slots}",
            tables.plain(" ".join(_environment(ready, width=width) for ready in one.environments)),
            ago(one.heartbeat_time.ToDatetime(tzinfo=UTC)),
            _state(one),
        )
    return table


def _environment(ready: check_pb2.EnvironmentDigest, *, width: int) -> str:
    name = documents.last(ready.environment)
    digits = ready.digest.removeprefix("sha256:")[:7]
    return f"{name}@{digits}" if width >= tables.WIDE and "@" not in name else name


def _state(one: check_pb2.RunnerStatus) -> Text:
    """One word, and for a drained one the reason."""
    said = Text()
    if one.HasField("drain"):
        busy = bool(one.checks)
        said.append("draining" if busy else "drained", "yellow")
        if one.drain.reason:
            said.append(": ").append_text(tables.plain(one.drain.reason))
        said.append(" (lost)" if one.lost else "", "red")
        return said
    if one.lost:
        return said.append("lost", "red")
    if one.draining:
        return said.append("stopping", "yellow")
    return said.append("ready" if one.free_slots else "busy", "green")
