"""From a command's PATH, -f and --name options to the Application that it is about."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.settings import Settings
from gitops.config import folder_application, read_application
from gitops.fields_reader import parse_duration
from gitops.manifests.names import APPLICATION_NAME
from gitops.model.application import Application
from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.engine.plan_input import PlanOptions
    from gitops.sync.context import SyncContext

namespace_option = click.option(
    "-n", "--namespace", default="", metavar="NS", help="The namespace that APP lives in, or that its objects go to."
)


def application_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """PATH | -f APP, --name, --namespace, --revision: which Application a command works on."""
    for option in (
        click.option(
            "--revision", default="", metavar="REV", help="A branch, tag, commit or range instead of the Application's."
        ),
        click.option(
            "-n",
            "--namespace",
            default="",
            metavar="NS",
            help="Destination (default for a PATH: the context's); made for a PATH.",
        ),
        click.option("--name", default="", metavar="NAME", help="The Application's name, for a PATH."),
        click.option("-f", "--file", "file", default="", metavar="APP", help="A file that holds an Application."),
        click.argument("path", required=False, default=""),
    ):
        command = option(command)
    return command


def application_of(
    settings: Settings, path: str, file: str, name: str, namespace: str, revision: str, *, timeout: str = ""
) -> Application | None:
    """The Application named by the options; None where PATH is the name of one that is to be looked up.

    A PATH without a namespace goes where kubectl would put it. Raises ConfigError for a combination that names none.
    """
    if bool(path) == bool(file):
        raise ConfigError(
            "name what to work on: a PATH with manifests, an Application with -f FILE, or one by its name"
        )
    if file:
        app = _from_file(file, name, namespace)
    else:
        if not name and not Path(path).exists() and APPLICATION_NAME.fits(path):
            return None
        if not name:
            raise ConfigError(_without_name(path))
        app = folder_application(path, name, namespace or _home(settings))
        if not Path(path).exists():
            raise ConfigError(f"{path}: no such folder")
    return _with_options(app, revision, timeout)


def _without_name(path: str) -> str:
    """A folder may be called as an Application is, and then either may be meant."""
    text = f"{path}: give the Application a name with --name (it marks what is ours in the cluster)"
    if Path(path).exists() and "/" not in path and APPLICATION_NAME.fits(path):
        text += f"; {path} is a folder here: the Application of that name on the cluster is NAMESPACE/{path}"
    return text


async def named_application(
    context: "SyncContext", named: tuple[str, str, str, str, str], *, timeout: str = ""
) -> Application:
    """The Application that the cluster knows by the name PATH. Raises ConfigError; HeldError for a doubtful source."""
    from gitops.cli.recorded import application_called

    path, _, _, namespace, revision = named
    try:
        app = await application_called(context, path, namespace)
    except ConfigError as exc:
        raise ConfigError(f"{path}: there is no such folder, and {exc}") from exc
    return _with_options(app, revision, timeout)


def plan_options(given: dict[str, Any]) -> "PlanOptions":
    from gitops.engine.plan_input import PlanOptions

    return PlanOptions(
        prune=given["prune"],
        adopt=given["adopt"],
        confirm=given.get("confirm", False),
        force_conflicts=given["force_conflicts"],
        resources=tuple(given["resources"]),
    )


def _with_options(app: Application, revision: str, timeout: str) -> Application:
    if revision:
        app = at_revision(app, revision)
    if timeout:
        app = replace(app, sync=replace(app.sync, timeout=seconds_of(timeout)))
    return app


def at_revision(app: Application, revision: str) -> Application:
    """The Application at another target revision. Raises ConfigError where that could be of several sources."""
    if app.sources:
        raise ConfigError(
            f"--revision: {app.identity} has several sources; write the targetRevision of each in its spec"
        )
    return app.with_sources((replace(app.source, targetRevision=revision),))


def _home(settings: Settings) -> str:
    from gitops.bootstrap import home_namespace

    return home_namespace(settings.kubeconfig, settings.context) or "default"


def _from_file(file: str, name: str, namespace: str) -> Application:
    app = read_application(Path(file))
    if name and name != app.name:
        raise ConfigError(f"{file}: holds the Application {app.name}, not {name}; leave out --name")
    return replace(app, destination=replace(app.destination, namespace=namespace)) if namespace else app


def seconds_of(text: str) -> float:
    """A --timeout in seconds. Raises ConfigError."""
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise ConfigError(f"--timeout: {exc}") from None
