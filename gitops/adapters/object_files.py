"""Objects of Kubernetes in the files of a folder, of whatever kind, as they stand there."""

from typing import Final

from gitops.manifests.errors import GitopsError
from gitops.manifests.key import Body
from gitops.manifests.yaml_documents import load_all
from gitops.model.revision import Tree, within
from renderers.files import files_below

_ENDINGS: Final = (".yaml", ".yml", ".json")


def objects_below(tree: Tree, folder: str) -> tuple[list[tuple[str, Body]], list[str]]:
    """Each object with its file, in the order of the files; and why files were left out. Raises SourceError."""
    found: list[tuple[str, Body]] = []
    left_out: list[str] = []
    for name in files_below(tree, folder):
        if not name.endswith(_ENDINGS):
            continue
        path = within(folder, name)
        try:
            documents = load_all(tree.read(path), tree.shown(path))
        except GitopsError as exc:
            left_out.append(str(exc))
            continue
        bodies = (document.value for document in documents)
        found += [(tree.shown(path), body) for body in bodies if _is_object(body)]
    return found, left_out


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metadata"), dict)
