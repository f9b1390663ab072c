"""Repositories of charts and packed files, shared by all Applications of a controller that have one such source."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gitops.adapters.charts import ChartRefs, Charts, keys_of
from gitops.adapters.cosign import PublicKeys
from gitops.adapters.credentials import Secret, read_credentials
from gitops.adapters.http_get import Reach
from gitops.bounds import MIB
from gitops.model.application import Application
from gitops.model.revision import Revision, Tree

_THREADS = 256
# A chart's files are in memory.
_TREES_KEPT, _MOST_BYTES_KEPT = 16, 128 * MIB
_READERS_KEPT = 4096
T = TypeVar("T")


class ChartRepositories:
    """`cache` is the folder of what was fetched; the rest is as `GitRepositories` has it.

    Who is not the operator reads from no address of the controller's own machine.
    """

    def __init__(
        self,
        cache: Path,
        secrets: Callable[[Application, str], str],
        is_trusted: Callable[[Application], bool],
        secrets_in: Callable[[Application], str] = lambda app: app.namespace,
    ) -> None:
        self._cache = cache
        self._secrets_in = secrets_in
        self._secrets = secrets
        self._is_trusted = is_trusted
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="charts")
        self._charts: dict[
            str, tuple[tuple[Secret, PublicKeys | None], Charts]
        ] = {}  # by the way that a repository is read
        self._trees: OrderedDict[tuple[str, str], tuple[Tree, int]] = OrderedDict()

    def name_of(self, app: Application) -> str:
        """Of an index all versions are seen at once; so are all who want the same one of a chart."""
        return f"{self._way(app)} {app.source.chart} {app.source.targetRevision}"

    async def look(self, app: Application) -> ChartRefs:
        return await self._in_thread(lambda: self._reader(app).look(app.source, (app.source.targetRevision,)))

    async def tree(self, app: Application, revision: Revision) -> Tree:
        place = (f"{self._way(app)} {app.source.chart}", revision.sha)
        found = self._trees.get(place)
        if found is None:
            found = await self._in_thread(lambda: self._reader(app).tree_and_size(app.source, revision))
        elif app.source.verify.is_wanted:  # the keys may be others now
            await self._in_thread(lambda: self._reader(app).check_signature(app.source, revision.sha))
        self._trees[place] = found
        self._trees.move_to_end(place)
        self._make_place()
        return found[0].fresh()

    def _make_place(self) -> None:
        size = sum(each for _, each in self._trees.values())
        while self._trees and (len(self._trees) > _TREES_KEPT or size > _MOST_BYTES_KEPT):
            size -= self._trees.popitem(last=False)[1][1]

    async def in_history(self, app: Application, revision: Revision, sha: str) -> bool:
        if revision.sha == sha:
            return True
        return await self._in_thread(lambda: self._reader(app).has(app.source, sha))

    async def changed(self, app: Application, old: str, new: str) -> frozenset[str] | None:
        """Another archive may hold anything."""
        return frozenset() if old == new else None

    async def forget(self, app: Application) -> None:
        """What is on disk goes by itself, when place is wanted."""
        self._charts.pop(self._way(app), None)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _way(self, app: Application) -> str:
        """What is read in one way, with one set of credentials."""
        found = app.source.credentials
        trusted = " as the operator" if self._is_trusted(app) else ""
        own = f" {self._secrets_in(app)}/{found.secrets}" if found.secrets else ""
        verify = app.source.verify
        signed = f" signed by {self._secrets_in(app)}/{verify.secretRef}" if verify.is_wanted else ""
        place = f"{app.source.repoURL} {app.source.bucket} {app.source.ignore}" if app.source.is_bucket else ""
        return f"{place or app.source.repoURL}{own}{trusted}{signed} {found.proxy} {found.caFile}"

    def _reader(self, app: Application) -> Charts:
        """Called in a thread: the Secret may have to be asked for. It is made anew when that has changed."""
        secret = read_credentials(app.source.credentials, lambda name: self._secrets(app, name))
        way = self._way(app)
        known = self._charts.get(way)
        keys = keys_of(app.source, lambda name: self._secrets(app, name))
        if known is None or known[0] != (secret, keys):
            reach: Reach = "anywhere" if self._is_trusted(app) else "network"
            known = self._charts[way] = ((secret, keys), Charts(self._cache / "charts", reach, secret, keys))
            for oldest in list(self._charts)[:-_READERS_KEPT]:
                self._charts.pop(oldest, None)
        return known[1]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
