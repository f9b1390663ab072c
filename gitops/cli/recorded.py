"""The Application behind an inventory, for commands that are given its name alone, and whose word that is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.config import application_of, read_application
from gitops.engine.inventory import Inventory
from gitops.manifests.key import ResourceKey
from gitops.model.application import GROUP, KIND, Application
from gitops.model.errors import ApiError, ConfigError, HeldError
from gitops.model.source_access import Credentials
from gitops.sync.inventory_store import is_sealed
from gitops.sync.standing import application_in
from gitops.views.status import status_of

if TYPE_CHECKING:
    from gitops.sync.context import SyncContext


async def recorded_application(context: "SyncContext", inventory: Inventory, file: str = "") -> tuple[Application, str]:
    """The Application, and why a person has to confirm its source; "" where somebody else vouches for that.

    Whoever may edit ConfigMaps where the inventory is may name any repository there. So the file that is given, the
    custom resource, this store, the key that the inventory is sealed with, or the work tree that we are in has to name
    the same one; credentials are sent to no other.
    """
    own = _from_file(file, inventory) if file else await _from_resource(context, inventory)
    if own is not None:
        named = own.source_name
        if own.source.repoURL and named != inventory.source:
            return own, f"it was synced from {inventory.source}, and its spec names {named} now"
        return own, ""
    app = application_in(inventory)
    if is_sealed(context.store, inventory):
        return app, ""
    if await _is_known_source(context, inventory):  # but a proxy could be anybody's
        return _reached_by(app, lambda found: replace(found, caFile="", proxy="")), ""
    return _reached_by(app, lambda _: Credentials()), (
        f"only its inventory names the source {inventory.source}, and whoever may edit ConfigMaps in "
        f"{inventory.parent.namespace} may have written that: give the Application with -f FILE"
    )


async def application_called(context: "SyncContext", name: str, namespace: str) -> Application:
    """The Application that is called so: its custom resource, else what its inventory remembers of it.

    Raises ConfigError where there is none, or several; HeldError where only its inventory names its source.
    """
    told = await status_of(context, name, namespace)
    if told.standing is not None:
        app, doubt = await recorded_application(context, told.standing.inventory)
        if doubt and not app.source.repoURL:
            raise ConfigError(f"{told.application} is synced from a folder; name that")
        if doubt:
            raise HeldError(f"{told.application}: {doubt}")
        return app
    space, _, short = told.application.rpartition("/")
    body = await context.cluster.get(ResourceKey(GROUP, KIND, space, short))
    if body is None:
        raise ConfigError(f"{told.application} comes from a file of its controller's; give that with -f FILE")
    return application_of(body)


def _reached_by(app: Application, credentials: Callable[[Credentials], Credentials]) -> Application:
    """The Application with other credentials for each of its sources."""
    return app.with_sources(tuple(replace(one, credentials=credentials(one.credentials)) for one in app.all_sources))


def _from_file(file: str, inventory: Inventory) -> Application:
    app = read_application(Path(file))
    here = replace(app.destination, namespace=inventory.parent.namespace)
    if app.identity != inventory.application:
        raise ConfigError(f"{file}: holds the Application {app.identity}, not {inventory.application}")
    return replace(app, destination=here)


async def _from_resource(context: "SyncContext", inventory: Inventory) -> Application | None:
    """The custom resource of that name, where there is one that we may read and that goes where the inventory is."""
    namespace, _, name = inventory.application.rpartition("/")
    try:
        body = await context.cluster.get(ResourceKey(GROUP, KIND, namespace, name))
        app = None if body is None else application_of(body)
    except (ApiError, ConfigError):
        return None
    return app if app is not None and app.destination.namespace == inventory.parent.namespace else None


async def _is_known_source(context: "SyncContext", inventory: Inventory) -> bool:
    """Whether this store has synced it from there, or we are called in a work tree of that repository."""
    from gitops.bootstrap import source_here

    releases = await context.store.releases(inventory.application, context.cluster.name)
    here = source_here()
    return any(one.source == inventory.source for one in releases) or (
        bool(here) and (inventory.source == here or inventory.source.startswith(f"{here}//"))
    )
