"""`up` and `status`: the embedded system itself."""

import asyncio
import dataclasses
import time

import click
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.runner.v1 import runner_pb2
from ackrep.scheduler.v1 import scheduler_pb2
from cli import checking, documents, embedded, tables
from cli.client import Client
from cli.commands.reading import revision_label, revision_rows
from cli.context import Context, interruptible, pass_context
from cli.options import backend_options, shared_options
from cli.state import StateDirectory, System
from cli.verdicts import BROKEN
from services.errors import UnavailableError


@click.command()
@click.option("--check-all", is_flag=True, help="Check every entity first.")
@click.option("--exit-when-done", is_flag=True, help="Stop after --check-all.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the pages (8642).")
@backend_options
@shared_options
@pass_context
def up(context: Context, *, check_all: bool, exit_when_done: bool, port: int | None) -> int:
    """Start the system for a data repository and keep it until Ctrl-C.

    Where it runs already, for another command, this one joins it.
    """
    context.port = port or 0
    where = context.source()
    joins = embedded.running(where) is not None

    async def work(client: Client) -> int:
        revision = await checking.refreshed(client, context.screen)
        await checking.require_backend(client, context.backend)
        runner = await client.runner()
        _say_up(context, client.system, revision, runner, joins=joins)
        if check_all:
            outcome = await checking.check_many(
                client,
                scheduler_pb2.CreateRunRequest(revision=revision.name),
                screen=context.screen,
                output=None,
            )
            if outcome.interrupted:
                return 0
            if not context.json:
                _say_pages(context, client.system)
            if exit_when_done:
                # Entities may be broken on purpose; that is no failure of `up`.
                return outcome.code if outcome.code == BROKEN else 0
        async with interruptible() as stop:
            telling = asyncio.create_task(_tell_changes(context, client, revision))
            try:
                await _stay(stop, StateDirectory.of(where))
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        return 0

    try:
        return context.run(work, stays=True)
    except KeyboardInterrupt:  # before or between the two things above that listen for it
        return 0


async def _stay(stop: asyncio.Event, state: StateDirectory) -> None:
    """Waits for Ctrl-C.

    Raises:
        UnavailableError: The system has ended by itself.
    """
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), 1.0)
        except TimeoutError:
            if state.running() is None:
                reason = embedded.failure(state)
                raise UnavailableError(
                    reason or f"the system has ended; see {state.logs}"
                ) from None


async def _tell_changes(context: Context, client: Client, known: catalog_pb2.Revision) -> None:
    """Says in one line what became current, as often as that happens."""
    async for revision in client.watch_revisions():
        if (revision.name, revision.commit) == (known.name, known.commit):
            continue
        known = revision
        if context.json:
            click.echo(documents.line({"revision": documents.of_named(revision)}))
            continue
        text = Text(f"{time.strftime('%H:%M:%S')}  revision {revision_label(revision)}", "dim")
        text.append(f": {revision.entity_count} entities")
        text.append(f", {revision.error_count} errors", "red" if revision.error_count else "")
        context.screen.print(text, soft_wrap=True)


def _say_pages(context: Context, system: System) -> None:
    text = Text("Pages: ").append(system.page, style="bold underline cyan")
    text.append("   Ctrl-C stops the system", style="dim")
    context.screen.print(text, soft_wrap=True)


def _say_up(
    context: Context,
    system: System,
    revision: catalog_pb2.Revision,
    runner: runner_pb2.Runner | None,
    *,
    joins: bool,
) -> None:
    if context.json:
        document = {**_public(system), "joined": joins, "revision": documents.last(revision.name)}
        click.echo(documents.line(document))
        return
    content = tables.facts(
        [
            ("page", Text(system.page, style="bold underline cyan")),
            *revision_rows(revision),
            ("checks run in", _backend(runner)),
        ]
    )
    title = "ACKREP runs already; this command has joined" if joins else "ACKREP is up"
    context.screen.print(tables.panel(content, title=title))
    context.screen.note("Ctrl-C stops it, unless another command uses it then")


def _backend(runner: runner_pb2.Runner | None) -> str:
    if runner is None:
        return "a runner that does not answer yet"
    places = f"{runner.slots} slot{'s' * (runner.slots != 1)}"
    if runner.backend == "docker":
        return f"Docker {runner.engine_version}, {places}".replace("  ", " ")
    reason = f" ({runner.backend_reason})" if runner.backend_reason else ""
    return f"processes on this machine, {places}{reason}"


def _public(system: System) -> dict[str, object]:
    """A running system without its secret."""
    return {name: value for name, value in dataclasses.asdict(system).items() if name != "token"}


@click.command()
@shared_options
@pass_context
def status(context: Context) -> int:
    """Say whether a system runs for the data repository, and what it does.

    Exits with 0 if it runs, 1 if not. Starts nothing.
    """
    where = context.source()
    system = embedded.running(where)
    if system is None:
        if context.json:
            click.echo(documents.line({"running": False, "source": str(where)}))
        else:
            context.screen.print(Text(f"no system runs for {where}"), soft_wrap=True)
            if reason := embedded.failure(StateDirectory.of(where)):
                context.screen.print(Text(f"the last one ended: {reason}", "red"), soft_wrap=True)
            context.screen.note("start one with: ackrep up")
        return 1
    found = system

    async def work() -> None:
        async with Client(found) as client:
            revision = await client.revision()
            runner = await client.runner()
            waiting = len(await client.checks("state = queued", limit=1000))
            if context.json:
                document = {
                    "running": True,
                    **_public(found),
                    "revision": documents.last(revision.name),
                    "entityCount": revision.entity_count,
                    "backend": runner.backend if runner else "",
                    "slots": runner.slots if runner else 0,
                    "queued": waiting,
                    "active": [documents.last(one) for one in runner.checks] if runner else [],
                }
                click.echo(documents.line(document))
                return
            active = ", ".join(documents.last(one) for one in runner.checks) if runner else ""
            content = tables.facts(
                [
                    ("page", Text(found.page, style="bold underline cyan")),
                    *revision_rows(revision),
                    ("checks run in", _backend(runner)),
                    ("running", active or "nothing"),
                    ("queued", str(waiting)),
                    ("logs", str(StateDirectory.of(where).logs)),
                    ("process", str(found.pid)),
                ]
            )
            context.screen.print(tables.panel(content, title="ACKREP runs"))

    asyncio.run(work())
    return 0
