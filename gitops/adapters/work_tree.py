"""A Git work tree on this machine, read as if a stranger had made it.

Git runs programs that a repository's configuration names: filters, fsmonitor, ssh and upload commands. So git never
sees the work tree's own `.git`. It is given a folder of ours with the same objects, refs and index, and a configuration
that holds nothing but settings which change how files are compared. A repository that belongs to another user is not
read at all, as Git itself has it (`safe.directory`).

Not here: the files as they lie there (`folder`), repositories that are fetched (`git`).
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gitops.adapters.file_names import place, shown
from gitops.adapters.git_process import GitFailure, GitProcess
from gitops.adapters.git_refs import FULL_COMMIT, RemoteRefs, find_ref, parse_refs, unknown
from gitops.adapters.git_tree import GitFiles, Mark, Objects
from gitops.adapters.work_tree_place import check_owner, submodules_of
from gitops.model.errors import SourceError
from gitops.model.revision import Revision, Tree

_MOST_CONFIG_BYTES: Final = 1024 * 1024
# What may be taken over from the work tree's configuration: how files are compared, and how objects are stored.
_COMPARED: Final = {
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.safecrlf",
    "core.symlinks",
    "core.trustctime",
    "extensions.objectformat",
    "extensions.refstorage",
}
_WORDS: Final = {"true", "false", "input", "warn", "lf", "crlf", "native", "sha1", "sha256", "files", "reftable"}
_SHARED: Final = ("objects", "refs", "packed-refs", "shallow", "reftable")
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_MOST_POINTER_BYTES: Final = 1024
_SECONDS: Final = 60.0


class WorkTree:
    """The work tree with its top at `top`. Raises SourceError where it belongs to another user, or cannot be read."""

    def __init__(self, top: Path) -> None:
        self.top = top
        own = _git_folder(top)
        common = _common_folder(own)
        for part in (top, top / ".git", own, common):
            check_owner(part, top)
        self._git = GitProcess()
        self._settings = _settings(self._git, common / "config")
        # It lives as long as this does.
        self._folder = tempfile.TemporaryDirectory(prefix="gitops-git-")
        self._directory = Path(self._folder.name)
        self._compose(own, common)

    @property
    def origin(self) -> str:
        """The address of the remote `origin`, "" where there is none."""
        return self._settings.get("remote.origin.url", "")

    def state(self) -> tuple[Revision, frozenset[str], frozenset[str]] | None:
        """HEAD's commit with its branch as the ref, the paths that differ from it, and those that git ignores.

        An ignored path may be a folder, which ends in a slash. None before the first commit.
        """
        arguments = ["status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all"]
        arguments += ["--ignored=matching"]
        try:
            listing = self._run([*arguments, "--ignore-submodules=all"])
        except GitFailure as error:
            raise SourceError(f"{self.top}: git cannot tell what changed: {error.reason}") from error
        head: dict[str, str] = {}
        ignored: set[str] = set()
        changed: list[tuple[str, str]] = []  # path, and the object that it should be ("" = whatever it is)
        for line in map(shown, listing.split(b"\0")):
            kind, _, rest = line.partition(" ")
            if kind == "#":
                name, _, value = rest.partition(" ")
                head[name] = value
            elif kind == "1":
                state, *_, index, path = rest.split(" ", 7)
                changed.append((path, index if state == ".M" else ""))
            elif kind == "u":
                changed.append((rest.split(" ", 9)[-1], ""))
            elif kind == "?":
                changed.append((rest, ""))
            elif kind == "!":
                ignored.add(rest)
        commit, branch = head.get("branch.oid", ""), head.get("branch.head", "")
        if not FULL_COMMIT.fullmatch(commit):
            return None
        ref = "" if branch == "(detached)" else branch
        differ = frozenset([*self._really_changed(changed), *self._passed_over()])
        return Revision(commit, ref), differ, frozenset(ignored)

    def _passed_over(self) -> Iterator[str]:
        """Files that git was told to call unchanged (assume-unchanged, skip-worktree), and that are not."""
        objects = Objects(self._git, self._directory, lambda _: None)
        for line in map(shown, self._run(["ls-files", "-v", "-s", "-z"]).split(b"\0")):
            tag, _, rest = line.partition(" ")
            entry, _, path = rest.partition("\t")
            if not (tag == "S" or tag.islower()):
                continue
            try:
                content = Path(os.fsdecode(place(str(self.top), path))).read_bytes()
                is_same = content == objects.read(entry.split(" ")[1], len(content), path)
            except FileNotFoundError:
                continue
            except (SourceError, OSError, IndexError):
                is_same = False
            if not is_same:
                yield path

    def resolve(self, target: str) -> Revision:
        """The revision that a branch, tag, commit (whole or its first digits) or semver range means here."""
        if target.startswith("-") or any(ord(character) < 33 for character in target.replace(" ", "")):
            raise SourceError(f"{self.top}: {target!r} is not the name of a branch, tag or commit")
        refs = self._refs()
        found = find_ref(refs, target)
        commit = self._commit(found.sha if found else target)
        if commit is None:
            raise SourceError(f"{self.top}: {unknown(refs, target)}")
        return Revision(commit, (target or found.name) if found else "")

    def has(self, sha: str) -> bool:
        return FULL_COMMIT.fullmatch(sha) is not None and self._commit(sha) is not None

    def in_history(self, sha: str) -> bool:
        """Whether HEAD descends from the commit `sha`, or a tag names that."""
        return is_in_history(self._git, self._directory, "HEAD", sha)

    def tree(self, revision: Revision) -> Tree:
        """The files of a commit that is here."""

        def broken(_: Mark) -> None:
            raise SourceError(f"{self.top}: the work tree's repository does not hold all of {revision.sha[:12]}")

        return Tree(_Commit(self, GitFiles(self._git, self._directory, revision.sha, broken)), label="the repository")

    def submodules(self) -> frozenset[str]:
        """Where `.gitmodules` says that submodules are."""
        return submodules_of(self.top)

    def _compose(self, own: Path, common: Path) -> None:
        """Make the folder that stands for `.git`."""
        lines = ["[core]", "bare = false", f"repositoryformatversion = {int(self._has_extensions())}"]
        for name in sorted(_COMPARED & self._settings.keys()):
            section, _, key = name.partition(".")
            if self._settings[name].lower() in _WORDS:
                lines += [f"[{section}]", f"{key} = {self._settings[name].lower()}"]
        exclude = common / "info/exclude"
        if exclude.is_file():
            lines += ["[core]", f"excludesFile = {_quoted(str(exclude))}"]
        (self._directory / "config").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
        (self._directory / "HEAD").write_bytes(_start_of(own / "HEAD"))
        places = [(common / name, name) for name in _SHARED]
        places += [(own / "index", "index"), *((found, found.name) for found in own.glob("sharedindex.*"))]
        for where, name in places:
            if where.exists():
                (self._directory / name).symlink_to(where)

    def _has_extensions(self) -> bool:
        return any(name.startswith("extensions.") for name in _COMPARED & self._settings.keys())

    def _really_changed(self, changed: list[tuple[str, str]]) -> Iterator[str]:
        """All but files of Git LFS that are what their pointers say: no filter of theirs is run to find out."""
        objects = Objects(self._git, self._directory, lambda _: None)
        for path, index in changed:
            if not (index and self._is_of_pointer(objects, path, index)):
                yield path

    def _is_of_pointer(self, objects: Objects, path: str, index: str) -> bool:
        try:
            if objects.size(index, path) > _MOST_POINTER_BYTES:
                return False
            pointer = objects.read(index, _MOST_POINTER_BYTES, path)
            if not pointer.startswith(_LFS_POINTER):
                return False
            with open(place(str(self.top), path), "rb") as file:
                return f"oid sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode() in pointer
        except (SourceError, OSError):
            return False

    def _refs(self) -> RemoteRefs:
        try:
            listing = self._run(["show-ref", "--head", "--dereference"]).decode("utf-8", "replace")
        except GitFailure:  # there is none
            listing = ""
        head = os.fsdecode(_start_of(self._directory / "HEAD")).strip()
        return parse_refs(f"{head}\tHEAD\n{listing.replace(' ', chr(9))}")

    def _commit(self, name: str) -> str | None:
        try:
            arguments = ["rev-parse", "--quiet", "--verify", "--end-of-options", f"{name or 'HEAD'}^{{commit}}"]
            return self._run(arguments).decode().strip()
        except GitFailure:
            return None

    def _run(self, arguments: list[str]) -> bytes:
        where = [f"--git-dir={self._directory}", f"--work-tree={self.top}"]
        return self._git.run([*where, *arguments], self.top, _SECONDS)


class _Commit:
    """The files of a commit, for as long as somebody reads them: the work tree's folder stays until then."""

    def __init__(self, work_tree: WorkTree, files: GitFiles) -> None:
        self._work_tree = work_tree
        self.node, self.entries, self.read = files.node, files.entries, files.read


def is_in_history(git: GitProcess, folder: Path, tip: str, sha: str) -> bool:
    """Whether in the repository at `folder` the commit `tip` descends from `sha`, or a tag names that."""
    if not FULL_COMMIT.fullmatch(sha):
        return False
    try:
        git.run(["merge-base", "--is-ancestor", "--end-of-options", sha, tip], folder, _SECONDS)
    except GitFailure:
        try:
            named = git.run(["for-each-ref", "--count=1", f"--points-at={sha}", "refs/tags/"], folder, _SECONDS)
        except GitFailure:
            return False
        return bool(named.strip())
    return True


def _git_folder(top: Path) -> Path:
    """The folder that the work tree's `.git` is, or that the file of that name leads to."""
    place = top / ".git"
    if place.is_dir():
        return place
    text = os.fsdecode(_start_of(place))
    if not text.startswith("gitdir: "):
        raise SourceError(f"{place}: is neither a Git folder nor leads to one")
    return top / text.removeprefix("gitdir: ").rstrip("\n")


def _common_folder(own: Path) -> Path:
    """Where the objects and refs are: of a linked work tree (`git worktree`), those of the main one."""
    place = own / "commondir"
    return own / os.fsdecode(_start_of(place)).rstrip("\n") if place.is_file() else own


def _start_of(file: Path) -> bytes:
    """The first bytes of a small file."""
    try:
        with file.open("rb") as opened:
            return opened.read(4096)
    except OSError as error:
        raise SourceError(f"{file}: cannot be read ({error.strerror})") from error


def _settings(git: GitProcess, file: Path) -> dict[str, str]:
    """The configuration in `file`, as names and values alone; files that it includes are not read."""
    try:
        if not file.is_file():
            return {}
        if file.stat().st_size > _MOST_CONFIG_BYTES:
            raise SourceError(f"{file}: is larger than {_MOST_CONFIG_BYTES // 2**20} MiB")
        listing = git.run(["config", "--file", str(file), "--no-includes", "--null", "--list"], Path("/"), 10.0)
    except (GitFailure, OSError) as error:
        raise SourceError(f"{file}: cannot be read as Git's configuration") from error
    pairs = (os.fsdecode(item).partition("\n") for item in listing.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


def _quoted(text: str) -> str:
    """As a value in Git's configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
