"""Several sources as one: their revisions as one revision, their files as one tree, each below a folder of its own.

    $values/…      the source with `ref: values`, as others name its files
    source-1/…     the first source without a `ref`

The revision of several is named by all of theirs, in their order, so that each can be had again from that name alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.revision import Entry, Files, Node, Revision, Tree, join, normalise, within
from gitops.ports import Refs

_BETWEEN = "+"


def one_by_one(app: Application) -> tuple[Application, ...]:
    """The Application with each of its sources alone."""
    return tuple(app.with_sources((source,)) for source in app.all_sources)


def folders_of(app: Application) -> tuple[str, ...]:
    """The folder of each source in the tree of all; "" for one that is alone."""
    return _folders(app.sources) if app.sources else ("",)


def placed(app: Application) -> tuple[SourceSpec, ...]:
    """The sources that are rendered, with their paths as they are in the tree of all. Raises SourceError."""
    if not app.sources:
        return (app.source,)
    folders = zip(app.sources, folders_of(app), strict=True)
    found = [replace(one, path=within(folder, normalise(one.path))) for one, folder in folders if one.is_rendered]
    if not found:
        raise SourceError(
            f"{app.identity}: none of its sources is rendered (each has a ref, and neither path nor chart)"
        )
    return tuple(found)


def revision_of(parts: Sequence[Revision]) -> Revision:
    """One revision for all."""
    if len(parts) == 1:
        return parts[0]
    return Revision(_BETWEEN.join(part.sha for part in parts), _BETWEEN.join(part.ref for part in parts))


def parts_of(app: Application, revision: Revision) -> tuple[Revision, ...]:
    """The revision of each source. Raises SourceError for one of other sources than it has now."""
    count = len(app.all_sources)
    shas, refs = revision.sha.split(_BETWEEN), revision.ref.split(_BETWEEN)
    if len(shas) != count:
        raise SourceError(
            f"{app.identity}: revision {revision} is of another number of sources ({len(shas)}, and it has {count} now)"
        )
    if count == 1:
        return (revision,)
    named = refs if len(refs) == count else [""] * count
    return tuple(Revision(sha, ref) for sha, ref in zip(shas, named, strict=True))


def tree_of(app: Application, trees: Sequence[Tree]) -> Tree:
    """One tree of all; nothing of it is read yet."""
    if len(trees) == 1:
        return trees[0]
    folders = _folders(app.all_sources)
    return Tree(_Folders({folder: tree.files for folder, tree in zip(folders, trees, strict=True)}))


def changed_in(app: Application, changed: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    """The paths that differ in the tree of all; None where one source cannot tell."""
    if len(changed) == 1:
        return changed[0]
    found: set[str] = set()
    for folder, paths in zip(_folders(app.all_sources), changed, strict=True):
        if paths is None:
            return None
        found |= {f"{folder}/{path}" for path in paths}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class SeveralRefs:
    """`gitops.ports.Refs` of several repositories."""

    parts: tuple[Refs, ...]

    def revision(self, app: Application) -> Revision | None:
        found = [refs.revision(one) for refs, one in zip(self.parts, one_by_one(app), strict=True)]
        known = [revision for revision in found if revision is not None]
        return revision_of(known) if len(known) == len(found) else None

    def missing(self, app: Application) -> str:
        return "; ".join(refs.missing(one) for refs, one in self._absent(app))

    def hint(self, app: Application) -> str:
        absent = self._absent(app)
        return absent[0][0].hint(absent[0][1]) if len(absent) == 1 else ""

    def _absent(self, app: Application) -> list[tuple[Refs, Application]]:
        pairs = zip(self.parts, one_by_one(app), strict=True)
        return [(refs, one) for refs, one in pairs if refs.revision(one) is None]


def _folders(sources: Sequence[SourceSpec]) -> tuple[str, ...]:
    return tuple(f"${one.ref}" if one.ref else f"source-{number}" for number, one in enumerate(sources, 1))


class _Folders:
    """`gitops.model.revision.Files` of several others, each below a folder; no link leads from one into another."""

    def __init__(self, folders: Mapping[str, Files]) -> None:
        self._folders = folders

    def node(self, path: str) -> Node | None:
        if not path:
            return Node("directory")
        folder, _, inside = path.partition("/")
        files = self._folders.get(folder)
        if files is None:
            return None
        node = files.node(inside)
        if node is None or node.kind != "link" or join(inside.rpartition("/")[0], node.target) is not None:
            return node
        return node._replace(target="/" + node.target)  # out of its own source: refused like one out of the tree

    def entries(self, path: str) -> Iterable[Entry]:
        if not path:
            return [Entry(folder, "directory") for folder in self._folders]
        folder, _, inside = path.partition("/")
        return self._folders[folder].entries(inside)

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        folder, _, inside = path.partition("/")
        return self._folders[folder].read(inside, node)
