"""Whose health an Application waits for."""

from gitops.manifests.key import ResourceKey, group_of
from gitops.model.application import Application, HealthCheck
from gitops.model.kinds import Kinds


def is_awaited(app: Application, key: ResourceKey) -> bool:
    """Whether the health of one of its own objects counts."""
    wait = app.sync.wait
    if wait.objects == "listed":
        return any(_names(check, key, app.namespace) for check in wait.checks)
    return wait.objects == "all"


def checked_keys(app: Application, kinds: Kinds) -> list[ResourceKey]:
    """The objects that its health checks name, whoever owns them; a kind that is not served has the group "?"."""
    if app.sync.wait.objects == "none":
        return []
    return [_key(check, app.namespace, kinds) for check in app.sync.wait.checks]


def _names(check: HealthCheck, key: ResourceKey, namespace: str) -> bool:
    return (
        (check.kind, check.name) == (key.kind, key.name)
        and key.namespace in ("", check.namespace or namespace)
        and (not check.apiVersion or group_of(check.apiVersion) == key.group)
    )


def _key(check: HealthCheck, namespace: str, kinds: Kinds) -> ResourceKey:
    group = group_of(check.apiVersion)
    if not check.apiVersion:
        group = next(iter(kinds.groups_with(check.kind)), "?")
    info = kinds.find(group, check.kind)
    space = (check.namespace or namespace) if info is None or info.namespaced else ""
    return ResourceKey(group, check.kind, space, check.name)
