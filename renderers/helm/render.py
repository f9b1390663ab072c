"""Helm charts: the renderer, from the chart's folder and an Application's `helm` options to manifests.

Values are, the later the stronger: the chart's own, the files of `helm.valueFiles` (relative to the chart's folder),
`helm.valuesFrom`, `helm.values`, `helm.parameters`, `helm.fileParameters`. No cluster is asked, nothing is fetched here
(`Needs` names what has to be known or fetched first), and no file outside of the source is read. Hooks are manifests
like others; the engine runs them by their annotations.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml import read_manifests
from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Tree, join, normalise, within
from renderers.decryption import opened_values
from renderers.files import files_below, matcher
from renderers.helm.chart_load import load_folder, read_values
from renderers.helm.chart_remotes import add_missing
from renderers.helm.chart_schema import SchemasNeededError
from renderers.helm.chart_values import merge_maps
from renderers.helm.circumstances import circumstances
from renderers.helm.encoders import floats
from renderers.helm.engine import Release
from renderers.helm.functions_dicts import deep_copy
from renderers.helm.gotemplate.values import as_bytes, as_text
from renderers.helm.set_values import escaped, set_file, set_text, set_typed
from renderers.helm.template import Output, Request, template
from renderers.helm.values_from import with_cluster_values
from renderers.result import Context, Decrypt, Needs, Rendered

if TYPE_CHECKING:
    from gitops.model.application import SourceSpec
    from gitops.model.helm_options import HelmOptions

_GLOB: Final = "*?["
RELEASE_NAME: Final = "release-name"
NAMESPACE: Final = "default"


def render(tree: Tree, spec: "SourceSpec", context: Context) -> Rendered | Needs:
    """The manifests of the chart at `spec.path`: its custom resource definitions, the others, and its hooks.

    Raises RenderError, SourceError, and ManifestError when what a template gives is no manifest.
    """
    output = render_output(tree, normalise(spec.path), spec.helm, context)
    if isinstance(output, Needs):
        return output
    definitions = [one for part in output.crds for one in read_manifests(as_bytes(part.text), part.path)]
    if spec.helm.crds == "Create":
        definitions = [_if_absent(one) for one in definitions]
    parts = (*output.manifests, *output.hooks)
    others = [one for part in parts for one in read_manifests(as_bytes(part.text), part.path)]
    return Rendered("helm", (*definitions, *others), output.chance)


def _if_absent(manifest: Manifest) -> Manifest:
    """The same, made where it is not there and left alone where it is."""
    metadata = manifest.body["metadata"]
    annotations = {**(metadata.get("annotations") or {}), "gitops.dev/apply": "if-absent"}
    return manifest._replace(body={**manifest.body, "metadata": {**metadata, "annotations": annotations}})


def render_output(
    tree: Tree, path: str, options: "HelmOptions", context: Context, given: dict[str, Any] | None = None
) -> Output | Needs:
    """What `helm template` would print of the chart; `given` are values stronger than all of `options`."""
    chart = load_folder(tree, path)
    needed = add_missing(chart, tree, path, context.remotes)
    if needed:
        return Needs(needed)
    with circumstances(context.live) as found:
        try:
            files = _values_of_files(tree, path, options, context)
            if options.replaceValues and options.valueFiles:
                chart.values, files = files, {}
            values = merge_maps(_values_of(files, tree, path, options, context), given or {})
            output = template(chart, _request(options, context, values))
        except SchemasNeededError as needed_schemas:
            return Needs(needed_schemas.remotes)
        except RenderError:
            if found.needs is None:
                raise
        return found.needs or output._replace(chance=tuple(found.chance))


def _request(options: "HelmOptions", context: Context, values: dict[str, Any]) -> Request:
    release = Release(options.releaseName or context.name or RELEASE_NAME, context.namespace or NAMESPACE)
    return Request(
        release,
        values,
        context.remotes,
        kube_version=options.kubeVersion,
        api_versions=options.apiVersions,
        include_crds=not (options.skipCRDs or options.crds == "Skip"),
        skip_tests=options.skipTests,
        skip_schema=options.skipSchemaValidation,
    )


def _values_of_files(tree: Tree, path: str, options: "HelmOptions", context: Context) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in options.valueFiles:
        for file in _files_of(tree, _inside(tree, path, name), missing=options.ignoreMissingValueFiles):
            tree.check_at_home(file)
            name = tree.shown(file)
            values = merge_maps(values, read_values(opened_values(context.decrypt, tree.read(file), name), name))
    return values


def _values_of(
    files: dict[str, Any], tree: Tree, path: str, options: "HelmOptions", context: Context
) -> dict[str, Any]:
    """What is said over the values of the files."""
    values: dict[str, Any] = merge_maps(files, with_cluster_values(floats(options.values), options.valuesFrom, context))
    if not options.parameters and not options.fileParameters:
        return values
    values = deep_copy(values)
    for parameter in options.parameters:
        setting = set_text if parameter.forceString else set_typed
        setting(f"{parameter.name}={escaped(parameter.value)}", values)
    for one in options.fileParameters:
        set_file(f"{one.name}={escaped(one.path)}", values, _reader(tree, path, context.decrypt))
    return values


def _files_of(tree: Tree, name: str, *, missing: bool) -> list[str]:
    """The file of that name or, where it is a glob, all that it fits, in the order of their names.

    None where none is there and that is allowed (`missing`). Raises SourceError for a glob that fits nothing.
    """
    parts = name.split("/")
    fixed = next((number for number, part in enumerate(parts) if any(mark in part for mark in _GLOB)), len(parts))
    if fixed == len(parts) or tree.kind(name) == "file":
        return [] if missing and tree.kind(name) is None else [name]
    folder, glob = "/".join(parts[:fixed]), "/".join(parts[fixed:])
    is_there = tree.kind(folder) == "directory"
    fits = matcher(glob.replace(",", "?"))
    found = [within(folder, one) for one in files_below(tree, folder, recurse="/" in glob)] if is_there else []
    found = sorted(file for file in found if fits(file.removeprefix(f"{folder}/") if folder else file))
    if not found and not missing:
        raise SourceError(f"{tree.shown(name)}: fits no file (ignoreMissingValueFiles takes that for none)")
    return found


def _inside(tree: Tree, path: str, name: str) -> str:
    """A file's path in the tree: as seen from the chart, or `$ref/PATH` of another source of the Application."""
    other, _, rest = name.partition("/")
    of_other = other.startswith("$") and bool(rest) and tree.kind(other) == "directory"
    file = join(other, rest) if of_other else join(path, name)
    if file is None:
        raise SourceError(f"{name}: leads out of {tree.label or 'the tree'}")
    return file


def _reader(tree: Tree, path: str, decrypt: Decrypt | None) -> Callable[[str], str]:
    def read(name: str) -> str:
        file = _inside(tree, path, name)
        tree.check_at_home(file)
        return as_text(opened_values(decrypt, tree.read(file), tree.shown(file)))

    return read


def check_release_name(name: str) -> None:
    """Raises RenderError for a name that Helm refuses."""
    import re

    if len(name) > 53 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name):
        raise RenderError(
            f"release name {name!r} is invalid: expected at most 53 lower case letters, digits, - and . between them"
        )
