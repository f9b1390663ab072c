"""A folder on this machine as a source: its files as a Tree, and a revision that names their content.

The tree of a folder is its Git work tree from the top, else the file system (a kustomization may name `../base`).
Only what is asked for is read: no fifo, no device, nothing beyond the size bound, and nothing named `.git`, which no
commit can hold and which may hold a remote's password. In a work tree a submodule is one whether it is checked out or
not, as in a commit; a folder that is a repository of its own and no submodule is read as little.

Not here: commits (`git`).
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from gitops.adapters.file_names import named, place, shown
from gitops.adapters.work_tree_place import owned_work_tree_of, submodules_of, work_tree_of
from gitops.model.errors import SourceError
from gitops.model.revision import MAX_FILE_BYTES, Entry, Kind, Node, Revision, Tree, blob_digest, within

# More differing files than this are named by size and time in a revision, not by content.
_MOST_DIGESTED = 2000


def folder_tree(path: str | Path) -> tuple[Tree, str]:
    """The tree that the folder `path` belongs to, and where in it the folder is ("" for its root).

    Raises SourceError when there is no such folder.
    """
    folder = Path(path).resolve()
    if not folder.exists():
        raise SourceError(f"{path}: no such directory")
    if not folder.is_dir():
        raise SourceError(f"{path}: expected a directory, found a file")
    top = owned_work_tree_of(folder)
    if top is not None:
        inside = shown(os.fsencode(folder.relative_to(top).as_posix()))
        return Tree(WorkTreeFiles(top), label="the repository"), "" if inside == "." else inside
    home = shown(os.fsencode(folder.as_posix())).lstrip("/")
    return Tree(FolderFiles(Path("/")), label="the file system", home=home), home


def folder_revision(path: str | Path) -> tuple[Revision, frozenset[str], frozenset[str]]:
    """A name for what the folder holds now, the paths of its work tree that differ from the commit it names, and those
    that are in no commit since git ignores them.

    In a Git work tree that is HEAD's commit with its branch as the ref; without Git (or before the first commit)
    `files-DIGEST` over the folder's files: equal names mean equal content then.
    """
    folder = Path(path).resolve()
    top = work_tree_of(folder)
    found = None
    if top is not None:
        from gitops.adapters.work_tree import WorkTree

        found = WorkTree(top).state()
    return found or (Revision(f"files-{_digest_of(folder, _files_below(folder))}", ""), frozenset(), frozenset())


def _files_below(folder: Path) -> list[str]:
    found: list[str] = []
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not _is_git(name))
        found.extend(os.path.relpath(os.path.join(directory, name), folder) for name in sorted(files))
    return found


def _digest_of(top: Path, names: list[str]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for number, name in enumerate(sorted(names)):
        digest.update(
            f"{name}\0{_content_of(top / name, number < _MOST_DIGESTED)}\0".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()[:40]


def _content_of(path: Path, digested: bool) -> str:
    """What names a file's content: a digest where it is small and readable, else its size and time."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return "link " + os.readlink(path)
        if digested and stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
            return blob_digest(path.read_bytes())
        return f"{status.st_mode} {status.st_size} {status.st_mtime_ns}"
    except OSError:
        return "unreadable"


class FolderFiles:
    """`gitops.model.revision.Files` over a directory of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = str(root).rstrip("/")

    def node(self, path: str) -> Node | None:
        if _is_git(path):
            return None
        try:
            full = place(self._root, path)
            status = os.lstat(full)
            if stat.S_ISLNK(status.st_mode):
                return Node("link", target=shown(os.readlink(full)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
        return Node(_kind(status.st_mode), size=status.st_size)

    def entries(self, path: str) -> Iterable[Entry]:
        try:
            with os.scandir(place(self._root, path)) as listed:
                found = {each.name: _entry_kind(each) for each in listed}
            return [Entry(name, found[raw]) for name, raw in named(found).items() if not _is_git(name)]
        except OSError as error:
            raise SourceError(f"{path or '.'}: cannot be read ({error.strerror})") from error

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        if _is_git(path):
            raise SourceError(f"{path}: is no part of what a repository holds")
        try:
            descriptor = os.open(place(self._root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SourceError(f"{path}: is no longer a regular file")
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
        if len(data) > MAX_FILE_BYTES:
            raise SourceError(f"{path}: grew beyond {MAX_FILE_BYTES // 2**20} MiB while it was read")
        return data, ""


class WorkTreeFiles(FolderFiles):
    """The same over a Git work tree, where folders may be submodules."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._submodules = submodules_of(root)

    def node(self, path: str) -> Node | None:
        node = super().node(path)
        kind = self._kind(path) if node is not None and node.kind == "directory" else "directory"
        return node if kind == "directory" else Node(kind)

    def entries(self, path: str) -> Iterable[Entry]:
        return [
            Entry(name, self._kind(within(path, name)) if kind == "directory" else kind)
            for name, kind in super().entries(path)
        ]

    def _kind(self, path: str) -> Kind:
        """What a folder is: ours, or another repository's."""
        if not path:
            return "directory"
        full = place(self._root, path)
        if os.path.lexists(full + b"/.git"):
            return "submodule" if path in self._submodules else "repository"
        return "submodule" if path in self._submodules and not os.listdir(full) else "directory"


def _is_git(path: str) -> bool:
    """Whether a part of the path is `.git`, also as a file system that ignores case has it."""
    return ".git" in path.lower().split("/")


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def _entry_kind(entry: "os.DirEntry[bytes]") -> Kind:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
