"""`ackrep schedule`: runs that nobody has to ask for."""

from datetime import UTC, timedelta
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import schedule_pb2, schedule_pb2_grpc
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.spans import Span
from cli.times import ago, span


@click.group(invoke_without_command=True)
@click.pass_context
@server_options
@shared_options
@pass_context
def schedule(context: Context, click_context: click.Context) -> None:
    """Show the schedules: runs at certain times, after changes, and where results grew old.

    A schedule works as long as the system runs (`ackrep up`, or a deployed one).
    """
    if click_context.invoked_subcommand is None:
        context.run(lambda client: _list(context, client))


@schedule.command()
@click.option("--cron", default="", help="At these times, in UTC, e.g. `30 2 * * 1-5`.")
@click.option("--on-change", is_flag=True, help="What a new revision of the repository changes.")
@click.option("--max-age", type=Span(), help="Results older than this, e.g. 7d; oldest first.")
@click.option("--budget", type=Span(), help="Time that --max-age may take in 24 hours, e.g. 2h.")
@click.option("--filter", "condition", default="", help="Only such entities, e.g. `tag = chaos`.")
@click.option("--force", is_flag=True, help="With --cron: run also what did not change.")
@click.option("--title", default="", help="Title of its runs.")
@server_options
@shared_options
@pass_context
def add(
    context: Context,
    *,
    cron: str,
    on_change: bool,
    max_age: timedelta | None,
    budget: timedelta | None,
    condition: str,
    force: bool,
    title: str,
) -> None:
    """Add a schedule: one of --cron, --on-change and --max-age says when."""
    if sum((bool(cron), on_change, max_age is not None)) != 1:
        raise click.UsageError("say when: one of --cron, --on-change and --max-age")
    wanted = schedule_pb2.Schedule(title=title, filter=condition, force=force)
    if cron:
        wanted.cron = cron
    elif on_change:
        wanted.on_change = True
    elif max_age is not None:
        wanted.max_age.FromTimedelta(max_age)
    if budget is not None:
        wanted.daily_budget.FromTimedelta(budget)

    async def work(client: Client) -> None:
        stub = schedule_pb2_grpc.ScheduleServiceStub(client.channel("scheduler"))
        request = schedule_pb2.CreateScheduleRequest(schedule=wanted)
        made = await client.call("scheduler", stub.CreateSchedule, request)
        if context.json:
            click.echo(documents.line(MessageToDict(made)))
        else:
            context.screen.print(_table([made]))

    context.run(work)


@schedule.command()
@click.argument("name", metavar="SCHEDULE")
@server_options
@shared_options
@pass_context
def remove(context: Context, *, name: str) -> None:
    """Remove a schedule; its runs stay."""
    request = schedule_pb2.DeleteScheduleRequest(
        name=name if name.startswith("schedules/") else f"schedules/{name}"
    )

    async def work(client: Client) -> None:
        stub = schedule_pb2_grpc.ScheduleServiceStub(client.channel("scheduler"))
        await client.call("scheduler", stub.DeleteSchedule, request)
        context.screen.note(f"removed {request.name}")

    context.run(work)


async def _list(context: Context, client: Client) -> None:
    stub = schedule_pb2_grpc.ScheduleServiceStub(client.channel("scheduler"))
    found = await client.call("scheduler", stub.ListSchedules, schedule_pb2.ListSchedulesRequest())
    if context.json:
        for one in found.schedules:
            click.echo(documents.line(MessageToDict(one)))
    elif found.schedules:
        context.screen.print(_table(found.schedules))
    else:
        context.screen.note("no schedules yet: ackrep schedule add --cron '30 2 * * *'")


def _table(schedules: Any) -> Table:
    table = tables.new_table()
    table.add_column("Schedule", style="cyan", no_wrap=True)
    for heading in ("When", "What", "Last", "Next"):
        table.add_column(heading)
    for one in schedules:
        table.add_row(
            documents.last(one.name),
            _when(one),
            tables.plain(" ".join(part for part in (one.title, one.filter) if part) or "all"),
            _last(one),
            one.next_time.ToDatetime(tzinfo=UTC).strftime("%a %d %b %H:%M UTC")
            if one.HasField("next_time")
            else "",
        )
    return table


def _when(one: schedule_pb2.Schedule) -> Text:
    if one.cron:
        return Text(one.cron + (" forced" if one.force else ""))
    if one.on_change:
        return Text("on change")
    said = f"older than {span(one.max_age.ToTimedelta().total_seconds())}"
    if one.HasField("daily_budget"):
        said += f", {span(one.daily_budget.ToTimedelta().total_seconds())} a day"
    return Text(said)


def _last(one: schedule_pb2.Schedule) -> Text:
    if one.last_error:
        return tables.plain(one.last_error, "red")
    if not one.HasField("last_time"):
        return Text("never", "dim")
    return Text(ago(one.last_time.ToDatetime(tzinfo=UTC)))
