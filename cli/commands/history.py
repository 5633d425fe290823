"""`groups`, `matrix` and `history`: what all results say together."""

import click
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2
from cli import documents, history_tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.history_calls import HistoryCalls
from cli.options import server_options, shared_options


@click.command()
@click.argument("run", required=False, default="")
@click.option("--excerpts", is_flag=True, help="Show the end of a traceback of each group.")
@server_options
@shared_options
@pass_context
def groups(context: Context, *, run: str, excerpts: bool) -> None:
    """Group failures by their cause: one line for each.

    RUN is a run's id, or the time in UTC when it began, or the beginning of that, e.g.
    2022-11-04T10:49. Without it: the newest check of each entity.
    """

    async def work(client: Client) -> None:
        calls = HistoryCalls(client)
        name = await calls.run_named(run) if run else ""
        found = await calls.groups(name)
        screen = context.screen
        if screen.json:
            for group in found.groups:
                click.echo(documents.line(history_tables.group_document(group)))
            return
        if found.groups:
            screen.print(history_tables.group_table(found.groups, width=screen.out.width))
        if excerpts:
            screen.print(*history_tables.excerpts(found.groups))
        failures, causes = found.failure_count, len(found.groups)
        screen.err.print(
            Text(
                f"{failures} failure{'s' * (failures != 1)}, {causes} cause{'s' * (causes != 1)}",
                style="dim",
            )
        )

    context.run(work)


@click.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--run", "runs", metavar="RUN", multiple=True, help="These runs; may be repeated.")
@click.option(
    "--runs", "count", type=click.IntRange(1, 200), default=20, show_default=True,
    help="So many of the newest runs.",
)  # fmt: skip
@click.option("--failing", is_flag=True, help="Only entities that did not always pass.")
@server_options
@shared_options
@pass_context
def matrix(
    context: Context, *, keys: tuple[str, ...], runs: tuple[str, ...], count: int, failing: bool
) -> None:
    """Show runs beside each other: the verdict of each entity in each run, oldest run left.

    Of all entities, or of those with these keys. RUN as for `ackrep groups`.
    """

    async def work(client: Client) -> None:
        calls = HistoryCalls(client)
        found = await calls.matrix(
            runs=[await calls.run_named(run) for run in runs],
            count=count,
            entities=[f"entities/{key.upper()}" for key in keys],
        )
        if failing:
            rows = [
                row
                for row in found.rows
                if any(cell.verdict != check_pb2.VERDICT_SUCCESS for cell in row.cells)
            ]
            del found.rows[:]
            found.rows.extend(rows)
        screen = context.screen
        if screen.json:
            for row in found.rows:
                click.echo(documents.line(history_tables.row_document(row, found)))
            return
        if found.rows:
            screen.print(history_tables.matrix_drawing(found, width=screen.out.width))
        screen.err.print(Text(history_tables.matrix_summary(found), style="dim"))

    context.run(work)


@click.command()
@click.argument("key")
@click.option("--limit", type=click.IntRange(0, 100_000), default=20, show_default=True)
@server_options
@shared_options
@pass_context
def history(context: Context, *, key: str, limit: int) -> None:
    """Show how an entity fared: when it passed last, since when it fails, and its checks.

    With --json: one object about the entity, then one for each check, newest first.
    """

    async def work(client: Client) -> None:
        calls = HistoryCalls(client)
        found = await calls.entity(key.upper())
        points = await calls.points(key.upper(), limit=limit)
        screen = context.screen
        if screen.json:
            click.echo(documents.line(history_tables.history_document(found)))
            for point in points:
                click.echo(documents.line(history_tables.point_document(point)))
            return
        screen.print(history_tables.history_card(found))
        if points:
            screen.print(history_tables.point_table(points, width=screen.out.width))

    context.run(work)
