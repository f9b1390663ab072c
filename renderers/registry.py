"""Which renderer makes manifests of a path, and the one call that makes them.

| found at the path | renderer |
|---|---|
| `Chart.yaml` | helm |
| `kustomization.yaml`, `kustomization.yml` or `Kustomization` | kustomize |
| a `*.j2` file, at any depth | template |
| anything else | plain |

An Application may name a renderer instead; names that are not built in are looked up among the entry points of the
group `gitops.renderers`, each a function like `render` below, or a PlugIn: such a function with options. Only the
renderer that is used is imported.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from gitops.model.errors import RenderError, SourceError
from gitops.model.reading import read_as
from gitops.model.revision import Tree, normalise, within
from renderers.files import files_below
from renderers.result import Context, Needs, PlugIn, Rendered

if TYPE_CHECKING:
    from gitops.model.application import SourceSpec

__all__ = ["Context", "Needs", "PlugIn", "Rendered", "render", "render_path", "renderer_for"]

Renderer = Callable[[Tree, "SourceSpec", Context], Rendered | Needs]
Transform = Callable[[Rendered, "SourceSpec", Context], Rendered | Needs]

KUSTOMIZATION_FILES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_BUILT_IN: Final = {
    "plain": "renderers.plain",
    "template": "renderers.template",
    "kustomize": "renderers.kustomize.render",
    "helm": "renderers.helm.render",
}


def render(tree: Tree, spec: "SourceSpec", context: Context | None = None) -> Rendered | Needs:
    """The manifests of `spec.path` in `tree`.

    Raises SourceError when the path is not in the tree, RenderError when nothing can be made of what is there, and
    ManifestError when a file is no manifest.
    """
    path = normalise(spec.path)
    as_flux = spec.kustomize.rules == "flux"
    if not spec.is_bucket and (spec.ignore or as_flux):  # what is ignored of a bucket was never read
        from renderers.ignored import without_ignored

        tree = without_ignored(tree, spec.ignore, as_flux=as_flux)
    if tree.kind(path) is None:
        raise SourceError(f"{spec.path}: no such path in the source")
    context = context or Context()
    name = spec.renderer if spec.renderer != "auto" else renderer_for(tree, path)
    answer = _renderer(name, spec.options)(tree, spec, context)
    _check_not_empty(answer, spec.path)
    for transform in _transforms(spec, context):
        if isinstance(answer, Needs):
            return answer
        answer = transform(answer, spec, context)
    return answer


def _check_not_empty(answer: Rendered | Needs, path: str) -> None:
    if isinstance(answer, Rendered) and not answer.manifests and answer.renderer not in ("kustomize", "helm"):
        raise RenderError(f"{path}: nothing to render there (no manifest in any file that was read)")


def _transforms(spec: "SourceSpec", context: Context) -> "Iterator[Transform]":
    """What changes the manifests of any renderer, in order; what an Application does not use is not imported."""
    if spec.patches or spec.images:
        from renderers.transforms.patches import with_patches

        yield lambda rendered, spec, context: with_patches(rendered, spec.patches, spec.images, context)
    if context.decrypt is not None:
        from renderers.transforms.decryption import with_decryption

        yield lambda rendered, spec, context: with_decryption(rendered, context.decrypt)
    if spec.postBuild.is_used:
        from renderers.transforms.substitution import with_substitution

        yield lambda rendered, spec, context: with_substitution(rendered, spec.postBuild, context)
    if spec.commonMetadata.labels or spec.commonMetadata.annotations:
        from renderers.transforms.common_metadata import with_common_metadata

        yield lambda rendered, spec, context: with_common_metadata(rendered, spec.commonMetadata)


def render_path(tree: Tree, path: str, context: Context) -> Rendered | Needs:
    """What `render` gives for a path that no Application says more about."""
    path = normalise(path)
    name = renderer_for(tree, path) if tree.kind(path) == "directory" else ""
    if name == "kustomize":
        from renderers.kustomize.render import render_folder

        return render_folder(tree, path, context)
    if name == "plain":  # without the many types of an Application: making those takes longer than most renders
        from gitops.model.plain_options import PlainOptions
        from renderers.plain import render_files

        answer = render_files(tree, path, PlainOptions(), context)
        _check_not_empty(answer, path or ".")
        return answer
    from gitops.model.application import SourceSpec

    return render(tree, SourceSpec(path=path or "."), context)


def renderer_for(tree: Tree, path: str) -> str:
    """The name of the renderer that fits what stands at `path`."""
    if tree.kind(path) == "file":
        return "template" if path.endswith(".j2") else "plain"
    if tree.kind(within(path, "Chart.yaml")) == "file":
        return "helm"
    if any(tree.kind(within(path, name)) == "file" for name in KUSTOMIZATION_FILES):
        return "kustomize"
    return "template" if any(name.endswith(".j2") for name in files_below(tree, path)) else "plain"


def _renderer(name: str, options: dict[str, Any]) -> Renderer:
    if name in _BUILT_IN:
        if options:
            raise RenderError(f"source.options: is for an installed renderer; {name} has its options in source.{name}")
        found: Renderer = import_module(_BUILT_IN[name]).render
        return found
    from importlib.metadata import entry_points

    for entry in entry_points(group="gitops.renderers", name=name):
        try:
            plug_in: Renderer | PlugIn = entry.load()
        except Exception as exc:  # it is anybody's code
            raise RenderError(f"renderer {name} ({entry.value}) cannot be loaded: {exc}") from exc
        return _with_options(name, plug_in, options)
    others = sorted(entry.name for entry in entry_points(group="gitops.renderers"))
    known = f"built in: auto, {', '.join(sorted(_BUILT_IN))}; installed: {', '.join(others) or 'none'}"
    raise RenderError(f"no renderer is called {name} ({known})")


@dataclasses.dataclass(frozen=True, slots=True)
class _NoOptions:
    """Of a renderer that is a plain function."""


def _with_options(name: str, plug_in: Renderer | PlugIn, options: dict[str, Any]) -> Renderer:
    """The renderer, given its options where it has some. Raises RenderError, which names the option."""
    kind = plug_in.options if isinstance(plug_in, PlugIn) else _NoOptions
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise RenderError(f"source.options.{unknown[0]}: renderer {name} has the options: {', '.join(known) or 'none'}")
    try:
        found: Any = read_as(kind, options)
    except ValueError as exc:
        raise RenderError(f"source.options.{exc}") from exc
    return partial(plug_in.render, options=found) if isinstance(plug_in, PlugIn) else plug_in
