"""`completion`: names of commands and options by the Tab key."""

import click
from click.shell_completion import get_completion_class

from cli.options import shared_options

_VARIABLE = "_ACKREP_COMPLETE"
"""By which click is asked for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@shared_options
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script by which a shell completes `ackrep` commands and options.

    For bash, put `eval "$(ackrep completion bash)"` into ~/.bashrc; for zsh likewise into ~/.zshrc;
    for fish: `ackrep completion fish > ~/.config/fish/completions/ackrep.fish`.
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  # the three that click has
    click.echo(found(context.find_root().command, {}, "ackrep", _VARIABLE).source())
