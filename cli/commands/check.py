"""`check`, `watch` and `cancel`."""

from pathlib import Path

import click
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from cli import (
    asking,
    checking,
    documents,
    rechecking,
    tables,
    targets,
    verdicts,
)
from cli.checking import Outcome
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import backend_options, server_options, shared_options
from cli.selection import Selection, selection_options
from services.errors import InvalidArgumentError, NotFoundError


@click.command()
@click.argument("given", metavar="[KEY|PATH]...", nargs=-1)
@selection_options
@click.option("--force", is_flag=True, help="Run even where an equal result exists.")
@click.option("--environment", metavar="NAME", help="Environment instead of the entity's own.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Save plots and other produced files there.",
)
@click.option("--watch", is_flag=True, help="Check again at each save, what it affects.")
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the verdicts as JUnit XML.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "github", "json"]),
    help="For people (the default), with GitHub's annotations after it, or as --json.",
)
@backend_options
@server_options
@shared_options
@pass_context
def check(
    context: Context,
    *,
    given: tuple[str, ...],
    selection: Selection,
    force: bool,
    environment: str | None,
    output: Path | None,
    watch: bool,
    junit: Path | None,
    format_: str | None,
) -> int:
    """Check entities as they are in the working tree now.

    KEY is an entity's key, PATH its folder, a file in it, or a folder of several entities.
    A deployed system is sent what it lacks of the working copy that holds PATH, or that
    --repository names; without either, it checks what its own catalog reads.

    --changed, --failed, --type and --tag narrow what is checked; of several, all have to hold.

    One entity: its log as it comes, then its verdict. Several: progress, then a table.

    Exits with 0 success, 2 inaccurate, 1 script error or limit, 3 infrastructure error,
    4 cancelled; of several the worst in the order 3, 1, 2, 4, 0.
    """
    if context.json and format_ not in (None, "json"):
        raise InvalidArgumentError(f"--json and --format {format_} contradict each other")
    context.json = context.json or format_ == "json"
    if not given and not selection.some:
        raise click.UsageError("nothing to check: give keys or paths, or --all")
    if given and selection.everything:
        raise click.UsageError("give keys and paths, or --all, not both")
    if watch and (context.deployed or junit or format_ == "github"):
        raise click.UsageError("--watch is for people at a working copy of their own")
    wanted = targets.read(given, folder=Path.cwd())
    asked = asking.Asked(
        context=context,
        wanted=wanted,
        selection=selection,
        force=force,
        environment=environment or "",
        output=output,
        local=context.local_source(start=wanted.start),
    )

    async def work(client: Client) -> int:
        await checking.require_backend(client, context.backend)
        revision = await asked.revision(client)
        await checking.runner_known(client)
        if watch:

            async def one_round(now: catalog_pb2.Revision, before: str) -> Outcome | None:
                return await asked.check(client, now, since=before)

            return await rechecking.keep_checking(
                client, revision, one_round, screen=context.screen
            )
        outcome = await asked.check(client, revision)
        checks = outcome.checks if outcome else ()
        if junit is not None or format_ == "github":
            await asked.report(client, checks, junit=junit, github=format_ == "github")
        return outcome.code if outcome else 0

    return context.run(work, start=wanted.start)


@click.command()
@click.argument("name", metavar="CHECK")
@server_options
@shared_options
@pass_context
def watch(context: Context, *, name: str) -> int:
    """Follow a check from its beginning to its verdict, also after it has finished."""
    local = None if context.deployed else context.source()
    root = local.root if local is not None and not local.ref else None

    async def work(client: Client) -> int:
        found = await client.check(_check_name(name))
        key = documents.last(found.entity)
        client.revision_name = found.revision  # only an uploaded working copy may have it
        try:
            entity = await client.entity(key)
        except NotFoundError:  # no longer indexed
            entity = catalog_pb2.Entity(key=key)
        watched = await checking.present_check(
            client, found, entity, screen=context.screen, root=root
        )
        return watched.code

    return context.run(work)


@click.command()
@click.argument("name", metavar="CHECK")
@server_options
@shared_options
@pass_context
def cancel(context: Context, *, name: str) -> None:
    """Stop a check."""

    async def work(client: Client) -> None:
        found = await client.cancel(_check_name(name))
        if context.json:
            click.echo(documents.line(documents.of_check(found, page=client.system.page)))
            return
        word = verdicts.word(found.verdict)
        said = Text(word.sentence, word.style) if word.name else Text("asked to stop")
        context.screen.print(Text(f"{documents.last(found.entity)}  ", "cyan").append_text(said))

    context.run(work)


@click.command()
@click.argument("key")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@server_options
@shared_options
@pass_context
def results(context: Context, *, key: str, limit: int) -> None:
    """Show the checks of an entity, newest first."""

    async def work(client: Client) -> None:
        found = await client.checks(f"entity = {key.upper()}", limit=limit)
        if context.json:
            for one in found:
                document = documents.of_check(one, page=client.system.page)
                click.echo(documents.line(document))
            return
        if found:
            context.screen.print(tables.history_table(found))
        else:
            context.screen.note(f"{key.upper()} was never checked: ackrep check {key.upper()}")

    context.run(work)


@click.command()
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@server_options
@shared_options
@pass_context
def runs(context: Context, *, limit: int) -> None:
    """Show runs (groups of checks), newest first."""

    async def work(client: Client) -> None:
        found = await client.runs(limit=limit)
        if context.json:
            for one in found:
                click.echo(documents.line(documents.of_named(one)))
            return
        if found:
            context.screen.print(tables.run_table(found))
        else:
            context.screen.note("no runs yet: ackrep check --all")

    context.run(work)


def _check_name(text: str) -> str:
    return text if text.startswith("checks/") else f"checks/{text}"
