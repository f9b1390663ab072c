"""`gitops render CHART`: the options that `helm template` has, and the chart rendered with them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.manifests.manifest import Manifest
    from gitops.model.revision import Tree
    from renderers.helm.template import Output

_OPTIONS = (
    click.option("--repo", default="", metavar="URL", help="Helm: the repository of the chart that PATH names."),
    click.option("--version", "chart_version", default="", metavar="V", help="Helm: of that, or of an oci:// PATH."),
    click.option("--release-name", default="", metavar="NAME", help="Helm: what the release is called."),
    click.option("--values", "values", multiple=True, metavar="FILE", help="Helm: a file of values."),
    click.option("--set", "set_", multiple=True, metavar="K=V", help="Helm: values: a.b=x,c={1,2},d[0]=y."),
    click.option("--set-string", multiple=True, metavar="K=V", help="Helm: values that stay text."),
    click.option("--set-json", multiple=True, metavar="K=JSON", help="Helm: a value in JSON."),
    click.option("--set-file", multiple=True, metavar="K=FILE", help="Helm: a value that a file holds."),
    click.option("--kube-version", default="", metavar="V", help="Helm: the cluster's version."),
    click.option("--api-versions", multiple=True, metavar="A", help="Helm: more API versions of the cluster."),
    click.option("--include-crds", is_flag=True, help="Helm: print custom resource definitions too."),
    click.option("--skip-tests", is_flag=True, help="Helm: leave out hooks that are tests."),
    click.option("--skip-schema-validation", is_flag=True, help="Helm: do not check values against their schema."),
)
_NAMES = (
    "repo", "chart_version", "release_name", "values", "set_", "set_string", "set_json", "set_file", "kube_version",
    "api_versions", "include_crds", "skip_tests", "skip_schema_validation",
)  # fmt: skip


def chart_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of charts to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class ChartRequest(NamedTuple):
    """A chart in a folder, and what it is to be rendered with."""

    tree: "Tree"
    path: str
    files: tuple[str, ...]
    given: dict[str, Any]

    def output(self) -> "Output":
        """What `helm template` prints."""
        from gitops.model.application import HelmOptions
        from gitops.rendering import render_chart
        from renderers.helm.render import check_release_name

        given = self.given
        if given["release_name"]:
            check_release_name(given["release_name"])
        options = HelmOptions(
            releaseName=given["release_name"],
            skipCRDs=not given["include_crds"],
            skipTests=given["skip_tests"],
            skipSchemaValidation=given["skip_schema_validation"],
            apiVersions=tuple(one for names in given["api_versions"] for one in names.split(",")),
            kubeVersion=given["kube_version"],
        )
        return render_chart(self.tree, self.path, options, given["namespace"], self._values())

    def _values(self) -> dict[str, Any]:
        from renderers.helm.chart_load import read_values
        from renderers.helm.chart_values import merge_maps
        from renderers.helm.set_values import set_file, set_json, set_text, set_typed

        values: dict[str, Any] = {}
        for file in (*self.files, *self.given["values"]):
            values = merge_maps(values, read_values(_read(file), file))
        for name, setting in (("set_json", set_json), ("set_", set_typed), ("set_string", set_text)):
            for text in self.given[name]:
                setting(text, values)
        for text in self.given["set_file"]:
            set_file(text, values, lambda file: _read(file).decode("utf-8", "surrogateescape"))
        return values


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


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None


def chart_request(path: str, files: tuple[str, ...], revision: str, given: dict[str, Any]) -> ChartRequest | None:
    """The chart at PATH, where there is one and no revision of it is asked for. Raises ConfigError.

    Options of charts are refused where there is none.
    """
    set_options = [name for name in _NAMES if given[name]]
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
        option = "--" + set_options[0].rstrip("_").replace("_", "-")
        raise ConfigError(f"{option} is for the PATH of a Helm chart; an Application says it in spec.source.helm")
    return None
