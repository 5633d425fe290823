"""`ackrep env`: the images of environments, sessions in them, and which of them is in use."""

import click

from cli.commands.env.images import build, list_environments, pull, push, show, verify
from cli.commands.env.promotion import promote, promotions, revert, try_environment
from cli.commands.env.sessions import jupyter, shell


@click.group()
def env() -> None:
    """Build, publish, examine, try and promote environments, and open sessions in them."""


for _command in (
    list_environments,
    show,
    build,
    pull,
    push,
    verify,
    shell,
    jupyter,
    try_environment,
    promote,
    revert,
    promotions,
):
    env.add_command(_command)
