"""From a command's PATH, -f and --name options to the Application that it is about."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gitops.cli.settings import Settings
from gitops.config import folder_application, parse_duration, read_application
from gitops.model.application import Application
from gitops.model.errors import ConfigError

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
) -> Application:
    """The Application named by the options; raises ConfigError for a combination that names none.

    A PATH without a namespace goes where kubectl would put it.
    """
    if bool(path) == bool(file):
        raise ConfigError("name what to work on: either a PATH with manifests, or an Application with -f FILE")
    if file:
        app = _from_file(file, name, namespace)
    else:
        if not name:
            raise ConfigError(f"{path}: give the Application a name with --name (it marks what is ours in the cluster)")
        app = folder_application(path, name, namespace or _home(settings))
        if not Path(path).exists():
            raise ConfigError(f"{path}: no such folder")
    if revision:
        app = replace(app, source=replace(app.source, targetRevision=revision))
    if timeout:
        app = replace(app, sync=replace(app.sync, timeout=seconds_of(timeout)))
    return app


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
