"""The objects of others whose health an Application waits for: found, however late they come."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

from gitops.manifests.key import Body, ResourceKey
from gitops.ports import Clock, Cluster

_POLL_SECONDS = 1.0


async def come(
    cluster: Cluster,
    clock: Clock,
    keys: Iterable[ResourceKey],
    is_over: Callable[[], bool],
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> tuple[dict[ResourceKey, Body], list[ResourceKey]]:
    """Those that are there, or come before `is_over`, and those that do not. `waiting` is entered between two looks.

    Raises ClusterError.
    """
    left, found = list(keys), dict[ResourceKey, Body]()
    while left:
        kinds = await cluster.kinds()
        for key in [key for key in left if kinds.find(key.group, key.kind) is not None]:
            body = await cluster.get(key)
            if body is not None:
                found[key] = body
                left.remove(key)
        if not left or is_over():
            break
        async with waiting():
            await clock.sleep(_POLL_SECONDS)
        await cluster.kinds(refresh=any(kinds.find(key.group, key.kind) is None for key in left))
    return found, left
