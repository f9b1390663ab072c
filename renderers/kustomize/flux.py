"""The kustomization that Flux builds for one of its Kustomizations, as its kustomize-controller 1.9 makes it.

    the folder's kustomization, or one of all manifests below ──► the options written into it ──► build

An overlay changes what the kustomization made; here a prefix takes the place of the file's, and patches come before its
namespace is set.
"""

from typing import TYPE_CHECKING, Any, Final

from gitops.model.errors import RenderError
from gitops.model.revision import Tree, join, within
from renderers.kustomize.decode import PLUG_IN
from renderers.kustomize.kustomization import Kustomization, checked, read_fields
from renderers.kustomize.loader import FILES, Loader

if TYPE_CHECKING:
    from gitops.model.application import KustomizeOptions

_ENDINGS: Final = (".yaml", ".yml")
# The beginnings of a path by which Flux knows one of another repository.
_REMOTE: Final = ("git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/")
_NO_NAMESPACE: Final = "_placeholder"


def flux_kustomization(loader: Loader, overlay: dict[str, Any], options: "KustomizeOptions") -> Kustomization:
    """The folder's kustomization with `overlay`, the options of an Application as fields of a kustomization.

    Raises RenderError, SourceError.
    """
    name, file = _read(loader)
    fields = dict(file)
    fields.update({each: overlay[each] for each in ("namespace", "namePrefix", "nameSuffix") if each in overlay})
    fields["patches"] = [*file.get("patches", ()), *overlay.get("patches", ())]
    fields["images"] = _merged(file.get("images", []), overlay.get("images", ()))
    fields["components"] = [*file.get("components", ()), *_components(loader, options)]
    if options.buildMetadata:
        fields["buildMetadata"] = list(options.buildMetadata)
    return checked(name, fields, loader.name(name))


def _read(loader: Loader) -> tuple[str, dict[str, Any]]:
    """The folder's own, or one that takes every manifest below it, as Flux generates it.

    Flux writes the file anew before it is built: it loses fields that nobody knows, and a number is taken for text.
    """
    if not any(loader.tree.kind(within(loader.root, name)) == "file" for name in FILES):
        resources = _manifests(loader.tree, loader.root)
        return FILES[0], {"resources": resources} if resources else {"namespace": _NO_NAMESPACE}
    name, fields = read_fields(loader, PLUG_IN)
    return name, fields if fields.get("resources") else {**fields, "buildMetadata": ["originAnnotations"]}


def _manifests(tree: Tree, root: str, below: str = "") -> "list[str]":
    """The files and folders, relative to `root`, that Flux names in a kustomization of its own making.

    A folder that has a kustomization is one of them, and is not entered. Links are not in what Flux takes of a
    repository.
    """
    found: list[str] = []
    for entry in sorted(tree.entries(within(root, below)), key=lambda entry: entry.name):
        name = within(below, entry.name)
        if entry.kind == "directory":
            folder = within(root, name)
            if any(tree.kind(within(folder, each)) == "file" for each in FILES):
                found.append(name)
            else:
                found += _manifests(tree, root, name)
        elif entry.kind == "file" and name.endswith(_ENDINGS):
            found.append(name)
    return found


def _components(loader: Loader, options: "KustomizeOptions") -> list[str]:
    found: list[str] = []
    for path in options.components:
        is_absolute = path.lower().removeprefix("file://").startswith("/")
        if is_absolute or any(path.lower().startswith(start) and path.lower() != start for start in _REMOTE):
            raise RenderError(f"source.kustomize.components: {path}: expected a path relative to {loader.root or '.'}")
        if options.ignoreMissingComponents and not _is_there(loader, path):
            continue
        found.append(path)
    return found


def _is_there(loader: Loader, path: str) -> bool:
    full = join(loader.root, path)  # None where it leads out of the repository
    return full is not None and loader.tree.kind(full) is not None


def _merged(of_file: list[dict[str, Any]], given: "list[dict[str, Any]]") -> list[dict[str, Any]]:
    """The file's images with those that are given: a new name, and a tag or digest, each take the place of the old."""
    images = {image.get("name", ""): image for image in reversed(of_file)}  # of two of one name the first is changed
    for image in given:
        known = images.get(image["name"])
        changed = dict(known or {"name": image["name"]})
        if image["newName"]:
            changed["newName"] = image["newName"]
        if image["newTag"] or image["digest"]:
            changed |= {"newTag": image["newTag"], "digest": image["digest"]}
        images[image["name"]] = changed
        if known is None:
            of_file = [*of_file, changed]
        else:
            of_file = [changed if each is known else each for each in of_file]
    return of_file
