"""The kustomization that Flux builds for one of its Kustomizations, as its kustomize-controller 1.9 makes it.

    the folder's kustomization, or one of all manifests below ──► the options written into it ──► build

An overlay changes what the kustomization made; here a prefix takes the place of the file's, and patches come before its
namespace is set.
"""

import re
from typing import TYPE_CHECKING, Any, Final

from gitops.model.errors import RenderError
from gitops.model.revision import Tree, within
from renderers.kustomize.kustomization import Kustomization, read_kustomization
from renderers.kustomize.loader import FILES, Loader

if TYPE_CHECKING:
    from gitops.model.application import KustomizeOptions

_ENDINGS: Final = (".yaml", ".yml")
_REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*:|[^/]*@", re.ASCII | re.IGNORECASE)


def flux_kustomization(loader: Loader, overlay: dict[str, Any], options: "KustomizeOptions") -> Kustomization:
    """The folder's kustomization with `overlay`, the options of an Application as fields of a kustomization.

    Raises RenderError, SourceError.
    """
    file = _read(loader)
    fields = dict(file.fields)
    fields.update({name: overlay[name] for name in ("namespace", "namePrefix", "nameSuffix") if name in overlay})
    fields["patches"] = [*file.items("patches"), *overlay.get("patches", ())]
    fields["images"] = _merged(file.items("images"), overlay.get("images", ()))
    fields["components"] = [*file.texts("components"), *_components(loader, options)]
    if options.buildMetadata:
        fields["buildMetadata"] = list(options.buildMetadata)
    return Kustomization(file.name, fields)


def _read(loader: Loader) -> Kustomization:
    """The folder's own, or one that takes every manifest below it, as Flux generates it."""
    if not any(loader.tree.kind(within(loader.root, name)) == "file" for name in FILES):
        resources = list(_manifests(loader.tree, loader.root))
        return Kustomization(FILES[0], {"resources": resources})
    file = read_kustomization(loader, may_be_empty=True)
    if file.fields.get("resources"):
        return file
    return Kustomization(file.name, {**file.fields, "buildMetadata": ["originAnnotations"]})


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
        if path.startswith("/") or _REMOTE.match(path):
            raise RenderError(f"source.kustomize.components: {path}: expected a path relative to {loader.root or '.'}")
        if options.ignoreMissingComponents and loader.tree.kind(within(loader.root, path)) is None:
            continue
        found.append(path)
    return found


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
