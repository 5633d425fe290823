"""`tex` and `pdf`: parameter tables and documents of system models."""

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ackrep.catalog.v1 import catalog_pb2
from ackrep.runner.v1 import document_pb2, document_pb2_grpc
from cli import checking, documents, rendering, targets
from cli.calls import errors
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import backend_options, server_options, shared_options
from cli.source import Source
from services.errors import (
    Error,
    InvalidArgumentError,
    NotCheckableError,
    NotFoundError,
    PreconditionError,
)

_SECONDS = 1800.0


@click.command()
@click.argument("given", metavar="KEY|PATH")
@click.option("--write", is_flag=True, help="Write it into the working copy.")
@click.option("--check", "compare", is_flag=True, help="Exit with 1 if the file there differs.")
@backend_options
@server_options
@shared_options
@pass_context
def tex(context: Context, *, given: str, write: bool, compare: bool) -> int:
    """Make the parameter table of a system model from its parameters.py.

    Prints TeX, or writes `parameters.tex` to where the model has its documentation.
    """
    if write and compare:
        raise click.UsageError("give --write or --check, not both")
    wanted = targets.read([given], folder=Path.cwd())
    source = context.local_source(start=wanted.start)

    async def work(client: Client) -> int:
        key = await _key(client, context, wanted, source)
        request = document_pb2.RenderParametersRequest(
            name=f"entities/{key}", revision=client.revision_name
        )
        with _of_entities():
            made = await client.call(
                "runner", _stub(client).RenderParameters, request, timeout=_SECONDS
            )
        if not (write or compare):
            if context.json:
                click.echo(documents.line({"entity": key, "path": made.path, "tex": made.tex}))
            else:
                tex = rendering.shown(made.tex, terminal=sys.stdout.isatty())
                click.echo(tex, nl=not tex.endswith("\n"))
            return 0
        if source is None or source.root is None:
            raise InvalidArgumentError("this data repository is no folder here; print it instead")
        return _compared(context, source.root, made, write=write)

    return context.run(work, start=wanted.start)


def _compared(
    context: Context, root: Path, made: document_pb2.RenderParametersResponse, *, write: bool
) -> int:
    """Writes or compares the file in the working copy, and says whether it differs."""
    content = made.tex.encode()
    same = rendering.read(root, made.path) == content
    if context.json:
        click.echo(documents.line({"path": made.path, "changed": not same, "written": write}))
    elif same:
        context.screen.note(f"{made.path} is up to date", style="green")
    elif not write:
        context.screen.note(f"{made.path} differs from parameters.py", style="yellow")
    if same or not write:
        return 0 if same else 1
    rendering.write(root, made.path, content)
    if not context.json:
        context.screen.note(f"wrote {made.path}", style="green")
    return 0


@click.command()
@click.argument("given", metavar="[KEY|PATH]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="One PDF for each documented system model.")
@click.option("--list", "catalogue", is_flag=True, help="One PDF of all documented system models.")
@click.option("--no-plots", is_flag=True, help="Without plots, which takes no run of the models.")
@click.option("--output", metavar="PATH", type=click.Path(path_type=Path), help="File, or folder.")
@backend_options
@server_options
@shared_options
@pass_context
def pdf(
    context: Context,
    *,
    given: tuple[str, ...],
    everything: bool,
    catalogue: bool,
    no_plots: bool,
    output: Path | None,
) -> int:
    """Set documents of system models.

    One key makes KEY.pdf; several, or --list, make one PDF with a table of contents; --all makes a
    file for each. Nothing is written into the data repository unless --output says so.
    """
    if bool(given) + everything + catalogue != 1:
        raise click.UsageError("give keys or paths, or --all, or --list")
    wanted = targets.read(given, folder=Path.cwd())
    source = context.local_source(start=wanted.start)

    async def work(client: Client) -> int:
        if everything:
            await _ready(client, context)
            keys = await _documented(client)
            folder = output or Path("ackrep_pdf")
            return await _each(client, context, keys, folder=folder, plots=not no_plots)
        keys = [] if catalogue else await _keys(client, context, wanted, source)
        if catalogue:
            await _ready(client, context)
        name = f"{keys[0]}.pdf" if len(keys) == 1 else "system_models.pdf"
        target = rendering.target(output, name)
        await _render(client, context, keys, target=target, plots=not no_plots)
        return 0

    return context.run(work, start=wanted.start)


async def _each(
    client: Client, context: Context, keys: Sequence[str], *, folder: Path, plots: bool
) -> int:
    """One file for each key; the exit code is 1 if one could not be made."""
    if not keys:
        raise NotFoundError("no system model here has a documentation.tex")
    failed = 0
    for key in keys:
        try:
            await _render(client, context, [key], target=folder / f"{key}.pdf", plots=plots)
        except PreconditionError as error:
            failed += 1
            context.screen.note(error.message, style="red")
    if not context.json:
        context.screen.note(f"{len(keys) - failed} of {len(keys)} documents are in {folder}")
    return 1 if failed else 0


async def _render(
    client: Client, context: Context, keys: Sequence[str], *, target: Path, plots: bool
) -> None:
    request = document_pb2.RenderDocumentRequest(
        entities=[f"entities/{key}" for key in keys],
        revision=client.revision_name,
        without_plots=not plots,
    )
    with _of_entities(), errors("runner"):
        messages = _stub(client).RenderDocument(request, timeout=_SECONDS)
        size = await rendering.save(messages, target, screen=context.screen)
    if context.json:
        click.echo(documents.line({"entities": list(keys), "path": str(target), "size": size}))
    else:
        context.screen.note(f"{target} ({size / 1000:.0f} kB)", style="green")


@contextlib.contextmanager
def _of_entities() -> Iterator[None]:
    """What the runner refuses is the entities' fault, unless it has no environment for them."""
    try:
        yield
    except PreconditionError as error:
        if type(error) is not PreconditionError:
            raise
        raise NotCheckableError(error.message) from error


def _stub(client: Client) -> document_pb2_grpc.DocumentServiceStub:
    if not client.system.runner:
        raise Error("documents are made by a runner, and this system names none")
    return document_pb2_grpc.DocumentServiceStub(client.channel("runner"))


async def _ready(client: Client, context: Context) -> None:
    """The state of the folder now, which documents are to show."""
    await checking.require_backend(client, context.backend)
    revision = await checking.refreshed(client, context.screen)
    client.revision_name = revision.name


async def _key(
    client: Client, context: Context, wanted: targets.Targets, source: Source | None
) -> str:
    keys = await _keys(client, context, wanted, source)
    if len(keys) != 1:
        raise InvalidArgumentError("that are several entities; name one")
    return keys[0]


async def _keys(
    client: Client, context: Context, wanted: targets.Targets, source: Source | None
) -> list[str]:
    await _ready(client, context)
    root = source.root if source is not None else None
    return await targets.checkable_keys(client, wanted, root=root)


async def _documented(client: Client) -> list[str]:
    """Keys of the system models that have a documentation, in order."""
    found = await client.entities("type = system_model")
    full = [await client.entity(entity.key) for entity in found]
    return sorted(entity.key for entity in full if _is_documented(entity))


def _is_documented(entity: catalog_pb2.Entity) -> bool:
    name = re.compile(r"(_system_model_data|_data)/do[ck]umentation\.tex")
    return any(name.fullmatch(file.path) for file in entity.files)
