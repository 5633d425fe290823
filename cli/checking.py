"""Runs checks for a command: creates them, follows them, says what came out."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from cli import documents, downloads, failures, tables, verdicts
from cli.client import Client
from cli.context import interruptible, page_of, until
from cli.progress import Watched, follow_check, follow_run, label_of
from cli.screen import Screen, harmless
from services.errors import Error, PreconditionError, UnavailableError

_CANCEL_SECONDS = 10.0
_RUNNER_SECONDS = 4.0
_LOOK_SECONDS = 0.05
_FINISHED = check_pb2.Check.STATE_FINISHED


async def refreshed(client: Client, screen: Screen) -> catalog_pb2.Revision:
    """Reads the data repository again; goes on with what is known if a remote does not answer."""
    try:
        return await client.sync()
    except UnavailableError as error:
        revision = await client.revision()
        screen.note(f"{error.message}; going on with the revision read before", style="yellow")
        return revision


async def require_backend(client: Client, wanted: str | None) -> None:
    """Makes sure that checks run where the user insists.

    Raises:
        PreconditionError: A system that runs already has another backend.
    """
    if wanted in {None, "auto"}:
        return
    runner = await client.runner()
    if runner is not None and runner.backend != wanted:
        reason = f" ({runner.backend_reason})" if runner.backend_reason else ""
        raise PreconditionError(
            f"checks run in the {runner.backend} backend here{reason}, not in {wanted}; "
            "stop the running system (Ctrl-C in the terminal of `ackrep up`) and try again"
        )


async def runner_known(client: Client) -> None:
    """Waits a moment for a runner that has just been started to say what it has ready.

    Before that nobody knows which image a check would run in, and no result could be reused.
    """
    if not client.system.embedded:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _RUNNER_SECONDS
    while not any(runner.environments for runner in await client.runners()):
        if loop.time() > deadline:  # it has nothing ready
            return
        await asyncio.sleep(_LOOK_SECONDS)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How checks ended for the command that started them."""

    code: int
    """Exit code."""
    interrupted: bool = False
    """True if Ctrl-C ended it."""
    checks: Sequence[check_pb2.Check] = ()
    """What was checked."""


async def check_one(
    client: Client,
    request: scheduler_pb2.CreateCheckRequest,
    *,
    screen: Screen,
    output: Path | None,
    root: Path | None,
) -> Outcome:
    """Checks one entity with its log as it comes; says how it ended."""
    entity = await client.entity(documents.last(request.entity))
    check = await client.create_check(request)
    return await present_check(
        client, check, entity, screen=screen, output=output, root=root, own=True
    )


async def present_check(
    client: Client,
    check: check_pb2.Check,
    entity: catalog_pb2.Entity,
    *,
    screen: Screen,
    output: Path | None = None,
    root: Path | None = None,
    own: bool = False,
) -> Outcome:
    """Follows one check to its verdict and says it.

    Args:
        client: The system.
        check: What to follow.
        entity: What it checks.
        screen: Where to write.
        output: Folder to save the produced files in.
        root: Folder of the data repository here, for source lines; none where there is none.
        own: Ctrl-C cancels the check; otherwise it only ends the watch.
    """
    entities = {entity.key: entity}
    label = label_of(check, entities)
    if check.reused_from and not screen.json:
        origin = await client.check(check.reused_from)
        screen.note(
            f"{label.plain}: nothing it depends on has changed since {tables.when(origin)}, so its "
            "result is reused; this is its log (--force runs it again)"
        )
    interrupted = False
    async with interruptible() as stop:
        watched = await until(stop, follow_check(client, check, label=label, screen=screen))
        if watched is None:
            screen.end_line()
            if not own:
                screen.note(f"the check goes on: ackrep watch {documents.last(check.name)}")
                return Outcome(130, True)
            interrupted = True
            watched = Watched((await _cancelled(client, [check]))[0])
    check = watched.check
    saved = [] if output is None else await downloads.save(client, check, folder=output)
    code = verdicts.exit_code([check])
    if screen.json:
        document = documents.of_check(check, page=client.system.page)
        document |= {"exitCode": code, "output": watched.output}
        if output is not None:
            document["saved"] = [str(path) for path in saved]
        click.echo(documents.line(document))
    else:
        told = failures.rendered(await failures.examine(client, check), root=root)
        page = page_of(client.system, check.name)
        _say_result(check, label, saved, told=told, page=page, screen=screen)
    return Outcome(code, interrupted, [check])


def _say_result(
    check: check_pb2.Check,
    label: Text,
    saved: Sequence[Path],
    *,
    told: Sequence[Text],
    page: str,
    screen: Screen,
) -> None:
    result = check.result
    word = verdicts.word(check.verdict)
    if result.traceback:
        screen.print(
            Text(harmless(result.traceback.rstrip("\n"), colour=False), style="red"), soft_wrap=True
        )
    sentence = Text(word.sentence, style=word.style).append("  ").append_text(label)
    sentence.append(f"  {tables.took(check)}", style="dim")
    screen.print(sentence, soft_wrap=True)
    message = result.message
    if check.verdict != check_pb2.VERDICT_SUCCESS and message:
        screen.print(Text("  ").append_text(tables.plain(message, word.style)), soft_wrap=True)
    for line in told:
        screen.print(line, soft_wrap=True)
    kept = ", ".join(f"{one.path} ({tables.size(one.size)})" for one in result.artefacts)
    rows: list[tuple[str, RenderableType | str]] = [
        ("  score", f"{result.score:g}" if result.HasField("score") else ""),
        *((f"  {tables.plain(one.name)}", _numbers(one)) for one in result.quantities),
        ("  remarks", "; ".join(result.remarks)),
        ("  attempts", "" if check.attempt <= 1 else _attempts(check)),
        ("  saved", ", ".join(map(str, saved))) if saved else ("  files", kept),
    ]
    screen.print(tables.facts(rows))
    if page:  # never folded, so that terminals let people click on it
        screen.print(Text.assemble(("  page  ", "dim"), page), soft_wrap=True)


def _attempts(check: check_pb2.Check) -> str:
    reasons = "; ".join(one.reason for one in check.failed_attempts)
    return f"{check.attempt} ({reasons})" if reasons else str(check.attempt)


def _numbers(quantity: check_pb2.Quantity) -> str:
    shown = ", ".join(f"{value:.6g}" for value in quantity.values[:8])
    return shown + (f", … ({len(quantity.values)} values)" if len(quantity.values) > 8 else "")


# Many checks ------------------------------------------------------------------------------------


async def check_many(
    client: Client, request: scheduler_pb2.CreateRunRequest, *, screen: Screen, output: Path | None
) -> Outcome:
    """Checks many entities with live progress and a table at the end; says how it ended."""
    entities = {entity.key: entity for entity in await client.entities()}
    begin = time.monotonic()
    run = await client.create_run(request)
    async with interruptible() as stop:
        checks = await until(stop, follow_run(client, run, entities, screen=screen))
        interrupted = checks is None
        if checks is None:
            screen.note("cancelling …")
            present = await client.checks(f"run = {run.name}", limit=run.check_count)
            checks = await _cancelled(client, present)
    checks = sorted(checks, key=lambda one: (verdicts.word(one.verdict).exit_code, one.entity))
    if output is not None:
        for one in checks:
            folder = output / documents.last(one.entity)
            await downloads.save(client, await client.check(one.name), folder=folder)
    if screen.json:
        for one in checks:
            document = documents.of_check(one, page=client.system.page)
            document["exitCode"] = verdicts.exit_code([one])
            click.echo(documents.line(document))
    else:
        say_table(checks, entities, elapsed=time.monotonic() - begin, screen=screen)
        if output is not None:
            screen.print(Text(f"files are in {output}", style="dim"))
    return Outcome(verdicts.exit_code(checks), interrupted, checks)


def say_table(
    checks: Sequence[check_pb2.Check],
    entities: Mapping[str, catalog_pb2.Entity],
    *,
    elapsed: float,
    screen: Screen,
) -> None:
    """The verdict table and the summary line."""
    screen.print(tables.verdict_table(checks, entities, width=screen.out.width))
    screen.print(tables.summary(checks, elapsed=elapsed), soft_wrap=True)
    if (reuse := tables.reuse_line(checks)) is not None:
        screen.print(reuse, soft_wrap=True)


async def _cancelled(client: Client, checks: Sequence[check_pb2.Check]) -> list[check_pb2.Check]:
    """Cancels what is not finished, and waits a little for it; returns all as they are then."""
    now = {check.name: check for check in checks}
    with contextlib.suppress(Error, TimeoutError):
        async with asyncio.timeout(_CANCEL_SECONDS):
            for name, check in now.items():
                if check.state != _FINISHED:
                    now[name] = await client.cancel(name)
            while waiting := [one for one in now.values() if one.state != _FINISHED]:
                await asyncio.sleep(0.1)
                for check in waiting:
                    now[check.name] = await client.check(check.name)
    for check in now.values():  # whatever became of it: this command did not see it through
        if check.state != _FINISHED:
            check.verdict = check_pb2.VERDICT_CANCELLED
    return list(now.values())
