"""Files of other sources as folders of one: `source.include`.

They are read where they are, and seen where they are included, links and all: what a link in them names is looked for
from there. As Flux copies the artifact of a GitRepository into another (source-controller 1.7): a place that the source
has already, or a folder that the other has not, is an error.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitops.model.errors import SourceError
from gitops.model.revision import Entry, Files, Node, Tree, is_inside, within


@dataclass(frozen=True, slots=True)
class Included:
    """The folder (or file) `from_path` of `tree`, which `name` names in messages, at `to_path`."""

    name: str
    tree: Tree
    from_path: str
    to_path: str


class WithIncluded:
    """`gitops.model.revision.Files` of a source that includes others; checked when it is first asked."""

    def __init__(self, own: Files, included: Sequence[Included]) -> None:
        self._own = own
        self._included = included
        self._is_checked = False

    def node(self, path: str) -> Node | None:
        self._check_once()
        found = self._in(path)
        if found is not None:
            return found.tree.files.node(_below(found, path))
        own = self._own.node(path)
        if own is None and any(is_inside(one.to_path, path) for one in self._included):
            return Node("directory")
        return own

    def entries(self, path: str) -> Iterable[Entry]:
        self._check_once()
        found = self._in(path)
        if found is not None:
            return found.tree.files.entries(_below(found, path))
        node = self._own.node(path)
        entries = list(self._own.entries(path)) if node is not None and node.kind == "directory" else []
        known = {entry.name for entry in entries}
        for to in (one.to_path for one in self._included):
            if is_inside(to, path):
                name = to.removeprefix(f"{path}/" if path else "").partition("/")[0]
                if name not in known:
                    known.add(name)
                    at = self.node(within(path, name))
                    entries.append(Entry(name, at.kind if at is not None else "directory"))
        return entries

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        found = self._in(path)
        if found is None:
            return self._own.read(path, node)
        return found.tree.files.read(_below(found, path), node)

    def _in(self, path: str) -> Included | None:
        return next((one for one in self._included if is_inside(path, one.to_path)), None)

    def _check_once(self) -> None:
        """Raises SourceError for a place that is taken, and for what is not there."""
        if not self._is_checked:
            for one in self._included:
                self._check(one)
            self._is_checked = True

    def _check(self, one: Included) -> None:
        parts = one.to_path.split("/")
        for depth in range(1, len(parts) + 1):
            node = self._own.node("/".join(parts[:depth]))
            if node is None:
                break
            if node.kind != "directory" or depth == len(parts):
                raise SourceError(f"include {one.name}: {'/'.join(parts[:depth])} is in the source already")
        if one.tree.kind(one.from_path) is None:
            raise SourceError(f"include {one.name}: it has no {one.from_path}")
        if one.tree.real(one.from_path) != one.from_path:
            raise SourceError(f"include {one.name}: {one.from_path} is, or lies behind, a symbolic link")


def _below(one: Included, path: str) -> str:
    inside = path.removeprefix(one.to_path).lstrip("/")
    return within(one.from_path, inside) if inside else one.from_path
