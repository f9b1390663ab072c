"""Reads the live state that a plan needs: every desired and every owned object, and nothing else.

Members are listed by their label, one list for a kind; what is not found that way is asked for by name, since a
label can have been stripped and an object can exist without being ours yet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

from gitops.engine.inventory import PART_OF, Inventory
from gitops.manifests.key import Body, ResourceKey, key_of, version_of
from gitops.manifests.manifest import Manifest
from gitops.model.errors import ApiError, AwayError
from gitops.ports import Cluster

# Below this many objects of a kind, asking for each by name is no dearer than a list.
_LIST_FROM = 3
_PARALLEL = 32
Get = Callable[[ResourceKey, str], Awaitable[Body | None]]  # a key and a version ("" = any) → the live body


async def live_state(
    cluster: Cluster, manifests: Iterable[Manifest], keys: Iterable[ResourceKey], inventory: Inventory
) -> dict[ResourceKey, Body]:
    """The live body of each that exists: of `manifests` in the version that they are written in, and of `keys`."""
    versions = {found.key: version_of(found.body["apiVersion"]) for found in manifests}
    return await _state(cluster, dict.fromkeys(keys, "") | versions, inventory)


async def owned_state(cluster: Cluster, inventory: Inventory) -> tuple[dict[ResourceKey, Body], dict[ResourceKey, str]]:
    """The live body of each owned object that exists, and why others cannot be read.

    One Secret may be out of reach, and the server of one kind, or of a webhook that converts it, away.
    """
    found = await _listed(cluster, dict.fromkeys(inventory.keys, ""), inventory) if inventory.exists else {}
    refused: dict[ResourceKey, str] = {}

    async def get(key: ResourceKey, version: str) -> Body | None:
        try:
            return await cluster.get(key, version)
        except (ApiError, AwayError) as exc:
            refused[key] = str(exc)
            return None

    return found | await _each(get, dict.fromkeys(inventory.keys - found.keys(), "")), refused


async def _state(cluster: Cluster, wanted: Mapping[ResourceKey, str], inventory: Inventory) -> dict[ResourceKey, Body]:
    found = await _listed(cluster, wanted, inventory) if inventory.exists else {}
    return found | await _each(partial(_get, cluster), {key: wanted[key] for key in wanted if key not in found})


async def _get(cluster: Cluster, key: ResourceKey, version: str) -> Body | None:
    return None if await cluster.is_absent(key) else await cluster.get(key, version)


async def read_by_name(
    cluster: Cluster, wanted: Mapping[ResourceKey, str], *, fresh: bool = False
) -> dict[ResourceKey, Body]:
    """Each object that exists, asked for one by one and at most 32 at a time."""
    return await _each(partial(cluster.get, fresh=fresh), wanted)


async def _each(get: Get, wanted: Mapping[ResourceKey, str]) -> dict[ResourceKey, Body]:
    places = asyncio.Semaphore(_PARALLEL)

    async def one(key: ResourceKey, version: str) -> Body | None:
        async with places:
            return await get(key, version)

    bodies = await asyncio.gather(*(one(key, version) for key, version in wanted.items()))
    return {key: body for key, body in zip(wanted, bodies, strict=True) if body is not None}


async def _listed(cluster: Cluster, wanted: Mapping[ResourceKey, str], inventory: Inventory) -> dict[ResourceKey, Body]:
    groups: dict[tuple[str, str, str], list[ResourceKey]] = {}
    for key, version in wanted.items():
        groups.setdefault((key.group, key.kind, version), []).append(key)
    many = {group: keys for group, keys in groups.items() if len(keys) >= _LIST_FROM}
    labels = f"{PART_OF}={inventory.set_id}"
    lists = await asyncio.gather(
        *(_members(cluster, group, {key.namespace for key in keys}, labels) for group, keys in many.items())
    )
    found: dict[ResourceKey, Body] = {}
    for keys, bodies in zip(many.values(), lists, strict=True):
        by_key = {key_of(body): body for body in bodies}
        found |= {key: by_key[key] for key in keys if key in by_key}
    return found


async def _members(cluster: Cluster, kind: tuple[str, str, str], namespaces: set[str], labels: str) -> tuple[Body, ...]:
    """All members of a kind by one list; by one for each namespace, where rights end there."""
    whole = namespaces if len(namespaces) == 1 else {""}
    for spaces in (whole, namespaces):
        lists = await asyncio.gather(*(_list(cluster, kind, space, labels) for space in sorted(spaces)))
        if spaces == namespaces or None not in lists:
            return tuple(body for bodies in lists for body in bodies or ())
    return ()


async def _list(cluster: Cluster, kind: tuple[str, str, str], namespace: str, labels: str) -> tuple[Body, ...] | None:
    """None where they cannot be listed, or the kind is not served in this version: each is then asked for."""
    group, name, version = kind
    try:
        return (await cluster.list(group, name, namespace, labels, version)).items
    except AwayError:
        return None
    except ApiError as exc:
        if exc.code in (403, 404, 500, 503):
            return None
        raise
