"""`helmCharts` of a kustomization: a chart in its folder, or of a repository, rendered as Kustomize has Helm do it.

As Kustomize 5.8: the chart is at `{chartHome}/{name}`, or at `{chartHome}/{name}-{version}/{name}` where a repository
and a version are named, else it comes from that repository (`Needs`). Its values are those of `valuesFile`, merged with
`valuesInline` by `valuesMerge`, and then those of `additionalValuesFiles`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gitops.model.errors import RenderError, SourceError
from gitops.model.helm_options import HelmOptions
from gitops.model.revision import Tree, join
from renderers.helm.chart_load import read_values
from renderers.helm.chart_values import merge_maps
from renderers.helm.encoders import floats
from renderers.helm.render import render_output
from renderers.helm.template import Output
from renderers.kustomize.loader import Loader, Needed
from renderers.result import Context, Needs, Remote

Inflate = Callable[[Mapping[str, Any], Mapping[str, Any], Loader], Output]

_HOME: Final = "charts"
_MERGES: Final = ("merge", "override", "replace")


def inflate(context: Context, chart: Mapping[str, Any], globals: Mapping[str, Any], loader: Loader) -> Output:
    """What `helm template` makes of one entry of `helmCharts`. Raises RenderError, SourceError, and Needed."""
    if not chart.get("name"):
        raise RenderError("a chart needs a name")
    if chart.get("nameTemplate"):
        raise RenderError("nameTemplate is not supported; write releaseName")
    tree, path, values_file = _chart(chart, globals, loader)
    own = context._replace(name=chart.get("releaseName") or "", namespace=chart.get("namespace") or "")
    options = HelmOptions(
        skipCRDs=not chart.get("includeCRDs", False),
        skipTests=chart.get("skipTests", False),
        apiVersions=tuple(chart.get("apiVersions") or ()),
        kubeVersion=chart.get("kubeVersion") or "",
    )
    answer = render_output(tree, path, options, own, _values(chart, loader, values_file))
    if isinstance(answer, Needs):
        raise Needed(answer)
    return answer


def _chart(chart: Mapping[str, Any], globals: Mapping[str, Any], loader: Loader) -> tuple[Tree, str, bytes]:
    """The tree and the path of a chart, and the content of the values file that counts."""
    name, version, repository = chart["name"], chart.get("version") or "", chart.get("repo") or ""
    home = globals.get("chartHome") or _HOME
    place = f"{home}/{name}-{version}/{name}" if version and repository else f"{home}/{name}"
    folder = join(loader.root, place)
    if folder is not None and loader.tree.kind(folder) == "directory":
        tree, path = loader.tree, folder
    elif repository:
        tree, path = loader.remote_tree(Remote(repository.rstrip("/"), version, "chart", name)), ""
    else:
        raise RenderError(f"there is no chart at {loader.name(place)}, and no repo to have it from")
    if chart.get("valuesFile"):
        return tree, path, loader.load_secret(chart["valuesFile"])
    own = f"{path}/values.yaml" if path else "values.yaml"
    return tree, path, tree.read(own) if tree.kind(own) == "file" else b""


def _values(chart: Mapping[str, Any], loader: Loader, file: bytes) -> dict[str, Any]:
    how = chart.get("valuesMerge") or "override"
    if how not in _MERGES:
        raise RenderError(f"valuesMerge: expected one of {', '.join(_MERGES)}, got {how}")
    inline = floats(dict(chart.get("valuesInline") or {}))
    values = read_values(file, chart.get("valuesFile") or f"{chart['name']}/values.yaml")
    if inline:
        values = {"override": _merged(values, inline), "merge": _merged(inline, values), "replace": inline}[how]
    for name in chart.get("additionalValuesFiles") or ():
        try:
            values = merge_maps(values, read_values(loader.load_secret(name), name))
        except SourceError as error:
            raise RenderError(f"additionalValuesFiles: {error}") from error
    return values


def _merged(under: Any, over: Any) -> Any:
    """Maps are merged, a null takes a field away, and all else is replaced."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    found = dict(under)
    for name, value in over.items():
        if value is None:
            found.pop(name, None)
        elif name in found:
            found[name] = _merged(found[name], value)
        else:
            found[name] = value
    return found
