"""A revision, and the files that it holds: what renderers read, and the record of what they read.

    renderer ──► Tree (follows links, refuses escapes, bounds sizes, records) ──► Files (Git objects, a folder, memory)

A Tree answers questions about paths and remembers every question with its answer, so that its `reads` are the exact
dependency set of what was rendered from it: as long as another tree answers them all alike (`answers_alike`), a
render from that one gives the same manifests. Files of a submodule are another repository's: a path that leads to or
into one is a SourceError.

Not here: where files come from (`gitops.adapters.git`, `gitops.adapters.folder`).
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from gitops.model.errors import SourceError

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 512 * 1024 * 1024
MAX_LINKS: Final = 40
MAX_DEPTH: Final = 200

_DIRTY: Final = "-dirty"
Kind = Literal["file", "directory", "link", "submodule", "repository", "other"]
# Folders of a work tree whose files are another repository's: one that this repository names, and one that it does not.
OF_ANOTHER: Final = {"submodule": "a Git submodule", "repository": "a Git repository of its own"}


class Revision(NamedTuple):
    """One state of a source: `sha` names its content, `ref` is what led there (a branch, a tag, a range, or "")."""

    sha: str
    ref: str

    def __str__(self) -> str:
        """For people: `main@1a2b3c4d5e6f`."""
        return f"{self.ref}@{short(self.sha)}" if self.ref else short(self.sha)

    def changed(self) -> "Revision":
        """The same for files that are not as the commit has them, as `git describe --dirty` marks it."""
        return Revision(f"{self.sha}{_DIRTY}", self.ref)

    @property
    def is_commit(self) -> bool:
        """False where it names files of a folder that are in no commit."""
        return "-" not in self.sha


def short(sha: str) -> str:
    """A revision's name as people read it: twelve characters, and whether its files had been changed."""
    parts = "+".join(part[:12] for part in sha.removesuffix(_DIRTY).split("+"))  # of several sources, each
    return f"{parts}{_DIRTY}" if sha.endswith(_DIRTY) else parts


def is_called(sha: str, start: str) -> bool:
    """Whether a person who writes `start` means `sha`: its first letters; of several sources, of one or each."""
    parts, starts = sha.split("+"), start.split("+")
    if len(starts) == 1:
        return any(part.startswith(start) for part in parts)
    return len(parts) == len(starts) and all(map(str.startswith, parts, starts))


class Entry(NamedTuple):
    """One name in a directory; `kind` is "link" for a symbolic link and "other" for a fifo or device."""

    name: str
    kind: Kind


class Node(NamedTuple):
    """What stands at one path, links not followed: `target` is a link's text, `id` is for the Files that gave it."""

    kind: Kind
    size: int = 0
    target: str = ""
    id: str = ""


class Files(Protocol):
    """Where a tree's bytes are kept; paths are relative, normalised, and "" for the root. Raises SourceError."""

    def node(self, path: str) -> Node | None:
        """What stands at `path`, whose parents are directories and no links; None when nothing does."""
        ...

    def entries(self, path: str) -> Iterable[Entry]:
        """The names in the directory at `path`."""
        ...

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        """The file at `path` and the digest that names its content, "" where that is still to be computed."""
        ...


class Tree:
    """The files of one revision; every method takes POSIX paths relative to the root and raises SourceError."""

    def __init__(self, files: Files, label: str = "", home: str = "") -> None:
        """`label` names the whole in messages.

        A repository is its own `home`, "". A folder without one is a part of the file system, which is the tree then
        (a kustomization may name `../base`); `home` is that part.
        """
        self.files = files
        self.label = label
        self.home = home
        self._reads: dict[str, str | None] = {}  # "" where the digest is still to be made: few ask for it
        self._listings: dict[str, tuple[Entry, ...]] = {}
        self._content: dict[str, tuple[bytes, str]] = {}
        self._nodes: dict[str, Node | None] = {}
        self._real: dict[str, str] = {"": ""}
        self._total = 0
        self.follows_links = False  # whether the answer to any question so far went through a symbolic link
        self.names_others = False  # whether what is rendered of it holds other repositories' files, which may move

    @classmethod
    def of_files(cls, files: Mapping[str, bytes | str], links: Mapping[str, str] | None = None) -> "Tree":
        """A tree in memory: path → content, and path → target for symbolic links."""
        return cls(_MemoryFiles(files, links or {}))

    @property
    def reads(self) -> Mapping[str, str | None]:
        """Every path asked for → a digest of the answer; None where there was nothing.

        A file that was read gives its content's digest, a directory that was listed (`path/`) that of its names, and
        a path that was only looked for gives its kind. One that leads into a submodule gives that one's commit.
        """
        for path, digest in self._reads.items():
            if digest == "":
                listing = self._listings.get(path)
                self._reads[path] = blob_digest(self._content[path][0]) if listing is None else listing_digest(listing)
        return self._reads

    def fresh(self) -> "Tree":
        """The same files with nothing read yet."""
        return Tree(self.files, self.label, self.home)

    def learn(self, reads: Mapping[str, str | None], *, follows_links: bool) -> None:
        """Take in what another view of the same files was asked, and whether links led to its answers."""
        self._reads.update(reads)
        self.follows_links = self.follows_links or follows_links

    def is_of_same_files(self, other: "Tree") -> bool:
        """Whether one is a `fresh` view of what the other reads."""
        return self.files is other.files

    def kind(self, path: str) -> Literal["file", "directory"] | None:
        """What stands at `path`, links followed; None when nothing does (or neither a file nor a directory)."""
        path = normalise(path)
        real = self.real(path)
        node = None if real is None else self._node(real)
        kind = node.kind if node is not None else None
        answer: Literal["file", "directory"] | None = kind if kind in ("file", "directory") else None
        self._reads.setdefault(path, answer)
        return answer

    def read(self, path: str) -> bytes:
        """The content of the file at `path`."""
        path = normalise(path)
        known = self._content.get(path)
        if known is not None:
            return known[0]
        real = self.real(path)
        node = None if real is None else self._node(real)
        if node is None or real is None:
            self._reads[path] = None
            reason = "the symbolic link leads to nothing" if self._is_link(path) else "no such file"
            raise SourceError(f"{self.shown(path)}: {reason}")
        if node.kind != "file":
            self._reads.setdefault(path, node.kind if node.kind == "directory" else None)
            raise SourceError(f"{self.shown(path)}: expected a file, found a {_WORDS[node.kind]}")
        self._check_size(path, node)
        content = self.files.read(real, node)
        self._content[path] = content
        self._reads[path] = content[1]
        return content[0]

    def entries(self, directory: str) -> tuple[Entry, ...]:
        """The names in a directory, sorted; links are not followed (`kind` tells where they lead)."""
        path = normalise(directory)
        real = self.real(path)
        node = None if real is None else self._node(real)
        if node is None or real is None:
            self._reads[path] = None
            raise SourceError(f"{self.shown(path)}: no such directory")
        if node.kind != "directory":
            self._reads.setdefault(path, "file" if node.kind == "file" else None)
            raise SourceError(f"{self.shown(path)}: expected a directory, found a {_WORDS[node.kind]}")
        entries = tuple(sorted(self.files.entries(real)))
        self._reads[path + "/"] = ""
        self._listings[path + "/"] = entries
        return entries

    def real(self, path: str) -> str | None:
        """`path` with every link in it followed; None when a link or a directory on the way leads to nothing."""
        path = normalise(path)
        known = self._real.get(path)
        if known is not None:
            return known
        real = self._follow(path)
        if real is not None:
            self._real[path] = real
        return real

    def _is_link(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        real = self.real(folder)
        node = None if real is None else self._node(f"{real}/{name}" if real else name)
        return node is not None and node.kind == "link"

    @property
    def is_file_system(self) -> bool:
        """Whether the root is that of the machine, so that absolute paths mean something."""
        return bool(self.home)

    def check_at_home(self, path: str) -> None:
        """Raise SourceError when the links on the way to `path` lead out of the folder that the tree was made for."""
        real = self.real(path)
        if real is not None and not is_inside(real, self.home):
            raise SourceError(f"{self.shown(path)}: the symbolic link leads out of /{self.home} (to /{real})")

    def answers_alike(self, reads: Mapping[str, str | None]) -> bool:
        """Whether every question recorded in `reads` has the same answer in this tree."""
        return all(self._answer(path, digest) == digest for path, digest in reads.items())

    def _answer(self, path: str, expected: str | None) -> str | None:
        try:
            if path.endswith("/"):
                return listing_digest(self.entries(path[:-1]))
            if expected in (None, "file", "directory"):
                return self.kind(path)
            real = self.real(path)
            node = None if real is None else self._node(real)
            if node is not None and node.kind == "file" and node.id:  # what names the content names the answer
                self._reads.setdefault(path, node.id)
                return node.id
            data = self.read(path)
            return self._content[normalise(path)][1] or blob_digest(data)
        except SourceError:
            return self._reads.get(path.removesuffix("/"))

    def _follow(self, path: str) -> str | None:
        real, rest, links = "", path.split("/"), 0
        while rest:
            part = rest.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                if not real:
                    raise SourceError(f"{self.shown(path)}: leads out of {self.label or 'the tree'}")
                real = real.rpartition("/")[0]
                continue
            here = f"{real}/{part}" if real else part
            node = self._node(here)
            if node is not None and node.kind in OF_ANOTHER:
                raise self._in_submodule(path, here, node)
            if node is None or (rest and node.kind not in ("directory", "link")):
                return None
            if node.kind != "link":
                real = here
                continue
            links += 1
            self.follows_links = True
            if links > MAX_LINKS:
                raise SourceError(f"{self.shown(path)}: more than {MAX_LINKS} symbolic links on the way")
            rest = [*self._link_parts(path, here, node), *rest]
            if node.target.startswith("/"):
                real = ""
        return real

    def _in_submodule(self, path: str, submodule: str, node: Node) -> SourceError:
        self._reads[path] = self._reads[submodule] = f"submodule {node.id}"
        why = f"is {OF_ANOTHER[node.kind]}, whose files are not read (name its own repository instead)"
        return SourceError(f"{self.shown(submodule)}: {why}")

    def _link_parts(self, path: str, here: str, node: Node) -> list[str]:
        """The parts of a link's target, after the check that it stays inside."""
        absolute = node.target.startswith("/")
        if (absolute and not self.home) or join(here.rpartition("/")[0], node.target) is None:
            place = self.label or "the tree"
            raise SourceError(f"{self.shown(path)}: the symbolic link leads out of {place} (to {node.target})")
        return node.target.split("/")

    def _node(self, path: str) -> Node | None:
        if path not in self._nodes:
            self._nodes[path] = self.files.node(path)
        return self._nodes[path]

    def _check_size(self, path: str, node: Node) -> None:
        if node.size > MAX_FILE_BYTES:
            limit = MAX_FILE_BYTES // 2**20
            raise SourceError(f"{self.shown(path)}: {node.size:,} bytes, more than the {limit} MiB that are read")
        self._total += node.size
        if self._total > MAX_TOTAL_BYTES:
            limit = MAX_TOTAL_BYTES // 2**20
            raise SourceError(f"{self.shown(path)}: the files read so far exceed {limit} MiB")

    def shown(self, path: str) -> str:
        """`path` as a person would write it: in a folder of the file system relative to that folder if it is inside."""
        if not self.home:
            return path or "."
        below = path.removeprefix(self.home + "/")
        return f"/{path}" if below == path else below


_WORDS: Final = {
    "file": "file",
    "directory": "directory",
    "link": "symbolic link",
    "submodule": "submodule",
    "repository": "repository",
    "other": "fifo or device",
}


def normalise(path: str) -> str:
    """`a/./b//../c/` → `a/c`; "" is the root. A path that leads out of the tree is refused with SourceError."""
    if "\0" in path or path.startswith("/"):
        raise SourceError(f"{path!r}: expected a path relative to the tree")
    joined = join("", path)
    if joined is None:
        raise SourceError(f"{path}: leads out of the tree")
    if joined.count("/") > MAX_DEPTH:
        raise SourceError(f"{path[:100]}...: more than {MAX_DEPTH} folders deep")
    return joined


def join(directory: str, path: str) -> str | None:
    """`path` as seen from `directory` (an absolute one from the root); None when it leads out of the tree."""
    parts = [] if path.startswith("/") or not directory else directory.split("/")
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def within(directory: str, name: str) -> str:
    """The path of `name` in `directory` ("" is the root); neither is normalised."""
    return f"{directory}/{name}" if directory else name


def is_inside(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or stands below it."""
    return not directory or path == directory or path.startswith(directory + "/")


def blob_digest(data: bytes) -> str:
    """The name that Git gives to a file's content."""
    import hashlib

    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def listing_digest(entries: Iterable[Entry]) -> str:
    """A name for what stands in a directory: names and kinds, not contents."""
    import hashlib

    return hashlib.sha256("\0".join(f"{entry.kind} {entry.name}" for entry in entries).encode()).hexdigest()


class _MemoryFiles:
    """Files given as a mapping; directories are implied."""

    def __init__(self, files: Mapping[str, bytes | str], links: Mapping[str, str]) -> None:
        self._data = {
            normalise(path): content.encode() if isinstance(content, str) else content
            for path, content in files.items()
        }
        self._links = {normalise(path): target for path, target in links.items()}
        self._children: dict[str, dict[str, Kind]] = {"": {}}
        for path in (*self._data, *self._links):
            self._add(path, "link" if path in self._links else "file")

    def _add(self, path: str, kind: Kind) -> None:
        parent, _, name = path.rpartition("/")
        if parent not in self._children:
            self._children[parent] = {}
            self._add(parent, "directory")
        self._children[parent][name] = kind

    def node(self, path: str) -> Node | None:
        if path in self._children:
            return Node("directory")
        if path in self._links:
            return Node("link", target=self._links[path])
        return Node("file", size=len(self._data[path])) if path in self._data else None

    def entries(self, path: str) -> Iterable[Entry]:
        return (Entry(name, kind) for name, kind in self._children[path].items())

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        return self._data[path], ""
