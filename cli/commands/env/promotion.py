"""`env try`, `promote`, `revert` and `promotions`: which image of an environment is in use."""

import click
from rich.text import Text

from ackrep.scheduler.v1 import promotion_pb2
from cli import checking, differences, documents, tables, trials
from cli.client import Client
from cli.context import Context, interruptible, pass_context, until
from cli.options import backend_options, server_options, shared_options
from cli.progress import follow_runs
from cli.screen import Screen
from services.errors import PreconditionError

_INTERRUPTED = 130


@click.command("try")
@click.argument("candidate", metavar="NAME@REF")
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Try N entities, some of each type and verdict, instead of all.",
)
@backend_options
@server_options
@shared_options
@pass_context
def try_environment(context: Context, *, candidate: str, sample: int | None) -> int:
    """Check the entities of an environment in a candidate image and in the one in use.

    REF is a tag of the image (`ackrep/NAME:REF`), or 12 to 64 digits of its digest. What changes is
    shown as a table, and the command that puts the candidate in use.

    Exits with 0 if it can be promoted, with 1 if it breaks something.
    """
    if "@" not in candidate:
        raise click.UsageError("name the image to try: NAME@TAG, or NAME@ and digits of its digest")

    async def work(client: Client) -> int:
        await checking.require_backend(client, context.backend)
        revision = await checking.refreshed(client, context.screen)
        client.revision_name = revision.name
        trial = await trials.create(
            client,
            promotion_pb2.CreateTrialRequest(
                candidate=f"environments/{candidate.removeprefix('environments/')}",
                revision=revision.name,
                sample=sample or 0,
            ),
        )
        return await _followed(client, trial, screen=context.screen)

    return context.run(work)


async def _followed(client: Client, trial: promotion_pb2.Trial, *, screen: Screen) -> int:
    entities = {entity.key: entity for entity in await client.entities("checkable = true")}
    runs = await trials.runs(client, trial)
    screen.note(
        f"trying {documents.last(trial.candidate)} on {trial.selected_count} of "
        f"{trial.entity_count} entities ({trial.name})"
    )
    async with interruptible() as stop:

        async def follow() -> bool:
            await follow_runs(client, runs, entities, screen=screen)
            return True

        if await until(stop, follow()) is None:
            screen.note("cancelling …")
            await _cancel(client, trial)
            return _INTERRUPTED
    trial = await trials.get(client, trial.name)
    if screen.json:
        click.echo(documents.line(trials.trial_document(trial)))
        return int(bool(trial.obstacle))
    heads = ("In use", "Candidate")
    screen.print(
        differences.table(trial.comparison, entities, heads=heads, width=screen.out.width),
        tables.facts(
            [
                ("in use", _ran_in(trial.base_digest)),
                ("candidate", _ran_in(trial.candidate_digest)),
                ("trial", documents.last(trial.name)),
            ]
        ),
    )
    _say_command(trial, screen)
    return int(bool(trial.obstacle))


def _ran_in(digest: str) -> str:
    return trials.short(digest) if digest else "nothing ran"


def _say_command(trial: promotion_pb2.Trial, screen: Screen) -> None:
    command = f"ackrep env promote {documents.last(trial.candidate)}"
    if not trial.obstacle:
        verb = Text("It can be promoted: ", style="bold green")
    elif trial.forcible:
        screen.print(tables.plain(f"Not to be promoted: {trial.obstacle}", "bold red"))
        verb, command = Text("All the same: ", style="dim"), f"{command} --force --reason TEXT"
    else:
        screen.print(tables.plain(f"It cannot be promoted: {trial.obstacle}", "bold red"))
        return
    screen.print(verb.append(command, style="bold"), soft_wrap=True)


async def _cancel(client: Client, trial: promotion_pb2.Trial) -> None:
    for run in (trial.base_run, trial.candidate_run):
        for check in await client.checks(f"run = {run}", limit=trial.selected_count):
            if not check.verdict:
                await client.cancel(check.name)


@click.command()
@click.argument("trial", metavar="NAME@REF|TRIAL")
@click.option("--force", is_flag=True, help="Although it breaks something; wants a reason.")
@click.option("--reason", metavar="TEXT", default="", help="Why; kept.")
@server_options
@shared_options
@pass_context
def promote(context: Context, *, trial: str, force: bool, reason: str) -> int:
    """Put the image that was tried in use: every check that starts from now on runs in it.

    TRIAL is the id of a trial, or its last digits; NAME@REF means the newest trial of that image.
    Refused while the trial runs, and where it turns successes into failures, unless forced: exits
    with 1 then.
    """
    if force and not reason.strip():
        raise click.UsageError("to force a promotion, say why: --reason TEXT")

    async def work(client: Client) -> int:
        name = await trials.named(client, trial)
        try:
            _say(await trials.promote(client, name, force=force, reason=reason), context)
        except PreconditionError as error:
            context.screen.err.print(
                tables.plain(f"refused: {error.message}", "bold red"), soft_wrap=True
            )
            return 1
        return 0

    return context.run(work)


@click.command()
@click.argument("name")
@click.option("--reason", metavar="TEXT", required=True, help="Why; kept.")
@server_options
@shared_options
@pass_context
def revert(context: Context, *, name: str, reason: str) -> None:
    """Take the last promotion of an environment back: what was in use before is again."""

    async def work(client: Client) -> None:
        _say(await trials.revert(client, _environment(name), reason=reason), context)

    context.run(work)


@click.command()
@click.argument("name", required=False)
@server_options
@shared_options
@pass_context
def promotions(context: Context, *, name: str | None) -> None:
    """Show which images were put in use, and why, newest first."""

    async def work(client: Client) -> None:
        found = await trials.promotions(client, environment=_environment(name) if name else "")
        if context.json:
            for one in found:
                click.echo(documents.line(trials.promotion_document(one)))
        elif found:
            context.screen.print(trials.promotion_table(found))
        else:
            context.screen.note("nothing was promoted: runners use the images that they have")

    context.run(work)


def _environment(name: str) -> str:
    return f"environments/{name.removeprefix('environments/')}"


def _say(promotion: promotion_pb2.Promotion, context: Context) -> None:
    if context.json:
        click.echo(documents.line(trials.promotion_document(promotion)))
        return
    text = Text(f"{documents.last(promotion.environment)}  ", style="cyan")
    text.append(trials.short(promotion.digest), style="bold green").append(
        " is in use now, instead of "
    )
    text.append(trials.short(promotion.previous_digest), style="dim")
    context.screen.print(text, soft_wrap=True)
