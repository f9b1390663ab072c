"""Where Applications stand, read from the cluster alone: their inventory parents and the objects named there."""

import contextlib

from gitops.engine.inventory import INSTANCE, MANAGED_BY, SET_ID, Inventory, parent_key
from gitops.engine.inventory_parent import read_parent
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.app_name import fits, nearest, several
from gitops.model.errors import ApiError, ClusterError, ConfigError
from gitops.ports import Cluster, Store
from gitops.sync.inventory_store import narrowed


async def find_applications(
    cluster: Cluster, name: str = "", namespace: str = "", store: Store | None = None
) -> list[Inventory]:
    """Every Application on the cluster, or the one called `name` (NAME or NAMESPACE/NAME).

    Of several that one counts which bears the seal of `store`. Raises ConfigError when `name` is not there, or is
    there several times.
    """
    if not name:
        return await inventories(cluster, "", namespace)
    found = await find_application(cluster, name, namespace, store)
    if found is None:
        raise await unknown(cluster, name)
    return [found]


async def unknown(cluster: Cluster, name: str) -> ConfigError:
    """The error for a name that no Application has, with one that it may have been meant for."""
    meant = ""
    with contextlib.suppress(ClusterError):
        found, _ = await read_inventories(cluster, "")
        meant = nearest(name, (one.application for one in found))
    return ConfigError(
        f"no Application {name} on this cluster ({meant}{meant and ' '}gitops status lists what is there)"
    )


async def find_application(
    cluster: Cluster, name: str, namespace: str = "", store: Store | None = None
) -> Inventory | None:
    """The Application called `name`, or None where it is not. Raises ConfigError when it is there several times."""
    found = narrowed(store, await inventories(cluster, name, namespace))
    if len(found) > 1:
        raise several(name, ((one.application, one.parent.namespace) for one in found))
    return found[0] if found else None


async def inventories(
    cluster: Cluster, name: str, namespace: str = "", *, skip_unreadable: bool = False
) -> list[Inventory]:
    """All that fit ("" = any), in order; who names both asks for no more rights than to read that one.

    What cannot be read is left out (anybody may write a ConfigMap of any name into a namespace of theirs), unless
    nothing else fits: that is a ManifestError, or with `skip_unreadable` nothing.
    """
    found, damaged = await read_inventories(cluster, name, namespace)
    if damaged and not found and not skip_unreadable:
        raise ManifestError("; ".join(damaged.values()))
    return found


async def read_inventories(
    cluster: Cluster, name: str, namespace: str = ""
) -> tuple[list[Inventory], dict[ResourceKey, str]]:
    """The same, and for each parent that cannot be read the reason: it is nobody else's trouble."""
    bodies = await _bodies(cluster, name.rpartition("/")[2], namespace)
    found: list[Inventory] = []
    damaged: dict[ResourceKey, str] = {}
    for body in bodies:
        key = key_of(body)
        try:
            inventory = read_parent(body, key.name.removeprefix("gitops-"), key)
        except ManifestError as exc:
            damaged[key] = str(exc)
            continue
        if fits(inventory.application, key.namespace, name, namespace):
            found.append(inventory)
    return sorted(found, key=lambda inventory: (inventory.application, inventory.parent)), damaged


async def _bodies(cluster: Cluster, name: str, namespace: str) -> list[Body]:
    """The parents that may fit: those in `namespace`, or, where none of that name is there, everywhere."""
    if name and namespace:
        body = await cluster.get(parent_key(name, namespace))
        if body is not None:
            return [body]
    fields = f"metadata.name=gitops-{name}" if name else ""
    ours = f"{SET_ID},{MANAGED_BY}={INSTANCE}"
    try:
        return await _all(cluster, "", ours, fields)
    except ApiError:
        if not namespace:
            raise
        return await _all(cluster, namespace, ours, fields)


async def _all(cluster: Cluster, namespace: str, labels: str, fields: str) -> list[Body]:
    try:
        return list((await cluster.list("", "ConfigMap", namespace, labels, fields=fields)).items)
    except ApiError as exc:
        if exc.code != 403 or namespace:
            raise
        raise ApiError(403, exc.reason, f"{exc} (say where to look with -n NAMESPACE)", exc.status) from exc
