"""`gitops token`: a new token for the API and the page; it is shown once, and only its digest is kept."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gitops.cli.settings import fail
from gitops.model.errors import ConfigError

_MOST_DAYS = 3660


@click.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(["viewer", "operator", "admin"]), default="viewer", show_default=True)
@click.option("--expires", default="90d", metavar="DAYS", show_default=True, help="30d, 365d, or never.")
@click.option(
    "--only", multiple=True, metavar="GLOB", help="Good for these Applications only (shop/*); may be said again."
)
@click.option("--tokens", default="", metavar="FILE", help="Add its line to this file; without it the line is printed.")
def token(name: str, scope: str, expires: str, only: tuple[str, ...], tokens: str) -> None:
    """Make a token for NAME, which the audit log calls the acts that are done with it by.

    The token is printed once, on stdout. What is kept, a line with its digest, goes into the file that `gitops run
    --tokens FILE` reads; taking the line out ends the token.
    """
    from gitops.server.auth.tokens import Scope, new_token

    try:
        made, line = new_token(name, Scope(scope), _until(expires), only)
        if tokens:
            _add(Path(tokens), line)
    except ConfigError as exc:
        fail(exc)
    click.echo(made)
    if tokens:
        click.echo(f"added to {tokens}; it is not shown again", err=True)
    else:
        click.echo(f"put this line into the file of gitops run --tokens FILE:\n{line}", err=True)


def _until(expires: str) -> datetime | None:
    if expires == "never":
        return None
    days = re.fullmatch(r"([0-9]{1,5})d", expires, re.ASCII)
    if not days or not 1 <= int(days[1]) <= _MOST_DAYS:
        raise ConfigError(
            f"--expires {expires}: expected a number of days such as 90d (at most {_MOST_DAYS}), or never"
        )
    return datetime.now(UTC) + timedelta(days=int(days[1]))


def _add(path: Path, line: str) -> None:
    """Append the line; a new file is its owner's alone."""
    try:
        text = path.read_text() if path.exists() else ""
        is_cut = bool(text) and not text.endswith("\n")
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            file.write(("\n" if is_cut else "") + line + "\n")
    except (OSError, ValueError) as exc:
        raise ConfigError(f"--tokens {path}: cannot be written: {getattr(exc, 'strerror', '') or exc}") from exc
