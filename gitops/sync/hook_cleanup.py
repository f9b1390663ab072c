"""What a sync's hooks leave behind goes as their delete policies say."""

from collections.abc import Iterable

from gitops.engine.annotations import ignores_health
from gitops.engine.deletion import holds_data
from gitops.engine.health import health_of
from gitops.engine.hooks import body_when_ended, is_of_sync, leaves_something
from gitops.manifests.key import ResourceKey
from gitops.model.application import HealthRule
from gitops.model.errors import ApiError
from gitops.model.plan import HookDelete, RunHook
from gitops.ports import Cluster


async def clean_up_hooks(
    cluster: Cluster, hooks: Iterable[RunHook], sync: str, own: tuple[HealthRule, ...]
) -> frozenset[ResourceKey]:
    """After the sync with the id `sync`: delete its hooks as their policies say, give the Jobs that stay their TTL.

    The keys of what was deleted, or will go by itself.
    """
    gone = set()
    for hook in hooks:
        live = await cluster.get(hook.key) if leaves_something(hook) else None
        if live is None or not is_of_sync(live, sync):
            continue
        succeeded = ignores_health(live) or health_of(live, own).is_settled
        body = body_when_ended(hook, live, sync)
        if holds_data(hook.key, live):
            continue
        if (HookDelete.SUCCEEDED if succeeded else HookDelete.FAILED) in hook.delete:
            await cluster.delete(hook.key, uid=live["metadata"]["uid"])
            gone.add(hook.key)
        elif body is not None:
            gone.add(hook.key)
            try:
                await cluster.apply(hook.key, body, force=True)
            except ApiError as exc:
                if not _is_gone(exc):
                    raise
    return frozenset(gone)


def _is_gone(error: ApiError) -> bool:
    """Whether the object that was to be changed is not there any more, or another has its name now."""
    return error.code in (404, 409) or {cause.get("field") for cause in error.causes} == {"metadata.uid"}
