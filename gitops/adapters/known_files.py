"""What nearly every render asks of a path first, gathered at once.

A render in a process of its own asks for its files one by one, and waits for each answer: for an Application of a few
small files that takes several times as long as the render itself.
"""

import contextlib
from typing import Final

from gitops.model.errors import SourceError
from gitops.model.revision import Files, normalise, within
from renderers.registry import KUSTOMIZATION_FILES
from renderers.worker import Known

# A folder of more files, and what goes beyond so many bytes, is asked for as it is needed.
_MOST_FILES: Final = 32
_MOST_BYTES: Final = 128 * 1024
_LOOKED_FOR: Final = ("Chart.yaml", *KUSTOMIZATION_FILES)
_READ: Final = (".yaml", ".yml", ".json", *KUSTOMIZATION_FILES)


def known_files(files: Files, path: str) -> Known:
    """The folders that lead to `path`, the names in it, and its small manifests; less where anything is in the way.

    Raises nothing: what cannot be read is asked for again by whoever needs it, and told then.
    """
    known = Known({}, {}, {})
    with contextlib.suppress(SourceError):
        _gather(files, normalise(path), known)
    return known


def _gather(files: Files, path: str, known: Known) -> None:
    above = ""
    for part in path.split("/") if path else ():
        above = within(above, part)
        node = known.nodes[above] = files.node(above)
        if node is None or node.kind != "directory":
            return
    entries = list(files.entries(path))
    if len(entries) > _MOST_FILES:
        return
    known.entries[path] = entries
    for name in _LOOKED_FOR:
        place = within(path, name)
        known.nodes[place] = files.node(place)
    left = _MOST_BYTES
    for entry in entries:
        place = within(path, entry.name)
        if not entry.name.endswith(_READ) or entry.kind != "file":
            continue
        node = known.nodes[place] = files.node(place)
        if node is not None and node.kind == "file" and node.size <= left:
            left -= node.size
            known.contents[place] = files.read(place, node)
