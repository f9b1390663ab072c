"""`gitops login, logout`: the token for a controller's API, kept for `--server` in a file that is its owner's alone."""

import os
import sys
from pathlib import Path

import click

from gitops.adapters.api_client import ApiClient, checked_token, server_url
from gitops.bounds import read_file
from gitops.cli.escape import printable
from gitops.cli.logins import Login, logins_file, read_logins, write_logins
from gitops.cli.settings import Settings, fail, run
from gitops.model.errors import ConfigError

_MOST_TOKEN = 16 * 1024


@click.command()
@click.argument("url")
@click.option("--token-file", default="", metavar="FILE", help="Read the token from this file.")
@click.option("--plain-http", is_flag=True, help="Send the token without TLS to another machine: the way is safe.")
@click.pass_obj
def login(settings: Settings, url: str, token_file: str, plain_http: bool) -> None:
    """Log in to the controller at URL: its API is asked whose token it is, and the token is kept for --server.

    The token is read from --token-file, else from GITOPS_TOKEN, else from stdin: asked for on a terminal. It is kept
    in ~/.config/gitops/servers.json (XDG_CONFIG_HOME), which only you may read.

    Exit codes: 0 logged in, 2 the token is not valid, 6 no controller answers.
    """
    run(settings, _login(url, token_file, plain_http=plain_http))


async def _login(url: str, token_file: str, *, plain_http: bool) -> None:
    address, known = server_url(url, plain_http=plain_http), read_logins()
    token = checked_token(_token(token_file))
    person = await ApiClient(address, token).get("/whoami")
    name, roles = str(person.get("name") or ""), person.get("roles") or []
    if not name:
        raise ConfigError(f"{address}: it does not say whose token this is")
    write_logins(known.with_login(Login(address, token, name, plain_http)))
    role = ", ".join(str(one).removeprefix("role:") for one in roles) if isinstance(roles, list) else ""
    click.echo(printable(f"logged in to {address} as {name}{role and f' ({role})'}"), err=True)


def _token(file: str) -> str:
    if file:
        try:
            return read_file(Path(file), _MOST_TOKEN).decode()
        except (OSError, ValueError) as exc:
            raise ConfigError(f"--token-file {file}: cannot be read: {exc}") from exc
    if os.environ.get("GITOPS_TOKEN"):
        return os.environ["GITOPS_TOKEN"]
    if sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True))
    return sys.stdin.readline(_MOST_TOKEN)


@click.command()
@click.argument("url", required=False, default="")
def logout(url: str) -> None:
    """Forget the token for URL; without it, that of the server which you logged in to last."""
    try:
        known = read_logins()
        address = server_url(url, plain_http=True) if url else known.last
        if address not in known.servers:
            raise ConfigError(f"you are not logged in{f' to {address}' if address else ''} ({logins_file()})")
        write_logins(known.without(address))
    except ConfigError as exc:
        fail(exc)
    click.echo(printable(f"logged out of {address}"), err=True)
