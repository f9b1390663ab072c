"""Several sources as one: their revisions as one revision, their files as one tree, each below a folder of its own.

    $values/…      the source with `ref: values`, as others name its files
    source-1/…     the first source without a `ref`

The revision of several is named by all of theirs, in their order, so that each can be had again from that name alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops.adapters.included import Included, WithIncluded
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.revision import Entry, Files, Node, Revision, Tree, is_inside, join, normalise, within
from gitops.ports import Refs

_BETWEEN = "+"
_IGNORES = ".sourceignore"


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
    found = [
        replace(one, path=within(folder, normalise(one.path)), ignore=_ignored_in(folder, one.ignore))
        for one, folder in folders
        if one.is_rendered
    ]
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
    by_ref = {one.ref: (one, tree) for one, tree in zip(app.sources, trees, strict=True) if one.ref}
    found = {
        folder: _with_included(one, tree, by_ref)
        for folder, one, tree in zip(folders_of(app), app.sources, trees, strict=True)
    }
    return Tree(_Folders(found))


def _with_included(source: SourceSpec, tree: Tree, by_ref: Mapping[str, tuple[SourceSpec, Tree]]) -> Files:
    """The files of a source, and in there those that it includes, but for those that their own `ignore` names."""
    if not source.include:
        return tree.files
    as_flux, included = source.kustomize.rules == "flux", []
    for one in source.include:
        other, files = by_ref[one.ref]
        if other.ignore or as_flux:
            from renderers.ignored import without_ignored

            files = without_ignored(files, other.ignore, as_flux=as_flux)
        included.append(Included(one.ref, files, normalise(one.fromPath), normalise(one.place)))
    return WithIncluded(tree.files, included)


def _ignored_in(folder: str, text: str) -> str:
    """Lines as in .gitignore for the tree of all: what they are about lies in the source's own folder there."""
    found = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            mark, bare = "!" * line.startswith("!"), line.removeprefix("!")
            is_path = "/" in bare.rstrip(" ").removesuffix("/")
            found.append(f"{mark}/{folder}/{bare.removeprefix('/') if is_path else f'**/{bare}'}")
    return "\n".join(found)


def changed_in(app: Application, changed: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    """The paths that differ in the tree of all; None where one source cannot tell."""
    if len(changed) == 1:
        return changed[0]
    found: set[str] = set()
    by_ref: dict[str, frozenset[str]] = {}
    for folder, source, paths in zip(folders_of(app), app.sources, changed, strict=True):
        if paths is None:
            return None
        found |= {f"{folder}/{path}" for path in paths}
        by_ref[source.ref] = paths
    for folder, source in zip(folders_of(app), app.sources, strict=True):
        for one in source.include:
            paths, start = by_ref[one.ref], normalise(one.fromPath)
            if any(path.endswith(_IGNORES) for path in paths):  # other files may be there now
                return None
            inside = [path.removeprefix(start).lstrip("/") for path in paths if is_inside(path, start)]
            place = f"{folder}/{normalise(one.place)}"
            found |= {within(place, path) if path else place for path in inside}
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
