"""A folder on this machine as a source: its files as a Tree, and a revision that names their content.

The tree of a folder is its Git work tree from the top, else the file system (a kustomization may name `../base`).
Only what is asked for is read: no fifo, no device, nothing beyond the size bound, and `.git` is not there. In a work
tree a folder that is a repository of its own, or the empty place of one, is a submodule, as it is in a commit.

Not here: commits (`git`).
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from gitops.model.errors import SourceError
from gitops.model.revision import MAX_FILE_BYTES, Entry, Kind, Node, Revision, Tree, blob_digest, within

# More differing files than this are named by size and time in a revision, not by content.
_MOST_DIGESTED = 2000
_SUBMODULES = ["config", "--file", ".gitmodules", "--null", "--get-regexp", r"^submodule\..*\.path$"]


def folder_tree(path: str | Path) -> tuple[Tree, str]:
    """The tree that the folder `path` belongs to, and where in it the folder is ("" for its root).

    Raises SourceError when there is no such folder.
    """
    folder = Path(path).resolve()
    if not folder.exists():
        raise SourceError(f"{path}: no such directory")
    if not folder.is_dir():
        raise SourceError(f"{path}: expected a directory, found a file")
    top = work_tree_of(folder)
    if top is not None:
        inside = folder.relative_to(top).as_posix()
        return Tree(WorkTreeFiles(top), label="the repository"), "" if inside == "." else inside
    home = folder.as_posix().lstrip("/")
    return Tree(FolderFiles(Path("/")), label="the file system", home=home), home


def work_tree_of(folder: Path) -> Path | None:
    """The top of the Git work tree that `folder` is in; None outside of any."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def folder_revision(path: str | Path) -> Revision:
    """A name for what the folder holds now: equal names mean equal content.

    In a clean Git work tree that is HEAD's commit with its branch as the ref; in a changed one `COMMIT-dirty-DIGEST`
    over the changed files (of the whole work tree, since a base may lie anywhere in it); without Git
    `files-DIGEST` over the folder's files.
    """
    from gitops.adapters.git_process import GitFailure, GitProcess

    folder = Path(path).resolve()
    top = work_tree_of(folder)
    if top is None:
        return Revision(f"files-{_digest_of(folder, _files_below(folder))}", "")
    git = GitProcess()
    try:
        commit = git.run(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], top, 30.0).decode().strip()
        branch = git.run(["rev-parse", "--abbrev-ref", "HEAD"], top, 30.0).decode().strip()
    except GitFailure:
        return Revision(f"files-{_digest_of(folder, _files_below(folder))}", "")
    try:
        arguments = [
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignore-submodules=all",
        ]
        listing = git.run(arguments, top, 60.0)
    except GitFailure as error:
        raise SourceError(f"{top}: git cannot tell what changed: {error.reason}") from error
    changed = [os.fsdecode(item[3:]) for item in listing.split(b"\0") if item]
    ref = "" if branch == "HEAD" else branch
    return Revision(f"{commit}-dirty-{_digest_of(top, changed)}", ref) if changed else Revision(commit, ref)


def _files_below(folder: Path) -> list[str]:
    found: list[str] = []
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if name != ".git")
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
        full = f"{self._root}/{path}"
        try:
            status = os.lstat(full)
            if stat.S_ISLNK(status.st_mode):
                return Node("link", target=os.readlink(full))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
        return Node(_kind(status.st_mode), size=status.st_size)

    def entries(self, path: str) -> Iterable[Entry]:
        try:
            with os.scandir(f"{self._root}/{path}") as found:
                return [Entry(each.name, _entry_kind(each)) for each in found if each.name != ".git"]
        except OSError as error:
            raise SourceError(f"{path or '.'}: cannot be read ({error.strerror})") from error

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        try:
            descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
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
        self._submodules = _submodules_of(root)

    def node(self, path: str) -> Node | None:
        node = super().node(path)
        is_one = node is not None and node.kind == "directory" and self._is_submodule(path)
        return Node("submodule") if is_one else node

    def entries(self, path: str) -> Iterable[Entry]:
        return [
            Entry(name, "submodule" if kind == "directory" and self._is_submodule(within(path, name)) else kind)
            for name, kind in super().entries(path)
        ]

    def _is_submodule(self, path: str) -> bool:
        full = f"{self._root}/{path}"
        return bool(path) and (os.path.lexists(f"{full}/.git") or (path in self._submodules and not os.listdir(full)))


def _submodules_of(top: Path) -> frozenset[str]:
    """Where `.gitmodules` says that submodules are."""
    from gitops.adapters.git_process import GitFailure, GitProcess

    if not (top / ".gitmodules").is_file():
        return frozenset()
    try:
        listing = GitProcess().run(_SUBMODULES, top, 10.0)
    except GitFailure:  # none is there, or nobody can read it
        return frozenset()
    return frozenset(os.fsdecode(item.partition(b"\n")[2]).rstrip("/") for item in listing.split(b"\0"))


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def _entry_kind(entry: "os.DirEntry[str]") -> Kind:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
