"""The Git source: which commit a repository's branch, tag, range or commit name means now, and that commit's files.

    repository URL, target ──► ls-remote ──► Revision ──► (fetch into a bare mirror, if it is new) ──► Tree

There is one bare mirror per repository in the cache folder; a look that finds nothing new costs one `ls-remote`, and
a commit that the mirror has costs no request at all. Processes share a mirror under a file lock. A mirror that a
killed fetch or a crash of the machine left behind heals by itself: git's own lock files are removed, and what cannot
be repaired is fetched anew, whether a fetch or a read finds it broken.

Not here: how git is run and credentials reach it (`git_process`), which ref is meant (`git_refs`), files (`git_tree`).
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gitops.adapters.git_process import GitCredentials, GitFailure, GitProcess, Remote, remote_of
from gitops.adapters.git_refs import FULL_COMMIT, PART_OF_COMMIT, RemoteRefs, find_ref, parse_refs, unknown
from gitops.adapters.git_tree import GitFiles, Mark, mark_of
from gitops.adapters.work_tree import is_in_history
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
    ) -> None:
        """Mirrors are kept in `cache`; `credentials` finds them by repository URL; `timeout` is for one git command."""
        self._cache = cache
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
        """The paths in which two commits of the mirror differ; None when it has not both, or they are too many."""
        mirror = self._mirror(self._remote(repo_url))
        arguments = ["diff-tree", "-r", "--name-only", "--no-renames", "-z", "--end-of-options", old, new]
        try:
            listing = self._git.run(arguments, mirror, 60.0)
        except GitFailure:
            return None
        if listing.count(b"\0") > _MOST_CHANGED:
            return None
        return frozenset(name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name)

    # ── mirrors ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _remote(self, repo_url: str) -> Remote:
        return remote_of(repo_url, self._credentials(repo_url), self._allowed)

    def _mirror(self, remote: Remote) -> Path:
        return self._cache / (hashlib.sha256(remote.url.encode()).hexdigest()[:32] + ".git")

    def _refs(self, remote: Remote) -> RemoteRefs:
        self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        arguments = ["ls-remote", "--symref", "--", remote.url, "HEAD", "refs/heads/*", "refs/tags/*"]
        try:
            listing = self._git.run(arguments, self._cache, min(self._timeout, 60.0), remote)
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
            return commit
        with self._locked(mirror):
            commit = self._commit(mirror, sha)
            if commit is None:
                self._fetch(remote, mirror)
                commit = self._commit(mirror, sha) or self._fetch_one(remote, mirror, sha)
        if commit is None:
            raise SourceError(f"{remote.url}: the repository has no commit {name or sha}")
        return commit

    def _whole_commit(self, remote: Remote, part: str) -> str:
        mirror = self._mirror(remote)
        with self._locked(mirror):
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
        """Bring every branch and tag; a broken mirror is replaced once."""
        self._prepare(mirror)
        try:
            self._fetch_refs(remote, mirror, *_EVERYTHING)
        except GitFailure as error:
            if not any(mark in str(error) for mark in _BROKEN):
                raise _unreadable(remote, error) from error
            self._replace(remote, mirror)

    def _renew(self, remote: Remote, sha: str, broken: Mark) -> None:
        """Fetch the mirror anew, unless somebody has done so since it had the mark `broken`; then it has the commit."""
        mirror = self._mirror(remote)
        with self._locked(mirror):
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
            raise _unreadable(remote, error) from error
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
        self._git.run(["fetch", *options, *prune, "--", remote.url, *refspecs], mirror, self._timeout, remote)

    def _prepare(self, mirror: Path) -> None:
        """Make the mirror, or clear away what a killed git left in it; the caller holds the lock."""
        if not (mirror / "HEAD").exists() or not (mirror / "config").exists():
            shutil.rmtree(mirror, ignore_errors=True)
            mirror.mkdir(parents=True)
            self._git.run(["init", "--quiet", "--bare", "--template=", "."], mirror, 60.0)
            return
        for leftover in [*mirror.glob("*.lock"), *(mirror / "refs").rglob("*.lock")]:
            leftover.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, mirror: Path) -> Iterator[None]:
        """Hold the mirror's lock; the system lets go of it when a process dies."""
        self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = time.monotonic() + self._timeout
        descriptor = os.open(mirror.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise SourceError(f"another fetch of this repository took over {self._timeout:.0f} s") from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)


def _unreadable(remote: Remote, error: GitFailure) -> SourceError:
    kind = HostUnreachableError if error.is_hosts(remote) else SourceError
    return kind(f"{remote.url}: the repository cannot be read: {error.reason}")
