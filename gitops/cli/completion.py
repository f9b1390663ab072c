"""`gitops completion SHELL`: what a shell has to read to complete commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion for SHELL: `source <(gitops completion bash)` in its start-up file."""
    found = get_completion_class(shell)
    assert found is not None  # by the choice
    root = ctx.find_root()
    click.echo(found(root.command, {}, "gitops", "_GITOPS_COMPLETE").source())
