"""A repository in memory, for tests of what is made of its commits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.revision import Revision, Tree
from gitops.ports import Checkout


@dataclass(frozen=True, slots=True)
class _Commit:
    sha: str
    files: Mapping[str, str]


class MemorySource:
    """`gitops.ports.Source` with one branch, `main`: `commit` sets its files, and gives the commit's name."""

    def __init__(self) -> None:
        self._commits: list[_Commit] = []
        self.is_away = False

    def commit(self, files: Mapping[str, str]) -> str:
        """A commit that holds these files (their text by path) and no others."""
        sha = hashlib.sha1(repr((len(self._commits), files)).encode(), usedforsecurity=False).hexdigest()
        self._commits.append(_Commit(sha, dict(files)))
        return sha

    async def checkout(self, app: Application, sha: str = "") -> Checkout:
        if self.is_away:
            raise SourceError(f"{app.address}: the source is away")
        found = [commit for commit in self._commits if not sha or commit.sha == sha]
        if not found:
            raise SourceError(f"{app.address}: no commit {sha or 'at all'}")
        commit = found[-1]
        revision = Revision(commit.sha, "" if sha else "main")
        return Checkout(revision, Tree.of_files(commit.files), app.source_name, app.all_sources)

    def files_of(self, sha: str) -> Mapping[str, str]:
        return next(commit.files for commit in self._commits if commit.sha == sha)

    async def in_history(self, app: Application, sha: str) -> bool:
        return any(commit.sha == sha for commit in self._commits)


class MemoryRepositories:
    """`gitops.ports.Repositories` over the commits of a MemorySource; each look is counted."""

    def __init__(self, source: MemorySource) -> None:
        self.source = source
        self.looks = 0

    def name_of(self, app: Application) -> str:
        return app.address

    async def look(self, app: Application) -> "MemoryRefs":
        self.looks += 1
        return MemoryRefs((await self.source.checkout(app)).revision)

    async def tree(self, app: Application, revision: Revision) -> Tree:
        return (await self.source.checkout(app, revision.sha)).tree

    def placed(self, app: Application) -> tuple[SourceSpec, ...]:
        return app.all_sources

    async def in_history(self, app: Application, revision: Revision, sha: str) -> bool:
        return await self.source.in_history(app, sha)

    async def changed(self, app: Application, old: str, new: str) -> frozenset[str] | None:
        before, after = (self.source.files_of(sha) for sha in (old, new))
        return frozenset(path for path in {*before, *after} if before.get(path) != after.get(path))

    async def forget(self, app: Application) -> None:
        """Nothing is kept of a repository."""

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class MemoryRefs:
    """`gitops.ports.Refs` of one branch."""

    _revision: Revision

    def revision(self, app: Application) -> Revision | None:
        return self._revision

    def missing(self, app: Application) -> str:
        return f"{app.address}: there is no {app.source.targetRevision}"

    def hint(self, app: Application) -> str:
        return ""
