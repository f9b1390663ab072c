"""The Kustomize renderer: a path in a tree in, manifests out, as `kubectl kustomize` prints them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from gitops.manifests.key import Body, ResourceKey, group_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.errors import RenderError
from gitops.model.revision import Tree, normalise
from renderers.kustomize.build import build
from renderers.kustomize.config import FieldSpec
from renderers.kustomize.images import split_image
from renderers.kustomize.kustomization import read_kustomization
from renderers.kustomize.labels import add_entries
from renderers.kustomize.loader import Loader, Needed
from renderers.kustomize.nodes import value_of
from renderers.kustomize.order import sort_resources
from renderers.kustomize.origins import remove_origins
from renderers.kustomize.resources import Resources
from renderers.result import Context, Needs, Remote, Rendered

if TYPE_CHECKING:
    from gitops.model.application import KustomizeOptions, Patch, SourceSpec
    from renderers.helm.template import Output
    from renderers.kustomize.charts import Inflate

# As `kubectl kustomize` of these versions writes it; the older one does not know its own.
_MANAGED_BY: Final = {"5.5": "kustomize-(devel)", "5.8": "kustomize-v5.8.1"}


def render(tree: Tree, spec: "SourceSpec", context: Context) -> Rendered | Needs:
    """The manifests of the kustomization at `spec.path`, or the repositories that it needs.

    Raises RenderError, SourceError or ManifestError, before anything is half-built.
    """
    return render_folder(tree, normalise(spec.path), context, spec.kustomize)


def render_folder(
    tree: Tree, path: str, context: Context, options: "KustomizeOptions | None" = None
) -> Rendered | Needs:
    """The same for a normalised path, with or without the options of an Application."""
    try:
        objects = _objects(tree, path, context, options)
    except Needed as needed:
        return needed.needs
    return Rendered("kustomize", tuple(Manifest(_key(body), body, origin) for body, origin in objects))


def render_bodies(tree: Tree, path: str, context: Context) -> list[Body]:
    """The objects in their order; raises Needed too."""
    return [body for body, _ in _objects(tree, path, context, None)]


def _objects(tree: Tree, path: str, context: Context, options: "KustomizeOptions | None") -> list[tuple[Body, Origin]]:
    """Each object and the file that it is from: the kustomization itself where nothing more is known."""

    def remote_tree(remote: Remote) -> Tree:
        found = context.remotes.get(remote)
        if found is None:
            raise Needed(Needs((remote,)))
        return found

    root = tree.real(path)
    if root is None or tree.kind(path) != "directory":
        raise RenderError(f"{path or '.'}: expected a directory with a kustomization")
    as_flux = options is not None and options.rules == "flux"
    restricted, absolute = context.load_restrictor == "root" and not as_flux, tree.is_file_system
    loader = Loader(tree, root, restricted, remote_tree, absolute=absolute, decrypt=context.decrypt)
    version = options.version if options is not None else context.kustomize_version
    with_helm = context.enable_helm or (options is not None and options.enableHelm)
    overlay = _overlay(options)
    if as_flux and options is not None:
        from renderers.kustomize.flux import flux_kustomization

        top, overlay = flux_kustomization(loader, overlay, options), {}
    else:
        top = read_kustomization(loader)
    resources = build(loader, top, _inflate(context) if with_helm else None, overlay, version)
    resources.items = sort_resources(resources.items, top.fields.get("sortOptions"))
    resources.append_all(_taken(resources))
    metadata = top.build_metadata
    if "managedByLabel" in metadata:
        label = {"app.kubernetes.io/managed-by": _MANAGED_BY[version]}
        add_entries(resources, label, (FieldSpec("metadata/labels", create=True),))
    for resource in resources.items:
        resource.remove_notes()
    remove_origins(resources, "originAnnotations" in metadata, "transformerAnnotations" in metadata)
    return _bodies(resources, Origin(loader.place(top.name), 0))


def _bodies(resources: Resources, unknown: Origin) -> list[tuple[Body, Origin]]:
    """What is made of each; `unknown` is the origin of what has none."""
    found: list[tuple[Body, Origin]] = []
    for resource in resources.items:
        try:
            found.append((value_of(resource.node), resource.origin or unknown))
        except RenderError as error:
            raise RenderError(f"{resource.current}: {error}") from error
    return found


def _inflate(context: Context) -> "Inflate":
    """What renders charts; none of it is imported where there are none."""

    def inflated(chart: Mapping[str, Any], globals: Mapping[str, Any], loader: Loader) -> "Output":
        from renderers.kustomize.charts import inflate

        return inflate(context, chart, globals, loader)

    return inflated


def _taken(resources: Resources) -> list[Any]:
    """The resources taken out of the list, to be added again with a check that no id is there twice."""
    items, resources.items = resources.items, []
    return items


def _overlay(options: "KustomizeOptions | None") -> dict[str, Any]:
    """The options of an Application as fields of a kustomization on top."""
    if options is None:
        return {}
    fields = {
        "namePrefix": options.namePrefix,
        "nameSuffix": options.nameSuffix,
        "images": [written_image(text) for text in options.images],
        "namespace": options.namespace,
        "patches": [written(patch) for patch in options.patches],
        "components": list(options.components),
    }
    return {name: value for name, value in fields.items() if value}


def written_image(text: str) -> dict[str, str]:
    """`shop=registry.example.com/shop:1.2` or `shop:1.2` as an item of `images`; `shop=*:1.2` keeps the name."""
    name, equals, new = text.partition("=")
    new_name, tag, digest = split_image(new if equals else text)
    kept = "" if new_name == "*" else new_name
    return {"name": name if equals else new_name, "newName": kept, "newTag": tag, "digest": digest}


def written(patch: "Patch") -> dict[str, Any]:
    """A patch as an item of a kustomization's `patches`."""
    target = {name: value for name, value in asdict(patch.target).items() if value}
    return {"patch": patch.patch, **({"target": target} if target else {})}


def _key(body: Body) -> ResourceKey:
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return ResourceKey(
        group_of(str(body.get("apiVersion", ""))),
        str(body.get("kind", "")),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )
