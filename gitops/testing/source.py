"""A repository in memory, for tests of what is made of its commits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from gitops.model.application import Application
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

    async def in_history(self, app: Application, sha: str) -> bool:
        return any(commit.sha == sha for commit in self._commits)
