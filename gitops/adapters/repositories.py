"""The mirrors of `gitops.adapters.git`, shared by all Applications of a controller that have one source.

What goes over the network runs in threads of its own, one per repository at a time, so that a remote which trickles
holds up nobody else; what is read from a mirror runs in another few. Who looks sees to it that no tenant has them all.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from gitops.adapters.git import GitSource
from gitops.adapters.git_process import PROTOCOLS, GitCredentials, is_ssh, remote_of
from gitops.adapters.git_refs import FULL_COMMIT, RemoteRefs, find_ref, hint, missing
from gitops.adapters.github_app import GithubTokens
from gitops.adapters.mirrors import Mirrors
from gitops.adapters.source import Sources
from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.model.application import Application
from gitops.model.revision import Revision, Tree

# Made as they are needed; more than many tenants' places (`gitops.controller.poller`) together.
_NETWORK_THREADS = 1024
_LOCAL_THREADS = 4
# Trees that are kept open; each holds two git processes while it is used.
_TREES_KEPT = 6
_FORGET_SECONDS = 5.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GitRefs:
    """`gitops.ports.Refs` by `git ls-remote`."""

    refs: RemoteRefs

    def revision(self, app: Application) -> Revision | None:
        target = app.source.targetRevision
        if FULL_COMMIT.fullmatch(target):
            return Revision(target, "")
        found = find_ref(self.refs, target)
        return None if found is None else Revision(found.sha, target or found.name)

    def missing(self, app: Application) -> str:
        return f"{app.source.address}: {missing(app.source.targetRevision)}"

    def hint(self, app: Application) -> str:
        return hint(self.refs, app.source.targetRevision)


class GitRepositories:
    """`cache` is the folder of the mirrors; `secrets` gives, in a thread, what a secretRef of an Application means.

    `secrets_in` is the namespace where that Secret is. `is_trusted` tells whose Applications are the operator's own:
    those may use the ssh keys of the account we run as.
    """

    def __init__(
        self,
        cache: Path,
        secrets: Callable[[Application, str], str],
        is_trusted: Callable[[Application], bool],
        limits: MirrorLimits = PLAIN_LIMITS,
        secrets_in: Callable[[Application], str] = lambda app: app.namespace,
    ) -> None:
        self._cache = cache
        self._secrets_in = secrets_in
        self._limits = limits
        self._secrets = secrets
        self._is_trusted = is_trusted
        self._tokens = GithubTokens()
        self._network = ThreadPoolExecutor(_NETWORK_THREADS, thread_name_prefix="git-remote")
        self._local = ThreadPoolExecutor(_LOCAL_THREADS, thread_name_prefix="git")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # each lives while it is held
        self._trees: OrderedDict[tuple[str, str], Tree] = OrderedDict()
        self._opening: dict[tuple[str, str], asyncio.Future[Tree]] = {}

    def name_of(self, app: Application) -> str:
        """What is read in one way: a Secret is its namespace's own, the operator's credentials are nobody else's."""
        found = app.source.credentials
        own = f" {self._secrets_in(app)}/{found.secrets}" if found.secrets else ""
        if (is_ssh(app.source.repoURL) or found.refs) and self._is_trusted(app):
            own += " as the operator"
        way = f" by {found.proxy} {found.caFile}" if found.proxy or found.caFile else ""
        return f"{app.source.repoURL}{own}{way}"

    async def look(self, app: Application) -> GitRefs:
        async with self._turn(app):
            return GitRefs(await self._in(self._network, lambda: self._git(app).ls_remote(app.source.repoURL)))

    async def tree(self, app: Application, revision: Revision) -> Tree:
        place = (self.name_of(app), revision.sha)
        if place not in self._trees and place not in self._opening:
            opening = self._in(self._network, lambda: self._git(app).tree(app.source.repoURL, revision))
            self._opening[place] = asyncio.ensure_future(opening)
            self._opening[place].add_done_callback(lambda done: self._opened(place, done))
        if place in self._opening:  # opened once for all who want it; none of them ends it for the others
            return (await asyncio.shield(self._opening[place])).fresh()
        self._trees.move_to_end(place)
        return self._trees[place].fresh()

    async def in_history(self, app: Application, revision: Revision, sha: str) -> bool:
        return await self._in(self._network, lambda: self._git(app).in_history(app.source.repoURL, revision, sha))

    async def changed(self, app: Application, old: str, new: str) -> frozenset[str] | None:
        return await self._in(self._local, lambda: self._git(app).changed(app.source.repoURL, old, new))

    async def forget(self, app: Application) -> None:
        name = self.name_of(app)
        for place in [place for place in self._trees if place[0] == name]:
            del self._trees[place]
        # The mirror is the repository's, whoever reads it: no credentials are looked up for one that has gone.
        mirrors = Mirrors(self._cache / "mirrors", self._limits, _FORGET_SECONDS)
        url = remote_of(app.source.repoURL, GitCredentials(), PROTOCOLS).url
        await self._in(self._local, lambda: mirrors.remove(mirrors.path(url)))

    async def close(self) -> None:
        self._trees.clear()
        self._network.shutdown(wait=False, cancel_futures=True)
        self._local.shutdown(wait=False, cancel_futures=True)

    def _git(self, app: Application) -> GitSource:
        """Called in a thread: the Secret may have to be asked for."""
        sources = Sources(
            self._cache,
            lambda reference: self._secrets(app, reference),
            as_account=self._is_trusted(app),
            limits=self._limits,
            tokens=self._tokens,
        )
        return sources.git(app.source.credentials)

    def _opened(self, place: tuple[str, str], done: "asyncio.Future[Tree]") -> None:
        self._opening.pop(place, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._trees[place] = done.result()
        if len(self._trees) > _TREES_KEPT:
            self._trees.popitem(last=False)

    def _turn(self, app: Application) -> asyncio.Lock:
        return self._turns.setdefault(self.name_of(app), asyncio.Lock())

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
