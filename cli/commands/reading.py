"""`list`, `show`, `key` and `sync`: what is in the data repository."""

import secrets
import string
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from cli import documents, tables, upload
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.targets import quoted
from services.errors import InvalidArgumentError

_ALPHABET = string.ascii_uppercase + string.digits
TYPES = [
    documents.entity_type(catalog_pb2.EntityType.ValueType(value))
    for value in catalog_pb2.EntityType.values()
    if value
]
"""Types of entities, as metadata writes them."""


@click.command("list")
@click.option("--type", "type_", type=click.Choice(TYPES), help="Only entities of this type.")
@click.option("--tag", multiple=True, help="Only entities with this tag; may be repeated.")
@click.option("--text", multiple=True, help="Part of title, key, description or tags.")
@click.option("--environment", help="Only entities whose checks run in it.")
@server_options
@shared_options
@pass_context
def list_entities(
    context: Context,
    *,
    type_: str | None,
    tag: tuple[str, ...],
    text: tuple[str, ...],
    environment: str | None,
) -> None:
    """List entities."""
    given = [
        *([("type", type_)] if type_ else []),
        *(("tag", one) for one in tag),
        *(("text", one) for one in text),
        *([("environment", environment)] if environment else []),
    ]
    condition = " AND ".join(f"{field} = {quoted(value)}" for field, value in given)

    async def work(client: Client) -> None:
        await _refreshed(client, context)
        entities = await client.entities(condition)
        screen = context.screen
        if screen.json:
            for entity in entities:
                click.echo(documents.line(documents.of_entity(entity)))
            return
        if entities:
            screen.print(tables.entity_table(entities, width=screen.out.width))
        noun = "entity" if len(entities) == 1 else "entities"
        screen.err.print(Text(f"{len(entities)} {noun}", style="dim"))

    context.run(work, reading=True)


@click.command()
@click.argument("key")
@server_options
@shared_options
@pass_context
def show(context: Context, *, key: str) -> None:
    """Show everything known about an entity."""

    async def work(client: Client) -> None:
        await _refreshed(client, context)
        entity = await client.entity(key.upper())
        if context.json:
            click.echo(documents.line(documents.of_entity(entity)))
            return
        context.screen.print(_card(entity, page=client.system.page))

    context.run(work, reading=True)


def _card(entity: catalog_pb2.Entity, *, page: str) -> Group:
    head = Text.assemble((entity.key, "bold cyan"), "  ", tables.plain(entity.title, "bold"))
    return Group(
        head,
        tables.facts(
            (
                ("type", documents.entity_type(entity.type).replace("_", " ")),
                ("description", entity.short_description),
                ("folder", entity.path),
                ("creator", entity.creator),
                ("created", entity.creation_date),
                ("version", entity.version),
                ("tags", ", ".join(entity.tags)),
                ("estimated run time", entity.estimated_runtime),
                ("environment", documents.last(entity.environment)),
                ("notes", entity.notes),
                ("files", _files(entity)),
                ("refers to", _relations(entity.references)),
                ("referred to by", _relations(entity.referrers)),
                ("page", f"{page}e/{entity.key}" if page else ""),
                ("checkable", f"yes: ackrep check {entity.key}" if entity.checkable else "no"),
            )
        ),
    )


def _files(entity: catalog_pb2.Entity) -> str:
    names = [one.path for one in entity.files]
    shown = names[:20]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > len(shown) else "")


def _relations(relations: Iterable[catalog_pb2.Relation]) -> Text:
    lines = [
        Text.assemble(
            (documents.last(one.entity), "cyan"),
            " ",
            tables.plain(one.title) if one.title else Text("does not exist", style="red"),
            (f"  ({one.field})", "dim"),
        )
        for one in relations
    ]
    return Text("\n").join(lines)


@click.command()
@click.option("--with-label", is_flag=True, hidden=True, help="As the command of 2022 printed it.")
@shared_options
@pass_context
def key(context: Context, *, with_label: bool) -> None:
    """Print a random key that no entity has yet."""
    try:
        context.source()
    except InvalidArgumentError:
        if context.repository:
            raise
        used: set[str] = set()
        context.screen.note("no data repository here: the key may be in use somewhere")
    else:

        async def work(client: Client) -> set[str]:
            await _refreshed(client, context)
            return {entity.key for entity in await client.entities()}

        used = context.run(work, reading=True)
    new = random_key(used)
    if context.json:
        click.echo(documents.line({"key": new}))
    else:
        click.echo(f"Random entity-key:  {new}" if with_label else new)


def random_key(used: set[str]) -> str:
    """A key that is not in use."""
    while True:
        new = "".join(secrets.choice(_ALPHABET) for _ in range(5))
        if new not in used and not new.isdigit():  # YAML would read digits as a number
            return new


@click.command()
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@server_options
@shared_options
@pass_context
def sync(context: Context, *, path: Path | None) -> None:
    """Read the data repository again and say what is in it.

    A deployed system reads its own source; with PATH, or --repository and a folder, it is sent
    that working copy as a revision of its own, which does not become the current one.
    """
    start = None if path is None else path.resolve()
    local = context.local_source(start=start)

    async def work(client: Client) -> None:
        if context.deployed and local is not None:
            revision = await upload.uploaded(client, local, screen=context.screen)
        else:
            revision = await client.sync()
        if context.json:
            click.echo(documents.line(documents.of_named(revision)))
            return
        context.screen.print(tables.facts(revision_rows(revision)))

    context.run(work, start=start, reading=True)


def revision_rows(revision: catalog_pb2.Revision) -> list[tuple[str, RenderableType | str]]:
    """A revision in a few lines, for `tables.facts`."""
    if revision.error_count or revision.warning_count:
        problems = Text(
            f"{revision.error_count} errors, {revision.warning_count} warnings",
            style="red" if revision.error_count else "yellow",
        ).append("  (ackrep lint shows them)", style="dim")
    else:
        problems = Text("none", style="green")
    return [
        ("repository", revision.source),
        ("ref", revision.ref),
        ("revision", revision_label(revision)),
        ("entities", str(revision.entity_count)),
        ("diagnostics", problems),
    ]


def revision_label(revision: catalog_pb2.Revision) -> str:
    """Short name of a revision: its commit where there is one, else its tree."""
    if revision.commit:
        return revision.commit[:12]
    tree = documents.last(revision.name)[:12]
    if revision.base_commit:
        return f"{tree}, changed since commit {revision.base_commit[:12]}"
    return tree


async def _refreshed(client: Client, context: Context) -> None:
    """Reads a local folder again, so that what is shown is what is there now."""
    if not context.deployed and context.source().is_local:
        await client.sync()
