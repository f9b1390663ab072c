"""The Git source: which commit a repository's branch, tag, range or commit name means now, and that commit's files.

    repository URL, target ──► ls-remote ──► Revision ──► (fetch into a bare mirror, if it is new) ──► Tree

There is one bare mirror per repository in the cache folder; a look that finds nothing new costs one `ls-remote`, and
a commit that the mirror has costs no request at all. Processes share a mirror under a file lock. A mirror that a
killed fetch or a crash of the machine left behind heals by itself: git's own lock files are removed, and what cannot
be repaired is fetched anew, whether a fetch or a read finds it broken.

Not here: how git is run and credentials reach it (`git_process`), which ref is meant (`git_refs`), files (`git_tree`).
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gitops.adapters.git_process import GitCredentials, GitFailure, GitProcess, Remote, remote_of
from gitops.adapters.git_refs import FULL_COMMIT, PART_OF_COMMIT, RemoteRefs, find_ref, parse_refs, unknown
from gitops.adapters.git_tree import GitFiles, Mark, mark_of
from gitops.adapters.mirrors import Mirrors, TooLargeError
from gitops.adapters.work_tree import is_in_history
from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.model.errors import HostUnreachableError, SourceError
from gitops.model.revision import Revision, Tree

__all__ = ["GitCredentials", "GitSource"]

# Beyond this many changed paths it is cheaper to hold each render against the whole tree.
_MOST_CHANGED: Final = 50_000
_EVERYTHING: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
# What git says when a mirror, not the remote, is broken.
_BROKEN: Final = (
    "not a git repository",
    "bad object",
    "corrupt",
    "loose object",
    "unable to read",
    "did not send all necessary objects",
    "index file",
    "missing blob",
    "missing tree",
    "inflate",
)


class GitSource:
    """Reads Git repositories; every method blocks (call it in a thread) and raises SourceError only."""

    def __init__(
        self,
        cache: Path,
        credentials: Callable[[str], GitCredentials] | None = None,
        *,
        allow_file: bool = False,
        allow_http: bool = False,
        environment: Mapping[str, str] | None = None,
        timeout: float = 300.0,
        limits: MirrorLimits = PLAIN_LIMITS,
    ) -> None:
        """Mirrors are kept in `cache`; `credentials` finds them by repository URL; `timeout` is for one git command."""
        self._mirrors = Mirrors(cache, limits, timeout)
        self._credentials = credentials or (lambda url: GitCredentials())
        self._allowed: Sequence[str] = ["https", "ssh", *["file"] * allow_file, *["http"] * allow_http]
        self._git = GitProcess(environment, self._allowed)
        self._timeout = timeout

    def ls_remote(self, repo_url: str) -> RemoteRefs:
        """The remote's refs; the repository need not have been fetched."""
        return self._refs(self._remote(repo_url))

    def resolve(self, repo_url: str, target: str = "") -> Revision:
        """The revision that `target` means now, present in the mirror afterwards.

        `target` is a branch, a tag, a commit (whole or its first digits), a semver range over tags, or "" for the
        default branch.
        """
        remote = self._remote(repo_url)
        if FULL_COMMIT.fullmatch(target):
            self._require(remote, target)
            return Revision(target, "")
        if target.startswith("-") or any(ord(character) < 33 for character in target.replace(" ", "")):
            raise SourceError(f"{remote.url}: {target!r} is not the name of a branch, tag or commit")
        refs = self._refs(remote)
        ref = find_ref(refs, target)
        if ref is None and PART_OF_COMMIT.fullmatch(target):
            return Revision(self._whole_commit(remote, target), "")
        if ref is None:
            raise SourceError(f"{remote.url}: {unknown(refs, target)}")
        commit = self._require(remote, ref.sha, target or ref.name)
        return Revision(commit, target or ref.name)

    def tree(self, repo_url: str, revision: Revision) -> Tree:
        """The files of a revision that `resolve` gave, or of any commit that the remote still has."""
        remote = self._remote(repo_url)
        self._require(remote, revision.sha)
        files = GitFiles(
            self._git, self._mirror(remote), revision.sha, lambda broken: self._renew(remote, revision.sha, broken)
        )
        return Tree(files, label="the repository")

    def in_history(self, repo_url: str, revision: Revision, sha: str) -> bool:
        """Whether `revision` descends from the commit `sha`, or a tag names that; False where either is not there."""
        remote = self._remote(repo_url)
        self._require(remote, revision.sha)
        return is_in_history(self._git, self._mirror(remote), revision.sha, sha)

    def changed(self, repo_url: str, old: str, new: str) -> frozenset[str] | None:
        """The paths in which two commits of the mirror differ; None when it has not both, or they cannot be told."""
        mirror = self._mirror(self._remote(repo_url))
        arguments = ["diff-tree", "-r", "--name-only", "--no-renames", "-z", "--end-of-options", old, new]
        try:
            listing = self._git.run(arguments, mirror, 60.0)
            if listing.count(b"\0") > _MOST_CHANGED:
                return None
            return frozenset(name.decode() for name in listing.split(b"\0") if name)
        except (GitFailure, SourceError, UnicodeDecodeError):  # a name that is not UTF-8 may be told apart differently
            return None

    # ── mirrors ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _remote(self, repo_url: str) -> Remote:
        return remote_of(repo_url, self._credentials(repo_url), self._allowed)

    def _mirror(self, remote: Remote) -> Path:
        return self._mirrors.path(remote.url)

    def _refs(self, remote: Remote) -> RemoteRefs:
        self._mirrors.make_folder()
        self._mirrors.used(self._mirror(remote))
        arguments = ["ls-remote", "--symref", "--", remote.url, "HEAD", "refs/heads/*", "refs/tags/*"]
        try:
            listing = self._git.run(arguments, self._mirrors.folder, min(self._timeout, 60.0), remote)
        except GitFailure as error:
            raise _unreadable(remote, error) from error
        refs = parse_refs(listing.decode("utf-8", "replace"))
        if not (refs.head or refs.branches or refs.tags):
            raise SourceError(f"{remote.url}: the repository is empty (push a commit first)")
        return refs

    def _require(self, remote: Remote, sha: str, name: str = "") -> str:
        """Fetch unless the mirror has the object; the commit that it is, or that a tag object points to."""
        mirror = self._mirror(remote)
        commit = self._commit(mirror, sha)
        if commit is not None:
            self._mirrors.used(mirror)
            return commit
        with self._mirrors.locked(mirror):
            commit = self._commit(mirror, sha)
            if commit is None:
                self._fetch(remote, mirror)
                commit = self._commit(mirror, sha) or self._fetch_one(remote, mirror, sha)
        if commit is None:
            raise SourceError(f"{remote.url}: the repository has no commit {name or sha}")
        return commit

    def _whole_commit(self, remote: Remote, part: str) -> str:
        mirror = self._mirror(remote)
        with self._mirrors.locked(mirror):
            if self._commit(mirror, part) is None:
                self._fetch(remote, mirror)
        commit = self._commit(mirror, part)
        if commit is None:
            raise SourceError(f"{remote.url}: no branch, tag or single commit is called {part}")
        return commit

    def _commit(self, mirror: Path, name: str) -> str | None:
        """The commit called `name` if the mirror has it; the mirror is healthy enough to say so, or it is None."""
        if not (mirror / "HEAD").exists():
            return None
        arguments = ["rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"]
        try:
            return self._git.run(arguments, mirror, 60.0).decode().strip()
        except GitFailure:
            return None

    def _fetch(self, remote: Remote, mirror: Path) -> None:
        """Bring every branch and tag; a mirror that is broken, or full of what is no longer there, is replaced once."""
        is_new = self._prepare(mirror)
        try:
            self._fetch_refs(remote, mirror, *_EVERYTHING)
        except TooLargeError:
            if is_new:
                raise
            self._replace(remote, mirror)
        except GitFailure as error:
            if not any(mark in str(error) for mark in _BROKEN):
                raise _unreadable(remote, error) from error
            self._replace(remote, mirror)

    def _renew(self, remote: Remote, sha: str, broken: Mark) -> None:
        """Fetch the mirror anew, unless somebody has done so since it had the mark `broken`; then it has the commit."""
        mirror = self._mirror(remote)
        with self._mirrors.locked(mirror):
            if mark_of(mirror) == broken:
                self._replace(remote, mirror)
        self._require(remote, sha)

    def _replace(self, remote: Remote, mirror: Path) -> None:
        """Put another mirror in the place of a broken one, which stays as long as the remote cannot be read."""
        fresh = mirror.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._prepare(fresh)
        try:
            self._fetch_refs(remote, fresh, *_EVERYTHING)
        except GitFailure as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise _unreadable(remote, error) from error
        except TooLargeError:
            if self._mirrors.is_too_large(mirror):
                shutil.rmtree(mirror, ignore_errors=True)
            raise
        shutil.rmtree(mirror, ignore_errors=True)
        fresh.rename(mirror)

    def _fetch_one(self, remote: Remote, mirror: Path, sha: str) -> str | None:
        """A commit that no branch or tag leads to, where the server gives such; it is kept from then on."""
        if not FULL_COMMIT.fullmatch(sha):
            return None
        try:
            self._fetch_refs(remote, mirror, f"+{sha}:refs/gitops/{sha}")
        except GitFailure:
            return None
        return self._commit(mirror, sha)

    def _fetch_refs(self, remote: Remote, mirror: Path, *refspecs: str) -> None:
        options = [
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-show-forced-updates",
        ]
        prune = ["--prune"] if len(refspecs) > 1 else []
        arguments = ["fetch", *options, *prune, "--", remote.url, *refspecs]
        is_new = not _has_commits(mirror)
        try:
            self._git.run(arguments, mirror, self._timeout, remote, self._mirrors.check(mirror))
            self._mirrors.check(mirror)()
        except SourceError as error:
            if is_new:
                shutil.rmtree(mirror)
            else:
                _clear(mirror)
            if isinstance(error, TooLargeError):
                raise TooLargeError(f"{remote.url}: its mirror {error}") from None
            raise

    def _prepare(self, mirror: Path) -> bool:
        """Make the mirror, or clear away what a killed git left in it; whether it is new. The caller holds the lock."""
        if (mirror / "HEAD").exists() and (mirror / "config").exists():
            _clear(mirror)
            return False
        self._mirrors.tidy()
        shutil.rmtree(mirror, ignore_errors=True)
        mirror.mkdir(parents=True)
        self._git.run(["init", "--quiet", "--bare", "--template=", "."], mirror, 60.0)
        return True


def _has_commits(mirror: Path) -> bool:
    return any((mirror / "objects" / "pack").glob("*.pack")) or any((mirror / "refs" / "heads").glob("*"))


def _clear(mirror: Path) -> None:
    """Remove what a git that was killed left: locks, and packs that it had not finished."""
    packs = (mirror / "objects" / "pack").glob("tmp_*")
    for leftover in [*mirror.glob("*.lock"), *(mirror / "refs").rglob("*.lock"), *packs]:
        leftover.unlink(missing_ok=True)


def _unreadable(remote: Remote, error: GitFailure) -> SourceError:
    kind = HostUnreachableError if error.is_hosts(remote) else SourceError
    return kind(f"{remote.url}: the repository cannot be read: {error.reason}")
