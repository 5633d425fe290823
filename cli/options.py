"""Options that may stand before or after the command's name."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.context import Context

F = TypeVar("F", bound=Callable[..., Any])


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Stores a given value in the command's context; an option not given changes nothing."""
    if value not in (None, False, ""):
        name = str(parameter.name)
        shared = context.ensure_object(Context)
        setattr(shared, name, False if name == "colour" else value)


_SHARED = (
    click.option(
        "--repository",
        "-C",
        metavar="PATH|URL[@REF]",
        callback=_keep,
        expose_value=False,
        help="Data repository; by default ACKREP_REPOSITORY, else the one around this folder.",
    ),
    click.option(
        "--ref",
        metavar="REF",
        callback=_keep,
        expose_value=False,
        help="Branch, tag or commit instead of the working tree.",
    ),
    click.option(
        "--json", is_flag=True, callback=_keep, expose_value=False, help="One JSON object per line."
    ),
    click.option(
        "--no-color",
        "colour",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="No colours (as with NO_COLOR=1).",
    ),
)

_BACKEND = click.option(
    "--backend",
    type=click.Choice(["auto", "docker", "process"]),
    callback=_keep,
    expose_value=False,
    help="Where checks run; auto: in Docker where an engine answers, else as processes.",
)

_SLOTS = click.option(
    "--slots",
    type=click.IntRange(1, 64),
    callback=_keep,
    expose_value=False,
    help="Checks at once; by default one for each processor, at most 4.",
)

_SERVERS = (
    click.option(
        "--catalog",
        metavar="HOST:PORT",
        envvar="ACKREP_CATALOG",
        callback=_keep,
        expose_value=False,
        help="Catalog of a deployed system (its token in ACKREP_TOKEN).",
    ),
    click.option(
        "--scheduler",
        metavar="HOST:PORT",
        envvar="ACKREP_SCHEDULER",
        callback=_keep,
        expose_value=False,
        help="Scheduler of a deployed system.",
    ),
)

_RUNNER = (
    click.option(
        "--runner",
        metavar="HOST:PORT",
        envvar="ACKREP_RUNNER",
        callback=_keep,
        expose_value=False,
        help="Runner of a deployed system (its token in ACKREP_TOKEN).",
    ),
)


def shared_options(function: F) -> F:
    """Options of every command."""
    return _with(function, _SHARED)


def backend_options(function: F) -> F:
    """Options of commands that run checks."""
    return _with(function, (_BACKEND, _SLOTS))


def server_options(function: F) -> F:
    """Options that name a deployed system."""
    return _with(function, _SERVERS)


def runner_server_option(function: F) -> F:
    """Names the runner of a deployed system."""
    return _with(function, _RUNNER)


def runner_options(function: F) -> F:
    """Options of commands that speak to a runner."""
    return _with(function, (*_RUNNER, _BACKEND))


def _with(function: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        function = option(function)
    return function
