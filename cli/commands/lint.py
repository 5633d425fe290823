"""`lint`: what is wrong with the metadata, as a compiler would say it."""

from pathlib import Path, PurePosixPath

import click

from ackrep.catalog.v1 import catalog_pb2
from cli import documents, reports, source, targets
from cli.client import Client
from cli.context import Context, pass_context
from cli.excerpts import Files
from cli.options import server_options, shared_options
from services.errors import InvalidArgumentError, NotFoundError

_WIDEST = 120
"""Columns that a line of a file is shown in, at most."""


@click.command()
@click.argument("path", required=False)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "github", "json"]),
    help="For people (the default), for GitHub's annotations, or as --json.",
)
@click.option(
    "--severity",
    type=click.Choice(reports.SEVERITIES),
    default="info",
    help="Show only what is at least so bad; by default everything.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@server_options
@shared_options
@pass_context
def lint(
    context: Context, *, path: str | None, format_: str | None, severity: str, strict: bool
) -> int:
    """Check metadata without running anything.

    PATH is a data repository, or a file or folder in one. Exits with 1 if there are errors.

    docs/diagnostics.md tells all codes.
    """
    if context.json and format_ not in (None, "json"):
        raise InvalidArgumentError(f"--json and --format {format_} contradict each other")
    context.json = context.json or format_ == "json"
    start = _start(context, path)
    below = _below(context, path, start)

    async def work(client: Client) -> list[catalog_pb2.Diagnostic]:
        await client.sync()
        found = [one for one in await client.diagnostics() if _within(one.path, below)]
        if below and not found and start is None:
            await _require_entities(client, below)
        return reports.ordered(found)

    found = context.run(work, start=start, reading=True)
    worst = reports.SEVERITIES.index(severity)
    shown = [
        one for one in found if reports.SEVERITIES.index(documents.severity(one.severity)) <= worst
    ]
    counts = [documents.severity(one.severity) for one in found]
    _show(context, shown, root=_root(context, start), github=format_ == "github")
    if not context.json:
        style = "red" if "error" in counts else "yellow" if "warning" in counts else "green"
        context.screen.note(reports.summary(found, hidden=len(found) - len(shown)), style=style)
    return 1 if "error" in counts or (strict and "warning" in counts) else 0


def _start(context: Context, path: str | None) -> Path | None:
    """The file or folder on this machine that is meant, if it is one.

    Raises:
        InvalidArgumentError: There is none, and the data repository is a folder here.
    """
    if path is None:
        return None
    place = Path(path).expanduser()
    named = context.deployed or bool(context.repository) or bool(context.ref)
    if not place.exists():
        if named and not _is_folder_here(context):
            return None
        raise InvalidArgumentError(f"there is no file or folder {path}", path=path)
    start = place.resolve()
    if named:
        return start if _is_folder_here(context) else None
    if source.root_of(start) is None:
        if not start.is_dir():
            raise InvalidArgumentError(f"{path} is not in a data repository")
        context.repository = str(start)
    return start


def _is_folder_here(context: Context) -> bool:
    """Whether the data repository that was named is a folder whose files are read as they are."""
    return not context.deployed and context.source().root is not None


def _below(context: Context, path: str | None, start: Path | None) -> str:
    """What is meant, as the catalog names it; empty for everything."""
    if path is None:
        return ""
    if start is not None:
        root = context.source(start=start).root
        return targets.below(start, root=root) if root is not None else ""
    return "/".join(part for part in PurePosixPath(path).parts if part not in (".", "/"))


def _root(context: Context, start: Path | None) -> Path | None:
    return None if context.deployed else context.source(start=start).root


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


async def _require_entities(client: Client, below: str) -> None:
    """Raises NotFoundError where nothing lies there."""
    parent = below.rpartition("/")[0] if "." in PurePosixPath(below).name else below
    if not await client.entities(f"path = {targets.quoted(parent or below)}"):
        raise NotFoundError(f"no entity is at {below} in this data repository")


def _show(
    context: Context, found: list[catalog_pb2.Diagnostic], *, root: Path | None, github: bool
) -> None:
    places = reports.Places(root, folder=Path.cwd())
    screen = context.screen
    drawn = screen.out.is_terminal and not screen.out.is_dumb_terminal
    files = Files(root if drawn else None)
    width = min(screen.out.width, _WIDEST)
    for one in found:
        if context.json:
            click.echo(documents.line(documents.of_diagnostic(one)))
        elif github:
            click.echo(reports.github(one, places=places))
        else:
            said = reports.text(one, places=places, files=files, width=width)
            screen.print(said, soft_wrap=not drawn)
