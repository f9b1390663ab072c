"""`--server`: commands that go through a controller's API, with the same options, output and exit codes as without.

Which do is a table; what another command would do here and now, beside the controller, is refused.
"""

import copy
import importlib
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from gitops.adapters.api_client import ApiClient, checked_token, server_url
from gitops.cli.logins import LAST, read_logins
from gitops.cli.settings import Settings, fail, run
from gitops.model.errors import ConfigError, UnreachableError

Work = Callable[[ApiClient, dict[str, Any]], Awaitable[None]]


class Remote(NamedTuple):
    """What does a command through a server, and the options of it that can be taken; `acts` takes a reason too."""

    module: str
    attribute: str
    options: frozenset[str]
    acts: bool = False


def _reads(attribute: str, *options: str) -> Remote:
    return Remote("gitops.cli.remote.reads", attribute, frozenset({"app", "namespace", "output", *options}))


def _acts(attribute: str, *options: str) -> Remote:
    return Remote("gitops.cli.remote.acts", attribute, frozenset({"app", "namespace", "reason", *options}), True)


_REMOTE: Final = {
    "status": _reads("status", "project", "problems", "watch"),
    "history": _reads("history"),
    "diff": _reads("diff", "path", "release", "prune"),
    "wait": _reads("wait", "revision", "timeout"),
    "explain": _reads("explain"),
    "drift": _reads("drift"),
    "audit list": _reads("audit_list", "since", "actor", "facts", "limit"),
    "audit verify": Remote("gitops.cli.remote.audits", "verify", frozenset({"app", "namespace", "offline"})),
    "audit export": Remote("gitops.cli.remote.audits", "export", frozenset({"app", "namespace"})),
    "sync": _acts("sync", "path", "confirm"),
    "refresh": _acts("refresh", "also", "confirm"),
    "suspend": _acts("suspend"),
    "resume": _acts("resume"),
    "approve": _acts("approve", "digest"),
    "terminate": _acts("terminate"),
    "test": _acts("test"),
    "delete": _acts("delete", "keep", "confirm", "dry_run", "yes"),
    "rollback": _acts("rollback", "release", "prune", "confirm", "dry_run", "yes", "output"),
}
# What has nothing to do with what a controller runs, and is done here as ever.
_HERE: Final = frozenset(
    ("render", "preview", "policy", "import", "run", "token", "login", "logout", "notify", "sandbox", "demo")
) | {"completion", "version"}
_REASON: Final = click.Option(["--reason"], default="", metavar="TEXT", help="Recorded in the audit log.")


def through_server(path: str, command: click.Command) -> click.Command:
    """The command as it is with `--server`; `path` is its name, after those of its groups."""
    if path in _HERE:
        return command
    found = copy.copy(command)
    if isinstance(found, click.Group):
        found.commands = {name: through_server(f"{path} {name}", one) for name, one in found.commands.items()}
        return found
    remote = _REMOTE.get(path)
    if remote is None:
        found.callback = _refusing(path)
        return found
    if remote.acts and not any(one.name == "reason" for one in command.params):
        found.params = [*command.params, _REASON]
    found.callback = _calling(path, remote)
    return found


def _refusing(path: str) -> Callable[..., None]:
    def refuse(**_: Any) -> None:
        fail(ConfigError(f"gitops {path} does not go through a server: run it where the cluster can be reached"))

    return refuse


def _calling(path: str, remote: Remote) -> Callable[..., None]:
    def call(**given: Any) -> None:
        context = click.get_current_context()
        try:
            _check_options(context, path, remote)
            client = client_of(context.obj)
        except ConfigError as exc:
            fail(exc)
        work: Work = getattr(importlib.import_module(remote.module), remote.attribute)
        run(context.obj, _read_with_care(client, work, given))

    return call


def _check_options(context: click.Context, path: str, remote: Remote) -> None:
    """Raise ConfigError for an option that was given and that the API has no answer to."""
    for one in context.command.params:
        is_given = context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
        if is_given and one.name not in remote.options:
            raise ConfigError(f"gitops {path} --server: {max(one.opts, key=len)} does not go through a server")


async def _read_with_care(client: ApiClient, work: Work, given: dict[str, Any]) -> None:
    """An answer of another shape than the API's is the server's fault, whatever it is."""
    try:
        await work(client, given)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise UnreachableError(f"{client.url}: its answer is not as this version knows it ({exc!r})") from exc


def client_of(settings: Settings) -> ApiClient:
    """The server that the settings name, in the name of GITOPS_TOKEN or of whom logged in. Raises ConfigError."""
    logins = read_logins()
    url = settings.server
    if url == LAST:
        url = logins.last
        if not url:
            raise ConfigError("--server last: you are logged in to none (gitops login URL)")
    known = logins.servers.get(server_url(url, plain_http=True))
    url = server_url(url, plain_http=known is not None and known.plain_http)
    token = os.environ.get("GITOPS_TOKEN", "") or (known.token if known else "")
    return ApiClient(url, checked_token(token) if token else "")
