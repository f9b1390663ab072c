"""Applications that an Application's repository holds, where its cluster does not know that kind itself.

They are those of the set that was synced last: a parent that is suspended, held or waits for somebody's word keeps them
as they are. A replica runs those of the Applications that it runs, however deep.
"""

from collections.abc import Callable

import structlog

from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.controller.state import ApplicationState
from gitops.engine.inventory import Inventory
from gitops.manifests.key import Body
from gitops.model.application import Application
from gitops.model.errors import ConfigError, SourceError
from gitops.model.rendered import RenderedSet
from gitops.model.transforms import Decryption
from gitops.sync.context import Request, SyncContext
from gitops.sync.releases import synced_set

log = structlog.get_logger()


def _takes_none(_: Body) -> Application:
    raise ConfigError("this controller takes no Applications from repositories")


class AppOfApps:
    """What repositories brought into a roster; `read` makes an Application of a manifest, or raises ConfigError.

    `renewed` hears of each that was known before its parent was another replica's for a while.
    """

    def __init__(self, registry: ApplicationRegistry, renewed: Callable[[str], None]) -> None:
        self._registry = registry
        self._renewed = renewed
        self.read: Callable[[Body], Application] = _takes_none
        self._taken: dict[str, str] = {}  # parent → the digest of the set whose children are known

    def root_of(self, identity: str) -> str:
        """The Application at the top of those that brought this one: itself, if none did."""
        return self._line(identity)[-1]

    def are_known(self, identity: str) -> bool:
        """Whether the Application is as its parents, all the way up, have it now: nobody runs what may be outdated."""
        return all(parent in self._taken for parent in self._line(identity)[1:])

    def _line(self, identity: str) -> list[str]:
        """The Application, the one that brought it, and so on."""
        line = [identity]
        while (entry := self._registry.entry(line[-1])) is not None and entry.parent and entry.parent not in line:
            line.append(entry.parent)
        return line

    def let_go(self, parent: str) -> None:
        """Another replica runs the parent from now on: what is known here of its children will be outdated."""
        self._taken.pop(parent, None)

    def would_all_go(self, parent: ApplicationState, rendered: RenderedSet) -> bool:
        """Whether the set holds nothing at all, where it held Applications: that is hardly meant."""
        held = self._registry.given_by(source_name(parent.identity))
        return bool(held) and not rendered.manifests and not rendered.children

    def check(self, parent: ApplicationState, rendered: RenderedSet) -> list[Application]:
        """The Applications in a set. Raises ConfigError for one that cannot be read, or lies in another namespace."""
        namespace = parent.app.namespace
        bodies = rendered.children
        apps = [self.read({**body, "metadata": {"namespace": namespace, **body["metadata"]}}) for body in bodies]
        above = self._line(parent.identity)  # which are not for a repository that they read to change
        apps = [app for app in apps if app.identity not in above]
        for app in apps:
            if app.namespace != namespace:
                raise ConfigError(f"Application {app.identity}: has to be in namespace {namespace}, as its parent")
        return apps

    def take(self, parent: ApplicationState, rendered: RenderedSet) -> None:
        """Have the roster know the children of this set and no others. Raises ConfigError as `check`.

        Whoever may write to a repository is not the operator: of the operator's credentials a child has its parent's
        for the repository of its parent, no others.
        """
        before = self._taken.get(parent.identity)
        if before == rendered.digest:
            return
        apps, entry = self.check(parent, rendered), self._registry.entry(parent.identity)
        source, self._taken[parent.identity] = source_name(parent.identity), rendered.digest
        again = self._registry.given_by(source) & {app.identity for app in apps} if before is None else frozenset()
        for app in apps:
            own, given = ({(one.repoURL, one.credentials) for one in each.all_sources} for each in (app, parent.app))
            keys, known = ({one.decryption for one in each.all_sources} for each in (app, parent.app))
            trusted = entry is not None and entry.trusted and own <= given and keys <= known | {Decryption()}
            self._registry.put(source, Registration(app, trusted=trusted, parent=parent.identity))
        self._registry.keep_only(source, {app.identity for app in apps})
        for identity in sorted(again):
            self._renewed(identity)

    async def take_synced(
        self,
        parent: ApplicationState,
        request: Request,
        context: SyncContext,
        inventory: Inventory,
        rendered: RenderedSet | None = None,
    ) -> None:
        """Have the roster know the children of what was synced last, whatever is desired now (`rendered`, if known)."""
        if not context.child_kinds or not inventory.synced or self._taken.get(parent.identity) == inventory.synced:
            return
        try:
            if rendered is None or rendered.digest != inventory.synced:
                rendered = await synced_set(request, context, inventory)
            self.take(parent, rendered)
        except SourceError as exc:
            log.warning("applications.not-known", application=parent.identity, error=str(exc))

    def gone(self, parent: str) -> None:
        """The parent is no more, and with it all that it brought."""
        self._taken.pop(parent, None)
        self._registry.keep_only(source_name(parent), set())


def source_name(parent: str) -> str:
    """What the Applications that this one's repository brings are known to come from."""
    return f"Application {parent}"
