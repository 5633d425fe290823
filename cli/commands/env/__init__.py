"""`ackrep env`: the images of environments, sessions in them, and which of them is in use."""

import click


@click.group()
def env() -> None:
    """Build, publish, examine, try and promote environments, and open sessions in them."""
