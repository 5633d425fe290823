"""`import-results` and `export-results`: runs as files of the 2022 results format."""

import collections
import os
import secrets
from pathlib import Path

import click
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2, history_pb2
from cli import documents, tables, verdicts
from cli.client import Client
from cli.context import Context, pass_context
from cli.history_calls import HistoryCalls
from cli.options import server_options, shared_options
from cli.verdicts import USAGE
from services.errors import (
    Error,
    InvalidArgumentError,
    PreconditionError,
    ResourceExhaustedError,
)

_PATTERN = "ci_results__*.yaml"
_REFUSALS = (InvalidArgumentError, PreconditionError, ResourceExhaustedError)
"""Errors of one file, which leave the others to be imported."""


@click.command("import-results")
@click.argument("path", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@server_options
@shared_options
@pass_context
def import_results(context: Context, *, path: Path) -> int:
    """Take over runs of the 2022 results format: files ci_results__*.yaml.

    Files that were imported before change nothing. A file that is not of the format is named with
    line and field, and the others are imported; the exit code is 64 then.
    """
    files = sorted(path.glob(_PATTERN)) if path.is_dir() else [path]
    if not files:
        raise InvalidArgumentError(f"{path} has no files {_PATTERN}")

    async def work(client: Client) -> int:
        calls = HistoryCalls(client)
        bar = _bar("importing", total=len(files))
        answers: list[history_pb2.ImportRunResponse] = []
        refused = 0
        with context.screen.live(bar):
            for file in files:
                try:
                    answer = await calls.import_run(file.name, file.read_bytes())
                except _REFUSALS as error:
                    refused += 1
                    _refused(context, file.name, error)
                else:
                    answers.append(answer)
                    if context.json:
                        click.echo(documents.line(_document(file.name, answer)))
                bar.advance(bar.task_ids[0])
        if not context.json:
            context.screen.print(tables.facts(_summary(answers, refused=refused)))
        return USAGE if refused else 0

    return context.run(work)


@click.command("export-results")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--run", "runs", metavar="RUN", multiple=True, help="Only these; may be repeated.")
@click.option("--force", is_flag=True, help="Replace files that hold something else.")
@server_options
@shared_options
@pass_context
def export_results(context: Context, *, folder: Path, runs: tuple[str, ...], force: bool) -> int:
    """Write runs in the 2022 results format, one file each; all finished ones, or those named.

    RUN as for `ackrep groups`. Imported runs are written as they were.
    """

    async def work(client: Client) -> int:
        calls = HistoryCalls(client)
        if runs:
            names = [await calls.run_named(run) for run in runs]
        else:
            found = [run async for run in calls.runs()]
            names = [run.name for run in found if run.finished_count >= run.check_count]
            if open_runs := len(found) - len(names):
                context.screen.note(f"{open_runs} runs are not finished, and are left out")
        folder.mkdir(parents=True, exist_ok=True)
        bar = _bar("exporting", total=len(names))
        counts: collections.Counter[str] = collections.Counter()
        with context.screen.live(bar):
            for name in reversed(names):
                answer = await calls.export_run(name)
                what = _write(folder / Path(answer.file_name).name, answer.content, force=force)
                counts[what] += 1
                if context.json:
                    file = {"file": answer.file_name, "run": name, "what": what}
                    click.echo(documents.line(file))
                elif what == "refused":
                    context.screen.note(
                        f"{answer.file_name} holds something else, and was left as it is "
                        f"(--force replaces it)",
                        style="red",
                    )
                bar.advance(bar.task_ids[0])
        if not context.json:
            rows = [(what, str(count)) for what, count in sorted(counts.items())]
            context.screen.print(tables.facts([("folder", str(folder)), *rows]))
        return USAGE if counts["refused"] else 0

    return context.run(work)


def _bar(title: str, *, total: int) -> Progress:
    bar = Progress(TextColumn(title), BarColumn(), MofNCompleteColumn())
    bar.add_task(title, total=total)
    return bar


def _refused(context: Context, name: str, error: Error) -> None:
    if context.json:
        click.echo(documents.line({"file": name, "error": error.message}))
    else:
        context.screen.note(error.message, style="red")


def _document(name: str, answer: history_pb2.ImportRunResponse) -> dict[str, object]:
    run = answer.run
    return {
        "file": name,
        "run": run.name,
        "created": answer.created,
        "checks": run.check_count,
        "verdicts": {verdicts.word(one.verdict).name: one.count for one in run.verdicts},
    }


def _summary(
    answers: list[history_pb2.ImportRunResponse], *, refused: int
) -> list[tuple[str, RenderableType | str]]:
    counts: collections.Counter[check_pb2.Verdict.ValueType] = collections.Counter()
    for answer in answers:
        for one in answer.run.verdicts:
            counts[one.verdict] += one.count
    times = sorted(answer.run.create_time.ToDatetime() for answer in answers)
    created = sum(answer.created for answer in answers)
    words = [
        Text(f"{counts[verdict]} {verdicts.word(verdict).label}", verdicts.word(verdict).style)
        for verdict in sorted(counts)
    ]
    return [
        ("imported", f"{created} runs" if created else "nothing new"),
        ("there already", f"{len(answers) - created} runs" if len(answers) - created else ""),
        ("refused", Text(f"{refused} files", style="red") if refused else ""),
        ("from", f"{times[0]:%Y-%m-%d %H:%M}" if times else ""),
        ("to", f"{times[-1]:%Y-%m-%d %H:%M}" if times else ""),
        ("checks", str(sum(counts.values()))),
        ("verdicts", Text(", ").join(words) if words else ""),
    ]


def _write(path: Path, content: bytes, *, force: bool) -> str:
    """Writes a file whole or not at all; says what it did."""
    if path.exists():
        if path.read_bytes() == content:
            return "unchanged"
        if not force:
            return "refused"
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    partial.write_bytes(content)
    os.replace(partial, path)  # noqa: PTH105  # replaces on every system
    return "written"
