"""`check`, `watch` and `cancel`."""

from pathlib import Path

import click
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import scheduler_pb2
from cli import checking, documents, source, tables, targets, upload, verdicts
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import backend_options, server_options, shared_options
from cli.selection import Selection, requester, selection_options
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
    if not given and not selection.some:
        raise click.UsageError("nothing to check: give keys or paths, or --all")
    if given and selection.everything:
        raise click.UsageError("give keys and paths, or --all, not both")
    wanted = targets.read(given, folder=Path.cwd())
    local = context.local_source(start=wanted.start)
    root = local.root if local is not None else None
    where = f"environments/{environment.removeprefix('environments/')}" if environment else ""

    async def work(client: Client) -> int:
        await checking.require_backend(client, context.backend)
        revision = await _revision(client, context, local)
        keys = await targets.checkable_keys(client, wanted, root=root) if given else []
        await checking.runner_known(client)
        if len(keys) == 1 and not selection.narrows:
            single = scheduler_pb2.CreateCheckRequest(
                entity=f"entities/{keys[0]}",
                revision=revision.name,
                environment=where,
                force=force,
                requester=requester(),
            )
            return await checking.check_one(client, single, screen=context.screen, output=output)
        many = scheduler_pb2.CreateRunRequest(
            revision=revision.name,
            entities=[f"entities/{key}" for key in keys],
            environment=where,
            force=force,
            requester=requester(),
        )
        await selection.apply(many, client=client, revision=revision)
        try:
            outcome = await checking.check_many(client, many, screen=context.screen, output=output)
        except InvalidArgumentError as error:
            if "nothing_selected" not in error.facts or not selection.narrows:
                raise
            context.screen.note(error.message)
            return 0
        return outcome.code

    return context.run(work, start=wanted.start)


async def _revision(
    client: Client, context: Context, local: source.Source | None
) -> catalog_pb2.Revision:
    """The state to check: what is in the folder now, wherever the catalog is."""
    if context.deployed and local is not None:
        revision = await upload.uploaded(client, local, screen=context.screen)
        client.revision_name = revision.name
        return revision
    return await checking.refreshed(client, context.screen)


@click.command()
@click.argument("name", metavar="CHECK")
@server_options
@shared_options
@pass_context
def watch(context: Context, *, name: str) -> int:
    """Follow a check from its beginning to its verdict, also after it has finished."""

    async def work(client: Client) -> int:
        found = await client.check(_check_name(name))
        key = documents.last(found.entity)
        client.revision_name = found.revision  # only an uploaded working copy may have it
        try:
            entity = await client.entity(key)
        except NotFoundError:  # no longer indexed
            entity = catalog_pb2.Entity(key=key)
        return await checking.present_check(client, found, entity, screen=context.screen)

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
