"""The files of one commit, read straight from Git's objects: no checkout, no filters, no hooks.

One `git cat-file --batch` process per tree answers everything; directories are read as they are asked for, and a
file's size is known before its first byte is taken. What is missing or broken in the mirror has it fetched anew, once
for each question.
"""

import contextlib
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from gitops.adapters.child_process import end
from gitops.adapters.file_names import named, shown
from gitops.adapters.git_process import GitProcess
from gitops.model.commit import CommitNote
from gitops.model.errors import SourceError
from gitops.model.revision import Entry, Kind, Node

MAX_DIRECTORY_BYTES: Final = 32 * 1024 * 1024
MAX_LINK_BYTES: Final = 4096
_MAX_COMMIT_BYTES: Final = 1024 * 1024
_MAX_TOLD: Final = 200
T = TypeVar("T")
Mark = tuple[int, int] | None

_KINDS: Final[dict[bytes, Kind]] = {b"40000": "directory", b"120000": "link", b"160000": "submodule"}


@dataclass(frozen=True, slots=True)
class _Object:
    """A name in a directory: what it is and which object holds it."""

    kind: Kind
    id: str


class _BrokenError(SourceError):
    """The mirror does not hold, or not wholly, what its commits name."""


def mark_of(mirror: Path) -> Mark:
    """Tells one making of a mirror from the next; None where there is none."""
    try:
        made = (mirror / "HEAD").stat()
    except OSError:
        return None
    return made.st_ino, made.st_mtime_ns


class GitFiles:
    """`gitops.model.revision.Files` over the commit `sha` of the mirror at `directory`.

    `renew` fetches the mirror anew, if it still is the one of this mark. Every read raises SourceError.
    """

    def __init__(self, git: GitProcess, directory: Path, sha: str, renew: Callable[[Mark], None]) -> None:
        self._objects = Objects(git, directory, renew)
        self._sha = sha
        self._root = f"{sha}^{{tree}}"
        self._directories: dict[str, dict[str, _Object]] = {}
        self._commit: CommitNote | None = None
        self._lock = threading.Lock()

    def node(self, path: str) -> Node | None:
        with self._lock:
            found = self._find(path)
            if found is None or found.kind in ("directory", "submodule"):
                return None if found is None else Node(found.kind, id=found.id)
            if found.kind == "link":
                target = self._objects.read(found.id, MAX_LINK_BYTES, path)
                return Node("link", target=shown(target), id=found.id)
            return Node("file", size=self._objects.size(found.id, path), id=found.id)

    def entries(self, path: str) -> Iterable[Entry]:
        with self._lock:
            return [Entry(name, found.kind) for name, found in self._directory(path).items()]

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        with self._lock:
            return self._objects.read(node.id, node.size, path, is_sized=True), node.id

    def commit(self) -> CommitNote:
        with self._lock:
            if self._commit is None:
                self._commit = _parse_commit(
                    self._objects.read(f"{self._sha}^{{commit}}", _MAX_COMMIT_BYTES, "its commit")
                )
            return self._commit

    def _find(self, path: str) -> _Object | None:
        if not path:
            return _Object("directory", self._root)
        parent, _, name = path.rpartition("/")
        above = self._find(parent)
        if above is None or above.kind != "directory":
            return None
        return self._directory(parent).get(name)

    def _directory(self, path: str) -> dict[str, _Object]:
        if path not in self._directories:
            found = self._find(path)
            data = b"" if found is None else self._objects.read(found.id, MAX_DIRECTORY_BYTES, path)
            try:
                objects = dict(_parse_directory(data, self._objects.id_bytes))
            except ValueError as exc:
                raise SourceError(f"{path or '.'}: the repository holds a damaged directory ({exc})") from exc
            self._directories[path] = {name: objects[raw] for name, raw in named(objects).items()}
        return self._directories[path]


def _parse_commit(data: bytes) -> CommitNote:
    """Git's form of a commit: lines of headers (`author NAME <MAIL> TIME ZONE`), an empty one, the message."""
    head, _, message = data.partition(b"\n\n")
    author = next((line[7:] for line in head.split(b"\n") if line.startswith(b"author ")), b"")
    subject = next((line for line in message.split(b"\n") if line.strip()), b"")
    return CommitNote(_told(subject), _told(author.rpartition(b"<")[0]))


def _told(part: bytes) -> str:
    """Text of a stranger's, without what moves a cursor, ends a line or turns the direction of reading."""
    text = "".join(letter if letter.isprintable() else " " for letter in part.decode(errors="replace"))
    return text.strip()[:_MAX_TOLD]


def _parse_directory(data: bytes, id_bytes: int) -> Iterable[tuple[bytes, _Object]]:
    """Git's binary form of a directory: `MODE NAME\\0ID`, over and over. Raises ValueError."""
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        nul = data.index(b"\0", space)
        mode, name = data[at:space], data[space + 1 : nul]
        if name in (b"", b".", b"..") or b"/" in name:
            raise ValueError(f"a file has the forbidden name {shown(name)!r}")
        at = nul + 1 + id_bytes
        yield name, _Object(_KINDS.get(mode.lstrip(b"0"), "file"), data[nul + 1 : at].hex())


class Objects:
    """Conversations with `git cat-file`: one about sizes, one about contents; they end with their owner."""

    def __init__(self, git: GitProcess, directory: Path, renew: Callable[[Mark], None]) -> None:
        self._git = git
        self._directory = directory
        self._renew = renew
        self._mark: Mark = None
        self._talks: dict[str, subprocess.Popen[bytes]] = {}
        self.id_bytes = 20
        self._finalizer = weakref.finalize(self, _end_all, self._talks)

    def size(self, name: str, path: str) -> int:
        """The size of an object, without its content."""
        return self._answer(lambda: self._header(self._talk("--batch-check"), name, path))

    def read(self, name: str, limit: int, path: str, *, is_sized: bool = False) -> bytes:
        """The content of an object of at most `limit` bytes; `is_sized` when `size` has told that it is."""
        return self._answer(lambda: self._content(name, limit, path, is_sized))

    def _answer(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (_BrokenError, OSError):
            if not self._hang_up():
                self._renew(self._mark)
        try:
            return ask()
        except OSError as error:
            raise SourceError(f"the Git mirror cannot be read ({error})") from error

    def _hang_up(self) -> bool:
        """End the conversations; whether one was killed, which says nothing about the mirror."""
        killed = False
        for talk in self._talks.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                killed = talk.wait(0.2) < 0 or killed
        _end_all(self._talks)
        self._talks.clear()
        return killed

    def _content(self, name: str, limit: int, path: str, is_sized: bool) -> bytes:
        # Asked for first: git takes an object into memory before it tells how large that is.
        size = limit if is_sized else self._header(self._talk("--batch-check"), name, path)
        if size > limit:
            raise SourceError(f"{path or '.'}: {size:,} bytes, more than the {limit:,} that are read")
        talk = self._talk("--batch")
        size = self._header(talk, name, path)
        assert talk.stdout is not None
        data = talk.stdout.read(size + 1)[:size]
        if len(data) != size:
            raise _BrokenError(f"{path or '.'}: the Git mirror ends in the middle of it")
        return data

    def _talk(self, mode: str) -> subprocess.Popen[bytes]:
        if mode not in self._talks:
            self._mark = self._mark if self._talks else mark_of(self._directory)
            self._talks[mode] = self._git.start(
                ["cat-file", mode], self._directory, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._talks[mode]

    def _header(self, talk: subprocess.Popen[bytes], name: str, path: str) -> int:
        """Ask for an object; git answers `ID TYPE SIZE`, or `NAME missing`."""
        assert talk.stdin is not None
        assert talk.stdout is not None
        talk.stdin.write(name.encode() + b"\n")
        talk.stdin.flush()
        answer = talk.stdout.readline().split()
        if len(answer) != 3 or answer[1] == b"missing":
            raise _BrokenError(f"{path or '.'}: the Git mirror lacks the object {name}, though it was fetched anew")
        self.id_bytes = len(answer[0]) // 2
        return int(answer[2])


def _end_all(talks: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in talks.values():
        end(process)
