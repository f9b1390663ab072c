"""The namespace that an Application goes to: whether it is there, and making it where the spec says so."""

from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.errors import ApiError, ConfigError
from gitops.model.rendered import RenderedSet
from gitops.ports import Cluster


async def namespace_to_make(cluster: Cluster, app: Application, rendered: RenderedSet) -> ResourceKey | None:
    """The destination namespace where it is not there and has no manifest. Raises ConfigError if we may not make it."""
    name = app.destination.namespace
    if await namespace_exists(cluster, name) or _namespace_key(name) in rendered.keys:
        return None
    if not app.sync.createNamespace:
        raise ConfigError(
            f"namespace {name} does not exist; add its manifest, set sync.createNamespace: true, "
            f"or run `kubectl create namespace {name}`"
        )
    return _namespace_key(name)


async def namespace_exists(cluster: Cluster, name: str) -> bool:
    """Whether it is there; who may not look at namespaces was given one. Raises ConfigError while it is deleted."""
    try:
        live = await cluster.get(_namespace_key(name))
    except ApiError as exc:
        if exc.code == 403:
            return True
        raise
    if live is not None and live["metadata"].get("deletionTimestamp"):
        raise ConfigError(f"namespace {name} is being deleted; sync again when it is gone")
    return live is not None


async def make_namespace(cluster: Cluster, key: ResourceKey, manifest: Body | None) -> None:
    """Make the namespace that the parent lives in, as its manifest (with our marks) says where there is one."""
    await cluster.apply(key, manifest or {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.name}})


def _namespace_key(name: str) -> ResourceKey:
    return ResourceKey("", "Namespace", "", name)
