"""`ackrep env shell` and `ackrep env jupyter`: interactive sessions with the working copy."""

import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click

from ackrep.catalog.v1 import catalog_pb2
from ackrep.runner.v1 import workbench_pb2
from cli import targets
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import backend_options, server_options, shared_options
from cli.screen import Screen
from cli.workbench import jupyter as jupyter_session
from cli.workbench import shell as shell_session
from cli.workbench.changes import Changes
from cli.workbench.outgoing import Outgoing
from cli.workbench.restoring import Restoring
from services.errors import InvalidArgumentError, PreconditionError

_KEY: Final = re.compile(r"[A-Z0-9]{5}")
_NAMED: Final = 8

Opening = workbench_pb2.OpenWorkbench
Run = Callable[[Client, Opening, Outgoing, Changes], Awaitable[int]]


def _session_options(function: Any) -> Any:
    for option in (
        click.option(
            "--discard", is_flag=True, help="Leave the working copy as it is; do not ask."
        ),
        click.option("--keep", is_flag=True, help="Bring changed files back; do not ask."),
        click.option(
            "--folder",
            metavar="PATH",
            type=click.Path(path_type=Path),
            help="Folder to start in; by default this one.",
        ),
    ):
        function = option(function)
    return function


@click.command(name="shell")
@click.argument("name", metavar="NAME|KEY")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@_session_options
@backend_options
@server_options
@shared_options
@pass_context
def shell(
    context: Context,
    /,
    *,
    name: str,
    command: tuple[str, ...],
    folder: Path | None,
    keep: bool,
    discard: bool,
) -> int:
    """Open a shell in an environment, with the working copy in it.

    The copy is one: it lies in a container without a network, and what changes in it comes back
    only if you say so at the end. With a COMMAND that one runs instead; its exit status is ours.
    """
    opening = Opening(program=Opening.PROGRAM_SHELL, command=command)

    def run(
        client: Client, opening: Opening, outgoing: Outgoing, changes: Changes
    ) -> Awaitable[int]:
        return shell_session.run(client, opening, outgoing, changes, screen=context.screen)

    return _run(context, name, folder, opening, run, keep=keep, discard=discard)


@click.command(name="jupyter")
@click.argument("name", metavar="NAME|KEY")
@click.option("--port", type=click.IntRange(1, 65535), help="Port on this machine; 8888 if free.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@_session_options
@backend_options
@server_options
@shared_options
@pass_context
def jupyter(
    context: Context,
    /,
    *,
    name: str,
    port: int | None,
    no_browser: bool,
    folder: Path | None,
    keep: bool,
    discard: bool,
) -> int:
    """Open JupyterLab in an environment, with the working copy in it.

    Its kernels run in the environment, in a container without a network; the page is served to this
    machine alone. What was changed comes back only if you say so at the end.
    """
    opening = Opening(program=Opening.PROGRAM_JUPYTER)

    def run(
        client: Client, opening: Opening, outgoing: Outgoing, changes: Changes
    ) -> Awaitable[int]:
        return jupyter_session.run(
            client,
            opening,
            outgoing,
            changes,
            screen=context.screen,
            port=port or 0,
            browser=not no_browser,
        )

    return _run(context, name, folder, opening, run, keep=keep, discard=discard)


def _run(
    context: Context,
    name: str,
    folder: Path | None,
    opening: Opening,
    run: Run,
    *,
    keep: bool,
    discard: bool,
) -> int:
    if keep and discard:
        raise click.UsageError("--keep and --discard are opposites")
    source = context.source(start=folder)
    if source.root is None:
        raise InvalidArgumentError(
            f"{source} is no working copy: clone it, check out what you want, and go there"
        )
    opening.folder = _start_folder(folder, source.root)
    screen = context.screen
    with Outgoing(source.root) as outgoing, Changes(outgoing.sent) as changes:

        async def work(client: Client) -> int:
            opening.environment = f"environments/{await _environment(client, name)}"
            return await run(client, opening, outgoing, changes)

        try:
            status = context.run(work, start=folder, runner=True)
        except shell_session.Interrupted as error:
            screen.note("a signal ended the session; what it changed is lost", style="yellow")
            return error.status
        asks = not opening.command and sys.stdin.isatty() and sys.stderr.isatty()
        _bring_back(changes, outgoing, keep=keep, asks=asks and not discard, screen=screen)
        return status


async def _environment(client: Client, name: str) -> str:
    """The environment's name; of an entity's key, that entity's."""
    if not _KEY.fullmatch(name):
        return name.removeprefix("environments/")
    if not client.system.catalog:
        raise PreconditionError(
            f"{name} is the key of an entity, and the catalog was not named (--catalog); "
            "use the environment's name"
        )
    entity = await client.entity(name)
    if entity.type != catalog_pb2.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION:
        raise InvalidArgumentError(f"{name} is {entity.title}, which is no environment")
    return entity.title


def _start_folder(folder: Path | None, root: Path) -> str:
    here = (folder or Path.cwd()).resolve()
    if folder is None and not here.is_relative_to(root.resolve()):
        return ""
    if not here.is_dir():
        raise InvalidArgumentError(f"there is no folder {folder}")
    return targets.below(here, root=root)


def _bring_back(
    changes: Changes, outgoing: Outgoing, *, keep: bool, asks: bool, screen: Screen
) -> None:
    """Shows what changed, and writes it if that is wanted."""
    for line in [f"{path}: {reason}" for path, reason in outgoing.left_out.items()][:_NAMED]:
        screen.note(f"did not go along: {line}", style="yellow")
    for line in changes.skipped[:_NAMED]:
        screen.note(f"does not come back: {line}", style="yellow")
    if len(changes.skipped) > _NAMED:
        screen.note(f"… and {len(changes.skipped) - _NAMED} more", style="yellow")
    if not changes:
        screen.note("the session changed no file")
        return
    screen.err.print(changes.table())
    files = "1 file" if len(changes) == 1 else f"{len(changes)} files"
    if not keep and asks:
        keep = click.confirm(f"Bring {files} back into {outgoing.root}?", err=True)
    if not keep:
        screen.note("nothing was brought back" + ("" if asks else " (--keep does)"))
        return
    restoring = Restoring(outgoing.root, changes.sent)
    restoring.apply(changes.all)
    for remark in restoring.remarks:
        screen.note(remark, style="yellow")
    screen.note(f"{restoring.written} of {files} brought back", style="green")
