"""Writes the inventory parent: claimed before the first change, settled after the last, skipped when equal."""

import contextlib
import hmac
from dataclasses import replace

from gitops.engine.inventory import Inventory, LastSync, merged, parent_key
from gitops.engine.inventory_parent import parent_body, parent_patch, read_parent
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application
from gitops.model.audit import Anchor
from gitops.model.errors import ApiError, ClusterError, UnreachableError
from gitops.ports import Store
from gitops.sync.context import SyncContext

_TRIES = 8


async def read_inventory(context: SyncContext, app: Application) -> Inventory:
    """What the cluster remembers of this Application. Raises ManifestError when the parent is not one of ours."""
    parent = parent_key(app.name, app.destination.namespace)
    found = None if await context.cluster.is_absent(parent) else await context.cluster.get(parent)
    return read_parent(found, app.identity, parent)


def is_sealed(store: Store, inventory: Inventory) -> bool:
    """Whether the inventory is as somebody wrote it who has the key of `store` (or an older one that was put back)."""
    seal = inventory.seal
    return seal is not None and hmac.compare_digest(store.seal(seal.of), seal.mac)


def narrowed(store: Store | None, found: list[Inventory]) -> list[Inventory]:
    """Those that a name may mean: of several that one alone which bears the seal of `store`, where just one does.

    Anybody may write an inventory of any name into a namespace of theirs.
    """
    sealed = [one for one in found if store is not None and is_sealed(store, one)]
    return sealed if len(sealed) == 1 else found


async def write_inventory(context: SyncContext, inventory: Inventory, base: Inventory) -> Inventory:
    """Record `inventory`, which was made of `base` as it was read or written last, sealed; what is recorded then.

    Two runners may be at one Application: what the other one has recorded since is kept (`merged`).
    """
    cluster = context.cluster
    failures = 0
    while True:
        try:
            body = parent_body(replace(inventory, version=base.version), context.version, context.store.seal)
            if base.exists:
                stored = await cluster.merge_strategic(inventory.parent, parent_patch(body))
            else:  # an apply would write onto what another runner makes at this moment; a create never does
                stored = await cluster.create(inventory.parent, body)
            return replace(inventory, exists=True, version=stored["metadata"]["resourceVersion"])
        except (ApiError, UnreachableError) as exc:
            failures += 1
            moved = isinstance(exc, ApiError) and exc.code == 409  # one that was deleted is not made again
            if failures == _TRIES or (base.exists and not moved):
                raise
        found = await cluster.get(inventory.parent, fresh=True)
        now = read_parent(found, inventory.application, inventory.parent)
        inventory = merged(inventory, base, now)
        base = now


async def keep_anchor(
    context: SyncContext, parent: ResourceKey, application: str, head: Anchor | None, last: LastSync | None = None
) -> None:
    """Have the inventory remember the newest audit entry, where nothing else was written since: a cut-off tail shows.

    `last` is how a sync ended that wrote nothing more.
    What the cluster refuses here is no failure of what was done.
    """
    with contextlib.suppress(ClusterError, ManifestError):
        now = read_parent(await context.cluster.get(parent, fresh=True), application, parent)
        is_older = now.anchor is None or head is None or now.anchor.store != head.store or now.anchor.seq < head.seq
        says_more = is_older or (last is not None and last != now.last)
        if now.exists and now.application == application and head is not None and says_more:
            await write_inventory(context, replace(now, anchor=head, last=last or now.last), now)
