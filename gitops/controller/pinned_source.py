"""Where a pass reads what is to be: the revision that the poller saw, whatever is newer by now."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from gitops.controller.state import ApplicationState
from gitops.model.application import Application
from gitops.model.errors import SourceError
from gitops.model.revision import Revision, Tree
from gitops.ports import Checkout, Repositories


class PinnedSource:
    """`gitops.ports.Source` at the revision that the poller saw: a pass never asks a remote what is new."""

    def __init__(
        self,
        repositories: Repositories,
        state: ApplicationState,
        waiting: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._waiting = waiting
        self._repositories = repositories
        self._head = state.source.observed_revision
        self.tree: Tree | None = None

    async def checkout(self, app: Application, sha: str = "") -> Checkout:
        revision = Revision(sha, "") if sha else self._head
        if revision is None:
            raise SourceError(f"{app.source_name}: has not been read yet")
        async with self._waiting():  # an older commit may have to be fetched, from a remote that takes its time
            tree = await self._repositories.tree(app, revision)
        if not sha:
            self.tree = tree
        return Checkout(revision, tree, app.source_name, self._repositories.placed(app))

    async def in_history(self, app: Application, sha: str) -> bool:
        if self._head is None:
            return False
        async with self._waiting():
            return await self._repositories.in_history(app, self._head, sha)
