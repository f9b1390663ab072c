"""`gitops version`."""

import click

from gitops import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"gitops {__version__}")
