"""`backup` and `restore`: a copy of all that the scheduler keeps, made, proved, brought back."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from ackrep.scheduler.v1 import maintenance_pb2, maintenance_pb2_grpc
from cli import children
from cli.calls import errors
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.screen import Screen
from services.errors import Error, InvalidArgumentError, PreconditionError, UnavailableError

_SECONDS = 24 * 3600.0
_NAMES = {
    "create_time": "createTime",
    "read_checks": "readChecks",
    "read_artefacts": "readArtefacts",
    "missing": "missingArtefacts",
}
"""Words of the scheduler, as all documents of `--json` write them."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@server_options
@shared_options
@pass_context
def backup(context: Context, *, file: Path) -> None:
    """Copy all checks, runs, results and artefacts into a tar file, while the system works.

    The copy is of one moment, and the same whatever database the system has. Prove it with
    `ackrep restore FILE --verify`. An existing file is not overwritten.
    """
    if file.exists():
        raise InvalidArgumentError(f"{file} is there already; name another file")
    if not file.absolute().parent.is_dir():
        raise InvalidArgumentError(f"there is no folder {file.absolute().parent}")

    async def work(client: Client) -> None:
        summary = await _receive(client, file, context.screen)
        if context.json:
            click.echo(json.dumps(_document(file, summary)))
            return
        _tell(context.screen, file, summary)

    context.run(work)


async def _receive(client: Client, file: Path, screen: Screen) -> maintenance_pb2.BackupSummary:
    """Writes a copy beside its place, and gives it its name when it is whole and on the disk."""
    stub = maintenance_pb2_grpc.MaintenanceServiceStub(client.channel("scheduler"))
    summary = maintenance_pb2.BackupSummary()
    partial = file.with_name(f".{file.name}.part")
    try:
        with _progress(screen, "copying the database") as progress, errors("scheduler"):
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as target:  # noqa: ASYNC230  # written as it arrives
                request = maintenance_pb2.CreateBackupRequest()
                async for part in stub.CreateBackup(request, timeout=_SECONDS):
                    if part.WhichOneof("part") == "summary":
                        summary = part.summary
                        progress.begin(summary.size, "saving")
                    else:
                        target.write(part.data)
                        progress.at(target.tell())
                if target.tell() != summary.size:
                    raise UnavailableError("the scheduler ended the copy before it was whole")
                target.flush()
                os.fsync(target.fileno())
        partial.rename(file)
    except OSError as error:
        raise UnavailableError(f"cannot write {file}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return summary


def _document(file: Path, summary: maintenance_pb2.BackupSummary) -> dict[str, Any]:
    return {
        "file": str(file),
        "bytes": summary.size,
        "checks": summary.check_count,
        "runs": summary.run_count,
        "artefacts": summary.artefact_count,
        "missingArtefacts": list(summary.missing_artefacts),
        "schema": summary.schema,
    }


def _tell(screen: Screen, file: Path, summary: maintenance_pb2.BackupSummary) -> None:
    screen.print(
        Text.assemble(
            ("saved ", "green"),
            (str(file), "bold"),
            f": {_counted(summary.check_count, 'check')}, {_counted(summary.run_count, 'run')}, "
            f"{_counted(summary.artefact_count, 'artefact')}, {_size(summary.size)}",
        ),
        soft_wrap=True,
    )
    if summary.missing_artefacts:
        screen.err.print(
            Text(
                f"{_counted(len(summary.missing_artefacts), 'artefact')} could not be saved: the "
                f"store has lost them, e.g. {summary.missing_artefacts[0]}",
                style="yellow",
            ),
            soft_wrap=True,
        )
    screen.note(f"prove it: ackrep restore {file} --verify")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--verify", is_flag=True, help="Prove the copy in a scratch place; change nothing.")
@click.option(
    "--into-database",
    metavar="URL",
    envvar="ACKREP_RESTORE_DATABASE",
    help="Restore into this empty database (SQLAlchemy URL: sqlite or postgresql).",
)
@click.option(
    "--artefacts",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the artefacts, empty or not there yet; with --into-database.",
)
@shared_options
@pass_context
def restore(
    context: Context,
    *,
    file: Path,
    verify: bool,
    into_database: str | None,
    artefacts: Path | None,
) -> None:
    """Prove a copy that `ackrep backup` made, or bring it back into an empty system.

    Both do the same: every byte is compared with its digest, the rows of each table with theirs,
    and the result is opened and read as the scheduler does. What was running waits again.
    """
    if verify == bool(artefacts) or (not verify and not into_database):
        raise click.UsageError("give --verify, or --into-database URL and --artefacts DIR")
    wishes = {"file": str(file.absolute())}
    if not verify:
        wishes |= {
            "database": str(into_database),
            "artefacts": str(artefacts and artefacts.absolute()),
        }
    restored = _run(wishes, file, context.screen)
    if context.json:
        named = {_NAMES.get(name, name): value for name, value in restored.items()}
        click.echo(json.dumps({"file": str(file), "verified": verify, **named}))
        return
    _tell_restored(context.screen, file, restored, verify=verify)


def _run(wishes: dict[str, str], file: Path, screen: Screen) -> dict[str, Any]:
    """Lets the scheduler's own code do it, in a process of its own."""
    with (
        _progress(screen, "") as progress,
        subprocess.Popen(
            children.module_command("services.scheduler.backup"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        progress.begin(file.stat().st_size, "comparing")
        if process.stdin is None or process.stdout is None:
            raise Error("a process has no pipes")
        with contextlib.suppress(BrokenPipeError):  # it ended already: its output says why
            json.dump(wishes, process.stdin)
            process.stdin.close()
        for line in process.stdout:
            said = json.loads(line)
            if "bytes" in said:
                progress.at(said["bytes"])
            elif "restored" in said:
                restored: dict[str, Any] = said["restored"]
                return restored
            else:
                raise PreconditionError(said["error"]["message"])
    raise Error("restoring ended without a word; the lines above say why")


def _tell_restored(screen: Screen, file: Path, found: dict[str, Any], *, verify: bool) -> None:
    rows = _counted(found["rows"], "row")
    read_back = f"{_counted(found['read_checks'], 'newest check')} read back as the scheduler does"
    lines = [
        f"{_size(found['bytes'])} read, each byte accounted for",
        f"{_counted(found['artefacts'], 'artefact')} with their digests",
        f"{rows} of {_counted(found['tables'], 'table')} with theirs, on the way in and out again",
        f"{_counted(found['checks'], 'check')} and {_counted(found['runs'], 'run')}",
        f"{read_back}, with {_counted(found['read_artefacts'], 'file')}",
    ]
    if found["requeued"]:
        lines.append(f"{_counted(found['requeued'], 'check')} that ran then will wait again")
    head = "proved " if verify else "restored "
    made = f": made {found['create_time']} by {found['version']}, schema {found['schema']}"
    screen.print(Text.assemble((head, "green"), (str(file), "bold"), made), soft_wrap=True)
    for line in lines:
        screen.print(Text(f"  {line}"), soft_wrap=True)
    if found["missing"]:
        text = f"  {_counted(len(found['missing']), 'artefact')} had been lost before the copy"
        screen.print(Text(text, style="yellow"), soft_wrap=True)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


class _Bar:
    """How many bytes of a file are there."""

    def __init__(self, progress: Progress, text: str) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=None)

    def begin(self, total: int, text: str) -> None:
        self._progress.update(self._task, total=total, description=text)

    def at(self, position: int) -> None:
        self._progress.update(self._task, completed=position)


@contextlib.contextmanager
def _progress(screen: Screen, text: str) -> Iterator[_Bar]:
    """Draws a bar on a terminal, and nothing elsewhere."""
    with Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=screen.err,
        transient=True,
        disable=not screen.animated,
    ) as progress:
        yield _Bar(progress, text)
