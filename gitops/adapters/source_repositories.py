"""`gitops.ports.Repositories`: each source of an Application by the one who can read it, and all of them as one."""

import asyncio

from gitops.adapters.chart_repositories import ChartRepositories
from gitops.adapters.repositories import GitRepositories
from gitops.adapters.several import (
    SeveralRefs,
    changed_in,
    folders_of,
    one_by_one,
    parts_of,
    placed,
    tree_of,
)
from gitops.model.application import Application, SourceSpec
from gitops.model.revision import Revision, Tree
from gitops.ports import Refs


class SourceRepositories:
    """Git repositories, and those of charts and packed files."""

    def __init__(self, git: GitRepositories, charts: ChartRepositories) -> None:
        self._git = git
        self._charts = charts

    def name_of(self, app: Application) -> str:
        """Who calls a source by another `ref` finds its files in another folder, and so has a look of its own."""
        found = zip(folders_of(app), one_by_one(app), strict=True)
        return " + ".join(f"{folder} {self._of(one).name_of(one)}".lstrip() for folder, one in found)

    async def look(self, app: Application) -> Refs:
        found = [await self._of(one).look(one) for one in one_by_one(app)]
        return found[0] if len(found) == 1 else SeveralRefs(tuple(found))

    async def tree(self, app: Application, revision: Revision) -> Tree:
        parts = zip(one_by_one(app), parts_of(app, revision), strict=True)
        return tree_of(app, [await self._of(one).tree(one, part) for one, part in parts])

    def placed(self, app: Application) -> tuple[SourceSpec, ...]:
        return placed(app)

    async def in_history(self, app: Application, revision: Revision, sha: str) -> bool:
        olds = parts_of(app, Revision(sha, ""))
        parts = zip(one_by_one(app), parts_of(app, revision), olds, strict=True)
        return all([await self._of(one).in_history(one, part, old.sha) for one, part, old in parts])

    async def changed(self, app: Application, old: str, new: str) -> frozenset[str] | None:
        olds, news = (parts_of(app, Revision(sha, "")) for sha in (old, new))
        parts = zip(one_by_one(app), olds, news, strict=True)
        return changed_in(app, [await self._changed(one, before.sha, after.sha) for one, before, after in parts])

    async def forget(self, app: Application) -> None:
        for one in one_by_one(app):
            await self._of(one).forget(one)

    async def close(self) -> None:
        await asyncio.gather(self._git.close(), self._charts.close())

    async def _changed(self, app: Application, old: str, new: str) -> frozenset[str] | None:
        return frozenset() if old == new else await self._of(app).changed(app, old, new)

    def _of(self, app: Application) -> GitRepositories | ChartRepositories:
        return self._git if app.source.is_git else self._charts
