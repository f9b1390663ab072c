"""Reading files for a kustomization: relative to its folder, within what the load restrictor allows, no cycles.

With the restrictor `root`, files must lie in or below the folder of the kustomization that names them, links followed;
folders (bases) may lie anywhere but above or at a folder that led to them.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Tree, is_inside, join
from gitops.model.source_name import without_userinfo
from renderers.decryption import opened
from renderers.kustomize.remote import RepositoryPath, is_http, is_http_file, parse_remote
from renderers.result import REMOTE_FILE, Decrypt, Needs, Remote

FILES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")


class Needed(Exception):
    """The build cannot go on without this."""

    def __init__(self, needs: Needs) -> None:
        super().__init__(str(needs))
        self.needs = needs


class Loader(NamedTuple):
    """Reads files relative to `root`, a folder of `tree` with every link followed.

    `visited` are the folders and repositories that led here; `repository` names the remote one that this is in; what is
    encrypted, `decrypt` opens.
    """

    tree: Tree
    root: str
    restricted: bool
    remote_tree: Callable[[Remote], Tree]
    absolute: bool = False
    visited: tuple[tuple[str, str], ...] = ()
    repository: str = ""
    decrypt: Decrypt | None = None

    def load_secret(self, path: str) -> bytes:
        """A file's content, decrypted where the Application asks for that: values, or what goes into a Secret."""
        return opened(self.decrypt, self.load(path), self.name(path))

    def load_manifests(self, path: str) -> bytes:
        """The same of objects or a patch, with a mark left of what was encrypted."""
        return opened(self.decrypt, self.load(path), self.name(path), "manifests")

    def load(self, path: str) -> bytes:
        """A file's content; raises RenderError or SourceError."""
        if is_http_file(path):
            tree = self.remote_tree(Remote(path, kind="file"))
            return tree.read(REMOTE_FILE)
        if is_http(path):
            raise RenderError(f"{path}: only files that end in .yaml, .yml or .json are read over HTTP")
        full = self._full(path)
        real = self.tree.real(full)
        if real is None or self.tree.kind(full) is None:
            self.tree.kind(full)
            raise RenderError(f"{self.name(path)}: no such file")
        if self.tree.kind(full) != "file":
            raise RenderError(f"{self.name(path)}: expected a file, found a directory")
        if self.restricted and not is_inside(real, self.root):
            raise RenderError(
                f"{self.name(path)}: lies outside of {self.root or '.'} (the load restrictor keeps files inside)"
            )
        return self.tree.read(full)

    def name(self, path: str) -> str:
        """A path as messages show it: from the tree's root."""
        try:
            full = self._full(path)
        except (RenderError, SourceError):
            full = path
        return f"{self.repository}: {full}" if self.repository else full

    def place(self, path: str) -> str:
        """A path as people would write it: without the steps that led there."""
        name = self.name(path)
        return name if self.repository else self.tree.shown(join("", name) or name)

    def enter(self, path: str) -> "Loader":
        """A loader for a folder or a remote repository; raises RenderError, or Needed."""
        if not path:
            raise RenderError("an empty path names no folder")
        if is_http_file(path):
            raise RenderError(f"{path}: is a file, not a folder or a repository")
        remote = parse_remote(path)
        if remote is not None:
            return self._enter_remote(remote)
        if path.startswith("/"):
            raise RenderError(f"{path}: a base may not be an absolute path")
        full = self._full(path)
        if self.tree.kind(full) != "directory":
            raise RenderError(f"{self.name(path)}: no such file or directory")
        real = self.tree.real(full) or ""
        for repository, folder in ((self.repository, self.root), *self.visited):
            if repository == self.repository and is_inside(folder, real):
                raise RenderError(f"{self.name(path)}: a cycle: it contains {folder or '.'}, which led to it")
        return self._replace(root=real, visited=((self.repository, self.root), *self.visited))

    def _enter_remote(self, path: RepositoryPath) -> "Loader":
        remote = Remote(path.url, path.ref)
        address = without_userinfo(path.url)
        name = f"{address}?ref={path.ref}" if path.ref else address
        if any(repository == name and folder.startswith(path.path) for repository, folder in self.visited):
            raise RenderError(f"{name}: a cycle: this repository led to itself")
        tree = self.remote_tree(remote)
        real = tree.real(path.path)
        if real is None or tree.kind(path.path) != "directory":
            raise RenderError(f"{name}: there is no directory {path.path or '.'}")
        visited = ((self.repository, self.root), *self.visited)
        return self._replace(tree=tree, root=real, restricted=True, absolute=False, visited=visited, repository=name)

    def _full(self, path: str) -> str:
        if path.startswith("/"):
            if not self.absolute:
                raise RenderError(f"{path}: expected a path relative to {self.root or '.'}")
            return path.lstrip("/")
        joined = f"{self.root}/{path}" if self.root else path
        if join("", joined) is None:
            raise RenderError(f"{joined}: leads out of the repository")
        return joined

    def kustomization(self) -> tuple[str, bytes]:
        """The name and content of the folder's kustomization file; exactly one must be there."""
        found: list[tuple[str, bytes]] = []
        problem: Exception | None = None
        for name in FILES:
            try:
                found.append((name, self.load(name)))
            except (RenderError, SourceError) as error:
                if self.tree.kind(self._full(name)) is not None:
                    problem = error
        if not found:
            if problem is not None:
                raise RenderError(str(problem)) from problem
            raise RenderError(f"{self.name('.')}: no kustomization.yaml there (nor kustomization.yml, Kustomization)")
        if len(found) > 1:
            raise RenderError(f"{self.name('.')}: more than one kustomization: {', '.join(name for name, _ in found)}")
        return found[0]
