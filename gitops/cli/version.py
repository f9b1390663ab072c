"""`gitops version`."""

from importlib.metadata import version as installed

import click


def own_version() -> str:
    return installed("gitops-controller")


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"gitops {own_version()}")
