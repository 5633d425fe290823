"""`env list|show|build|pull|push|verify`: images of environments."""

import click
from rich.text import Text

from ackrep.runner.v1 import environment_pb2
from cli import commits, documents, environment_tables, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.environment_calls import EnvironmentCalls, resource
from cli.options import runner_options, shared_options
from cli.progress import Notice
from cli.screen import Screen
from cli.steps import follow
from cli.verdicts import BROKEN
from services.errors import PreconditionError

_OK = environment_pb2.VerifyEnvironmentResponse.SEVERITY_OK
_WARNING = environment_pb2.VerifyEnvironmentResponse.SEVERITY_WARNING
_ERROR = environment_pb2.VerifyEnvironmentResponse.SEVERITY_ERROR


@click.command("list")
@runner_options
@shared_options
@pass_context
def list_environments(context: Context) -> None:
    """List environments, and the images that checks run in."""

    async def work(client: Client) -> None:
        _print(context.screen, await EnvironmentCalls(client).all())

    context.run(work, runner=True)


@click.command()
@click.argument("name")
@runner_options
@shared_options
@pass_context
def show(context: Context, *, name: str) -> None:
    """Show an environment with its images, or one image (NAME@TAG, NAME@DIGEST)."""

    async def work(client: Client) -> None:
        environment = await EnvironmentCalls(client).get(name)
        if context.json:
            click.echo(documents.line(environment_tables.of_environment(environment)))
            return
        context.screen.print(
            environment_tables.environment_card(environment, width=context.screen.out.width)
        )

    context.run(work, runner=True)


@click.command()
@click.argument("name")
@click.option("--tag", default="", help="Its tag; without one, checks use the image from now on.")
@click.option("--no-cache", is_flag=True, help="Build every step anew.")
@click.option("--verbose", "-v", is_flag=True, help="Show all that the engine says.")
@runner_options
@shared_options
@pass_context
def build(context: Context, *, name: str, tag: str, no_cache: bool, verbose: bool) -> None:
    """Build the image of an environment from its Dockerfile."""

    async def work(client: Client) -> None:
        request = environment_pb2.BuildEnvironmentRequest(
            name=resource(name), tag=tag, no_cache=no_cache
        )
        last = await follow(
            EnvironmentCalls(client).build(request),
            title=f"building {name}",
            screen=context.screen,
            verbose=verbose,
        )
        if last is not None:
            _say_image(context.screen, last.environment, verb="built")

    context.run(work, runner=True)


@click.command()
@click.argument("name", default="")
@click.option("--all", "all_", is_flag=True, help="Every environment; then list them.")
@runner_options
@shared_options
@pass_context
def pull(context: Context, *, name: str, all_: bool) -> int:
    """Pull the image of an environment (NAME, NAME@TAG) from the configured registry."""
    if bool(name) == all_:
        raise click.UsageError("name an environment, or --all")

    async def work(client: Client) -> int:
        calls = EnvironmentCalls(client)
        if all_:
            return await _pull_all(calls, context.screen)
        last = await follow(calls.pull(name), title=f"pulling {name}", screen=context.screen)
        if last is not None:
            _say_image(context.screen, last.environment, verb="pulled")
        return 0

    return context.run(work, runner=True)


async def _pull_all(calls: EnvironmentCalls, screen: Screen) -> int:
    """Pulls what the registry has, goes on where it lacks one, and lists them all."""
    environments = await calls.all()
    if not any(environment.repository for environment in environments):
        _print(screen, environments)
        raise PreconditionError(
            "there is nowhere to pull images from: the runner has no registry "
            "(ACKREP_RUNNER_REGISTRY)"
        )
    code = 0
    for environment in environments:
        name = environment_tables.identity(environment)
        try:
            await follow(calls.pull(name), title=f"pulling {name}", screen=screen)
        except PreconditionError as error:
            screen.note(error.message, style="yellow")
            code = BROKEN
    _print(screen, await calls.all())
    return code


@click.command()
@click.argument("name")
@click.option("--version", "-v", required=True, metavar="X.Y.Z", help="Version that it becomes.")
@click.option("--message", "-m", required=True, help="What is new in it.")
@click.option("--force", is_flag=True, help="Replace that version if it is published already.")
@runner_options
@shared_options
@pass_context
def push(context: Context, *, name: str, version: str, message: str, force: bool) -> None:
    """Publish an image of an environment at the registry, as X.Y.Z and as latest."""

    async def work(client: Client) -> None:
        request = environment_pb2.PushEnvironmentRequest(
            name=resource(name),
            version=version,
            message=message,
            revision=await commits.inside(client),
            force=force,
        )
        last = await follow(
            EnvironmentCalls(client).push(request), title=f"pushing {name}", screen=context.screen
        )
        if last is None:
            return
        if context.json:
            click.echo(documents.line(environment_tables.of_publication(name, last)))
            return
        for reference in last.references:
            context.screen.print(Text.assemble(("pushed ", "green"), reference))
        context.screen.print(Text(f"manifest {last.registry_digest}", style="dim"))
        context.screen.print(Text(f"image    {last.digest}", style="dim"))

    context.run(work, runner=True)


@click.command()
@click.argument("name")
@runner_options
@shared_options
@pass_context
def verify(context: Context, *, name: str) -> int:
    """Examine an environment, or one image (NAME@TAG): is it tight, and what it was meant to be?

    Exits with 1 where there are errors.
    """

    async def work(client: Client) -> int:
        notice = Notice(context.screen)
        notice(f"examining {name}")
        try:
            found = await EnvironmentCalls(client).verify(name)
        finally:
            notice.done()
        wrong = environment_tables.count(found.findings, _ERROR)
        if context.json:
            click.echo(documents.line(environment_tables.of_verification(name, found)))
        else:
            context.screen.print(environment_tables.finding_table(found.findings))
            context.screen.print(_summary(found))
        return 1 if wrong else 0

    return context.run(work, runner=True)


def _summary(found: environment_pb2.VerifyEnvironmentResponse) -> Text:
    wrong = environment_tables.count(found.findings, _ERROR)
    odd = environment_tables.count(found.findings, _WARNING)
    fine = environment_tables.count(found.findings, _OK)
    text = Text(f"{environment_tables.short(found.digest)}  ", "dim")
    parts = ((wrong, "error", "bold red"), (odd, "warning", "yellow"))
    for number, word, style in parts:
        if number:
            text.append(f"{number} {word}{'s' * (number != 1)}, ", style)
    return text.append(f"{fine} as it should be", "green" if not wrong else "")


def _print(screen: Screen, environments: list[environment_pb2.Environment]) -> None:
    if screen.json:
        for environment in environments:
            click.echo(documents.line(environment_tables.of_environment(environment)))
    else:
        screen.print(environment_tables.environment_table(environments, width=screen.out.width))


def _say_image(screen: Screen, environment: environment_pb2.Environment, *, verb: str) -> None:
    if screen.json:
        click.echo(documents.line(environment_tables.of_environment(environment)))
        return
    image = environment_tables.in_use(environment)
    screen.print(
        Text.assemble(
            (f"{verb} ", "green"),
            (environment_tables.identity(environment), "cyan"),
            (f"  {environment_tables.short(environment.digest)}", "dim"),
            (f"  {tables.size(image.size)}" if image else "", "dim"),
        )
    )
