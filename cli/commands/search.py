"""`search`: find entities by their words."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import click
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from cli import documents, tables
from cli.client import Client
from cli.commands.reading import TYPES
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.screen import harmless
from cli.targets import quoted
from services.errors import InvalidArgumentError

_MATCH: Final = "bold yellow"
_FACET_VALUES: Final = 6
_TREE: Final = re.compile(r"[0-9a-f]{40}")
_LABELS: Final = {"short_description": ""}
"""Labels of snippets, where they are other than the field; a description speaks for itself."""


@click.command()
@click.argument("text", nargs=-1)
@click.option("--type", "type_", type=click.Choice(TYPES), help="Only entities of this type.")
@click.option("--tag", multiple=True, help="Only entities with this tag; may be repeated.")
@click.option("--creator", help="Part of a creator's name.")
@click.option("--environment", help="Only entities whose checks run in it.")
@click.option("--revision", metavar="ID", help="As of an indexed commit or git tree.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many entities.",
)
@server_options
@shared_options
@pass_context
def search(
    context: Context,
    *,
    text: tuple[str, ...],
    type_: str | None,
    tag: tuple[str, ...],
    creator: str | None,
    environment: str | None,
    revision: str | None,
    limit: int,
) -> None:
    """Find entities by words of their title, key, tags, description, creator, notes and path.

    All words have to occur; the last one may be the beginning of a word. "Quoted words" stand
    together, and a word after a minus must not occur: ackrep search 'lorenz "state space" -linear'.
    Of misspelt words the nearest ones are taken.
    """
    given = [
        *([("type", type_)] if type_ else []),
        *(("tag", one) for one in tag),
        *([("creator", creator)] if creator else []),
        *([("environment", environment)] if environment else []),
    ]
    request = search_pb2.SearchEntitiesRequest(
        query=" ".join(text),
        filter=" AND ".join(f"{field} = {quoted(value)}" for field, value in given),
        revision=_revision(revision),
    )

    async def work(client: Client) -> None:
        if not context.deployed and context.source().is_local:
            await client.sync()
        answer = await client.search(request, limit=limit)
        for correction in answer.corrections:
            context.screen.note(correction_line(correction), style="yellow")
        if context.json:
            for result in answer.results:
                click.echo(documents.line(documents.of_result(result)))
            return
        _print(context, answer, several=" " in request.query.strip())

    context.run(work, reading=True)


def _revision(text: str | None) -> str:
    if not text:
        return ""
    tree = text.removeprefix("revisions/")
    if not _TREE.fullmatch(tree):
        raise InvalidArgumentError(
            f"{text[:100]!r} is no revision: --revision takes the 40 digits of a commit or of a "
            "git tree, as `ackrep sync --json` names it in `id`"
        )
    return f"revisions/{tree}"


def correction_line(correction: search_pb2.Correction) -> str:
    """What was searched in place of a word, in a sentence."""
    replacements = " or ".join(f"'{word}'" for word in correction.replacements)
    return f"nothing has '{correction.word}'; showing {replacements}"


def _print(context: Context, answer: search_pb2.SearchEntitiesResponse, *, several: bool) -> None:
    screen = context.screen
    if answer.results:
        screen.print(result_table(answer.results))
    summary = facet_lines(answer.facets) if answer.total_size > 1 else []
    if summary:
        screen.print(tables.facts(summary))
    noun = "entity" if answer.total_size == 1 else "entities"
    shown = len(answer.results)
    more = f", the best {shown} shown (--limit)" if shown < answer.total_size else ""
    hint = "; every word has to occur, so fewer words find more" if several and not shown else ""
    screen.err.print(Text(f"{answer.total_size} {noun} found{more}{hint}", style="dim"))


def result_table(results: Iterable[search_pb2.SearchResult]) -> Table:
    """Entities that were found, with what was found in them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Key", no_wrap=True)
    table.add_column("Type", no_wrap=True)
    table.add_column("Found")
    for result in results:
        entity = result.entity
        by_field = {snippet.field: snippet for snippet in result.snippets}
        title, key = by_field.pop("title", None), by_field.pop("key", None)
        table.add_row(
            marked(key, "cyan") if key else Text(harmless(entity.key, colour=False), "cyan"),
            tables.plain(documents.entity_type(entity.type).replace("_", " ")),
            _found(entity, title, list(by_field.values())),
        )
    return table


def _found(
    entity: catalog_pb2.Entity,
    title: search_pb2.Snippet | None,
    others: Sequence[search_pb2.Snippet],
) -> RenderableType:
    lines = [marked(title, "bold") if title else tables.plain(entity.title, "bold")]
    if title:  # then the folder, which is named alike, says nothing new
        others = [snippet for snippet in others if snippet.field != "path"]
    if not others and entity.short_description:
        description = tables.plain(entity.short_description, "dim")
        description.truncate(160, overflow="ellipsis")
        lines.append(description)
    for snippet in others:
        label = _LABELS.get(snippet.field, f"{snippet.field}: ")
        lines.append(Text.assemble((label, "dim italic"), marked(snippet, "dim")))
    return Group(*lines)


def marked(snippet: search_pb2.Snippet, style: str) -> Text:
    """A snippet with its matches standing out."""
    text = Text(style=style)
    position = 0
    for span in snippet.matches:
        end = span.start + span.length
        text.append(_clean(snippet.text[position : span.start]))
        text.append(_clean(snippet.text[span.start : end]), style=f"not dim {_MATCH}")
        position = end
    text.append(_clean(snippet.text[position:]))
    return text


def _clean(piece: str) -> str:
    return harmless(piece, colour=False).replace("\n", " ").replace("\t", " ")


def facet_lines(
    facets: Iterable[search_pb2.Facet],
) -> list[tuple[str, RenderableType | str]]:
    """The most frequent values of each field, with their counts, for `tables.facts`."""
    lines: list[tuple[str, RenderableType | str]] = []
    for facet in facets:
        parts = [
            Text.assemble(
                tables.plain(
                    value.value.replace("_", " ") if facet.field == "type" else value.value
                ),
                (f" {value.count}", "cyan"),
            )
            for value in facet.values[:_FACET_VALUES]
        ]
        left = len(facet.values) - len(parts)
        if left > 0:
            parts.append(Text("…", style="dim"))
        if parts:
            lines.append((facet.field, Text("  ").join(parts)))
    return lines
