"""`record`, `export` and `verify`: results for whoever does not have this system."""

from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2
from cli import documents, exporting, tables, verdicts, verification
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from services.errors import NotFoundError


@click.command()
@click.argument("name", metavar="CHECK|KEY", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it, instead of to standard output.",
)
@click.option("--public-key", is_flag=True, help="The key that records are signed with, instead.")
@server_options
@shared_options
@pass_context
def record(context: Context, *, name: str | None, output: Path | None, public_key: bool) -> None:
    """Get the signed record of a check, or of the newest check of an entity.

    The record is an in-toto statement in a DSSE envelope: what was checked, in what, and what came
    out, with digests of every file. `ackrep verify` proves it without this system.
    """
    if bool(name) == public_key:
        raise click.UsageError("name a check or an entity, or ask for --public-key")

    async def work(client: Client) -> str:
        if public_key:
            return (await client.signing_key()).public_key
        check = await _newest(client, name or "")
        return (await client.record(check.name)).envelope

    text = context.run(work)
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    output.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    context.screen.note(f"wrote {output}")


async def _newest(client: Client, name: str) -> check_pb2.Check:
    """A check by its name or id; or the newest finished one of an entity."""
    if "/" in name or len(name) > 5:
        return await client.check(name if "/" in name else f"checks/{name}")
    finished = f"entity = {name.upper()} AND state = finished"
    found = await client.checks(finished, limit=1)
    if not found:
        raise NotFoundError(
            f"{name.upper()} was never checked here, so nothing can be said of it: "
            f"ackrep check {name.upper()}"
        )
    return await client.check(found[0].name)


@click.command()
@click.argument("key")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A folder, or a file that ends in .zip or .tar.gz; by default a folder named by the key.",
)
@click.option("--check", "name", metavar="CHECK", help="This check, instead of the newest.")
@server_options
@shared_options
@pass_context
def export(context: Context, *, key: str, output: Path | None, name: str | None) -> None:
    """Export an entity so that it runs, and can be verified, without ACKREP.

    The folder or archive holds the entity and all it depends on as they were checked, the versions
    of all packages, what the check produced, its signed record, the entity's history, and run.py,
    which runs it again with plain Python. It is an RO-Crate.
    """
    target = (output or Path(key.upper())).absolute()

    async def work(client: Client) -> exporting.Exported:
        check = await _newest(client, name or key)
        return await exporting.export(client, check, target=target)

    done = context.run(work)
    if context.json:
        click.echo(documents.line({"path": str(target), "check": done.check, "files": done.files}))
        return
    said = Text.assemble("wrote ", (str(target), "bold"), f"  {done.files} files, ")
    context.screen.print(said.append(tables.size(done.size)), soft_wrap=True)
    context.screen.note(f"prove it: ackrep verify {target}")


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Public key of the installation that is trusted; else the one in the export is used.",
)
@shared_options
@pass_context
def verify(context: Context, *, path: Path, key: Path | None) -> int:
    """Prove an export, or a record, without asking anybody.

    Every file has to be the one that was exported, the entity's folders and produced files those of
    the record, and the record signed by the key. Exits with 1 if anything is not so.
    """
    found = verification.verify(path, key=key.read_bytes() if key is not None else None)
    if context.json:
        click.echo(documents.line(found.document))
        return 0 if found.genuine else 1
    screen = context.screen
    for problem in found.problems:
        screen.print(Text.assemble(("✗ ", "bold red")).append_text(tables.plain(problem)))
    if not found.genuine:
        screen.print(Text("Not genuine.", style="bold red"))
        return 1
    word = verdicts.word(found.verdict)
    rows: list[tuple[str, RenderableType | str]] = [
        ("entity", found.entity),
        ("verdict", Text(word.label, word.style)),
        ("checked", found.finished),
        ("files", f"{found.files} as they were exported" if found.files else ""),
        ("signed by", found.signer),
    ]
    screen.print(Text("Genuine.", style="bold green"))
    screen.print(tables.facts(rows))
    if key is None:
        screen.note(
            "the key came with the export: whether it is that of whom you trust, its owner tells "
            "you (ackrep record --public-key); then verify with --key FILE",
            style="yellow",
        )
    return 0
