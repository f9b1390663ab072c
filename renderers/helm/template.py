"""From a chart to what `helm template` prints of it: values, dependencies, templates, order."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.helm.capabilities import capabilities
from renderers.helm.chart import Chart
from renderers.helm.chart_dependencies import check_present, process_dependencies
from renderers.helm.chart_schema import check_schema
from renderers.helm.chart_values import coalesce_values
from renderers.helm.engine import Release, render_chart
from renderers.helm.gotemplate.values import as_text
from renderers.helm.manifest_order import Part, sort_out
from renderers.helm.semver import is_compatible
from renderers.result import Remote

_MANIFESTS = (".yaml", ".yml", ".json")


class Request(NamedTuple):
    """What a chart is rendered with; `values` are all that were given, merged.

    `remotes` hold what was fetched of the schemas that charts name by their URL.
    """

    release: Release
    values: dict[str, Any]
    remotes: Mapping[Remote, Tree]
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    include_crds: bool = False
    skip_tests: bool = False
    skip_schema: bool = False


class Output(NamedTuple):
    """The parts in the order that Helm prints them: custom resource definitions, manifests, hooks.

    `chance` are the functions that make it another one at each render.
    """

    crds: list[Part]
    manifests: list[Part]
    hooks: list[Part]
    chance: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What `helm template` prints."""
        body = "".join(f"---\n# Source: {part.path}\n{part.text}\n" for part in (*self.crds, *self.manifests))
        hooks = "".join(f"---\n# Source: {part.path}\n{part.text}\n" for part in self.hooks)
        return body.strip() + "\n" + hooks


def template(chart: Chart, request: Request) -> Output:
    """Render a chart; it is changed by that. Raises RenderError, ConfigError, and SchemasNeededError."""
    if chart.metadata.kind.lower() == "library":
        raise RenderError(f"{chart.label}: library charts are not installable")
    check_present(chart)
    known = capabilities(request.kube_version, request.api_versions)
    process_dependencies(chart, request.values)
    values = coalesce_values(chart, request.values)
    if not request.skip_schema:
        check_schema(chart, values, request.remotes)
    version = known.fields["KubeVersion"].fields["Version"]
    if chart.metadata.kube_version and not is_compatible(chart.metadata.kube_version, version):
        raise RenderError(
            f"{chart.label}: chart requires kubeVersion: {chart.metadata.kube_version} "
            f"which is incompatible with Kubernetes {version}"
        )
    rendered = render_chart(chart, values, request.release, known)
    texts = {path: text for path, text in rendered.items() if not path.endswith("NOTES.txt")}
    manifests, hooks = sort_out(texts)
    if request.skip_tests:
        hooks = [hook for hook in hooks if not hook.is_test]
    return Output(_crds(chart) if request.include_crds else [], manifests, hooks)


def _crds(chart: Chart) -> list[Part]:
    own = [
        Part(f"{chart.full_path}/{file.name}", as_text(file.read()), "CustomResourceDefinition")
        for file in chart.files
        if file.name.startswith("crds/") and file.name.lower().endswith(_MANIFESTS)
    ]
    return own + [part for child in chart.dependencies for part in _crds(child)]
