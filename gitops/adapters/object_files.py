"""Objects of Kubernetes in the files of a folder, of whatever kind, as they stand there."""

import posixpath
from typing import Any, Final

from gitops.manifests.errors import GitopsError
from gitops.manifests.key import Body
from gitops.manifests.yaml_documents import load_all
from gitops.model.revision import Tree, join, within
from renderers.files import files_below
from renderers.registry import KUSTOMIZATION_FILES

_ENDINGS: Final = (".yaml", ".yml", ".json")
_OF_OBJECTS: Final = ("resources", "bases")
_OF_PATCHES: Final = ("patches", "patchesStrategicMerge", "patchesJson6902")


def objects_below(tree: Tree, folder: str) -> tuple[list[tuple[str, Body]], list[str]]:
    """Each object with its file, in the order of the files; and why files were left out: a patch is no object.

    Raises SourceError.
    """
    files: dict[str, list[Any]] = {}
    left_out: list[str] = []
    for name in files_below(tree, folder):
        if not name.endswith(_ENDINGS) and posixpath.basename(name) not in KUSTOMIZATION_FILES:
            continue
        path = within(folder, name)
        try:
            files[path] = [document.value for document in load_all(tree.read(path), tree.shown(path))]
        except GitopsError as exc:
            left_out.append(str(exc))
    patches = _patches(files)
    left_out += [f"{tree.shown(path)}: a patch in {tree.shown(patches[path])}" for path in files if path in patches]
    found = [
        (tree.shown(path), body)
        for path, bodies in files.items()
        if path not in patches
        for body in bodies
        if _is_object(body)
    ]
    return found, left_out


def _patches(files: dict[str, list[Any]]) -> dict[str, str]:
    """The files that kustomizations name as patches, and never as objects, each with the kustomization."""
    found: dict[str, str] = {}
    objects: set[str] = set()
    for path, bodies in files.items():
        for body in bodies if posixpath.basename(path) in KUSTOMIZATION_FILES else ():
            named = {field: _named(body, field, posixpath.dirname(path)) for field in (*_OF_OBJECTS, *_OF_PATCHES)}
            objects.update(*(named[field] for field in _OF_OBJECTS))
            found |= dict.fromkeys((each for field in _OF_PATCHES for each in named[field]), path)
    return {path: name for path, name in found.items() if path not in objects}


def _named(body: Any, field: str, folder: str) -> set[str]:
    """The paths that a field of a kustomization names."""
    items = body.get(field) if isinstance(body, dict) else None
    texts = [item.get("path") if isinstance(item, dict) else item for item in items] if isinstance(items, list) else []
    return {join(folder, text) or "" for text in texts if isinstance(text, str) and text and "\n" not in text}


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metadata"), dict)
