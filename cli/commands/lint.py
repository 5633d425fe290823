"""`lint`: what is wrong with the metadata, as a compiler would say it."""

from pathlib import Path

import click
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from cli import documents, source, tables, targets
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from services.errors import InvalidArgumentError

_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}


@click.command()
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@server_options
@shared_options
@pass_context
def lint(context: Context, *, path: Path | None) -> int:
    """Check metadata without running anything.

    PATH is a data repository, or a file or folder in one. Exits with 1 if there are errors.
    """
    start = path.resolve() if path is not None else None
    if start is not None and not context.repository and source.root_of(start) is None:
        if not start.is_dir():
            raise InvalidArgumentError(f"{path} is not in a data repository")
        context.repository = str(start)

    async def work(client: Client) -> list[catalog_pb2.Diagnostic]:
        await client.sync()
        return await client.diagnostics()

    found = context.run(work, start=start, reading=True)
    if start is not None and not context.deployed:
        root = context.source(start=start).root
        relative = targets.below(start, root=root) if root is not None else ""
        found = [one for one in found if _within(one.path, relative)]
    for one in found:
        if context.json:
            click.echo(documents.line(documents.of_diagnostic(one)))
        else:
            context.screen.print(_line(one), soft_wrap=True)
    errors = sum(documents.severity(one.severity) == "error" for one in found)
    warnings = sum(documents.severity(one.severity) == "warning" for one in found)
    if not context.json:
        style = "red" if errors else "yellow" if warnings else "green"
        context.screen.note(f"{errors} errors, {warnings} warnings", style=style)
    return 1 if errors else 0


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _line(one: catalog_pb2.Diagnostic) -> Text:
    severity = documents.severity(one.severity)
    place = tables.plain(one.path, "bold")
    if one.line:
        place.append(f":{one.line}")
        if one.column:
            place.append(f":{one.column}")
    text = Text.assemble(place, ": ", (f"{severity}:", _STYLES.get(severity, "")), " ")
    text.append_text(tables.plain(one.message))
    text.append(f" [{one.code}]", style="dim")
    if one.remedy:
        text.append("\n    ").append_text(tables.plain(one.remedy, "dim"))
    return text
