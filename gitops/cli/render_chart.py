"""`gitops render CHART`: its options for the option parser, and which chart is meant."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.chart_request import CHART_OPTIONS, ChartRequest
from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.manifests.manifest import Manifest
    from gitops.model.revision import Tree
    from renderers.helm.template import Output


def chart_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of charts to a command."""
    for option in reversed(CHART_OPTIONS):
        words, told = [option.name, option.key], f"Helm: {option.help}"
        if option.form == "flag":
            command = click.option(*words, is_flag=True, help=told)(command)
        else:
            several = option.form == "values"
            default = () if several else ""
            command = click.option(*words, multiple=several, default=default, metavar=option.metavar, help=told)(
                command
            )
    return command


def chart_manifests(output: "Output") -> "list[Manifest]":
    """What `helm template` prints, as manifests."""
    from gitops.manifests.yaml import read_manifests

    parts = (*output.crds, *output.manifests, *output.hooks)
    return [one for part in parts for one in read_manifests(part.text.encode(errors="replace"), part.path)]


def _fetched(path: str, repository: str, version: str) -> "Tree":
    """The chart of a repository, as a person's own command reads it."""
    import asyncio

    from gitops.bootstrap import open_source
    from gitops.cli.opening import secret_of
    from gitops.config import cache_folder
    from gitops.model.application import Application, SourceSpec

    spec = SourceSpec(repository or path, version, chart=path if repository else "")
    return asyncio.run(open_source(cache_folder(), secret_of).checkout(Application("", source=spec))).tree


def chart_request(path: str, files: tuple[str, ...], revision: str, given: dict[str, Any]) -> ChartRequest | None:
    """The chart at PATH, where there is one and no revision of it is asked for. Raises ConfigError.

    Options of charts are refused where there is none.
    """
    set_options = [option.name for option in CHART_OPTIONS if given[option.key]]
    if path and (given["repo"] or path.startswith("oci://")):
        return ChartRequest(_fetched(path, given["repo"], given["chart_version"]), "", files, given)
    if given["chart_version"]:
        raise ConfigError("--version is for a chart of a repository: name that with --repo URL, or as oci://HOST/PATH")
    if path and not revision and not given["release"]:
        from gitops.adapters.folder import folder_tree
        from renderers.registry import renderer_for

        tree, inside = folder_tree(path)
        if renderer_for(tree, inside) == "helm":
            return ChartRequest(tree, inside, files, given)
    if set_options:
        raise ConfigError(
            f"{set_options[0]} is for the PATH of a Helm chart; an Application says it in spec.source.helm"
        )
    return None
