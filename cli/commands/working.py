"""`prepare` and `path`: for work on an entity by hand."""

from pathlib import Path

import click
from rich.text import Text

from cli import documents, execscripts, source, targets
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import shared_options
from services.errors import AlreadyExistsError, InvalidArgumentError


@click.command()
@click.argument("given", metavar="KEY|PATH")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it; by default execscript.py in the data repository's folder.",
)
@click.option("--show-plots", is_flag=True, help="Plots open windows, where the entity shows them.")
@click.option("--force", is_flag=True, help="Overwrite a file that `prepare` did not make.")
@shared_options
@pass_context
def prepare(
    context: Context, *, given: str, output: Path | None, show_plots: bool, force: bool
) -> None:
    """Write a plain Python script that runs an entity as its check does.

    The script needs no ACKREP service: debug it with pdb, an editor or a profiler, in a Python that
    has the packages of the entity's environment.
    """
    wanted = targets.read([given], folder=Path.cwd())
    where = context.source(start=wanted.start)
    root = _folder(where)
    target = (root / execscripts.NAME) if output is None else output.absolute()
    if target.is_dir():
        target /= execscripts.NAME

    async def work(client: Client) -> tuple[str, str]:
        await client.sync()
        key = await _one_key(client, wanted, root=root)
        entity = await client.entity(key)
        plan, closure = await execscripts.plan(client, key)
        return key, execscripts.text(
            plan,
            title=entity.title,
            data_root=root,
            environment=documents.last(closure.environment),
            name=target.name,
            shows=show_plots,
        )

    key, script = context.run(work, start=wanted.start, reading=True)
    if target.exists() and not force and not execscripts.is_ours(target):
        raise AlreadyExistsError(
            f"{target} is there already and was not made by `ackrep prepare`; name another file "
            "with --output, or overwrite it with --force"
        )
    target.write_text(script, encoding="utf-8")
    if context.json:
        click.echo(documents.line({"key": key, "path": str(target)}))
        return
    context.screen.print(Text.assemble("wrote ", (str(target), "bold")), soft_wrap=True)
    context.screen.note(f"run it:    python {target}")
    context.screen.note(f"debug it:  python -m pdb {target}")


async def _one_key(client: Client, wanted: targets.Targets, *, root: Path) -> str:
    keys = await targets.checkable_keys(client, wanted, root=root)
    if len(keys) != 1:
        raise InvalidArgumentError(
            "that folder holds several entities; name one of them, by key or by its own folder"
        )
    return keys[0]


def _folder(where: source.Source) -> Path:
    """The data repository's folder on this machine."""
    if where.root is None or where.ref:
        raise InvalidArgumentError(
            "this needs a data repository's working copy on this machine: a script runs its files"
        )
    return where.root.resolve()


@click.command()
@click.argument("key")
@click.option("--relative", is_flag=True, help="Below the data repository's folder.")
@click.option("--metadata", is_flag=True, help="Of its metadata.yml.")
@shared_options
@pass_context
def path(context: Context, *, key: str, relative: bool, metadata: bool) -> None:
    """Print the folder of an entity."""
    root = Path() if relative else _folder(context.source())

    async def work(client: Client) -> str:
        await client.sync()
        return (await client.entity(key.upper())).path

    found = root / context.run(work, reading=True)
    found = found / "metadata.yml" if metadata else found
    click.echo(documents.line({"key": key.upper(), "path": str(found)}) if context.json else found)
