"""Where an Application comes from, and who would bring it back after it was deleted."""

from dataclasses import dataclass

from gitops.engine.inventory import foreign_owner
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ClusterError, UnreachableError
from gitops.ports import Cluster


@dataclass(frozen=True, slots=True)
class Origin:
    """`place` names where an Application comes from: a file, a custom resource, another one's repository.

    `brought_back_by` is who makes it again after it was deleted, "" for nobody. `stays` is why what it owns is not
    pruned when it is deleted, by its own spec. `children` are the Applications that its repository brings.
    """

    place: str
    is_resource: bool = False
    brought_back_by: str = ""
    stays: str = ""
    children: tuple[str, ...] = ()


def maker_of(body: Body, key: ResourceKey) -> str:
    """Who makes a custom resource again when it is deleted, as its own marks say; "" for nobody that is known."""
    if maker := foreign_owner(body, key, ""):
        return maker
    owners = (body.get("metadata") or {}).get("ownerReferences") or []
    return next((f"{one.get('kind')} {one.get('name')}" for one in owners if one.get("controller")), "")


async def delete_resource(cluster: Cluster, key: ResourceKey, finalizer: str, *, prunes: bool, dry_run: bool) -> None:
    """Delete a custom resource, with the finalizer on it that has what it owns go first, or without.

    Raises ClusterError, with nothing changed; UnreachableError says so where the finalizer may be there still.
    """
    body = await cluster.get(key, fresh=True)
    if body is None:
        return
    await cluster.delete(key, uid=body["metadata"]["uid"], dry_run=True)  # without the right to it, nothing is begun
    if dry_run:
        return
    metadata = body["metadata"]
    present = list(metadata.get("finalizers") or [])
    wanted = [name for name in present if name != finalizer] + [finalizer] * prunes
    is_marked = set(wanted) != set(present)
    if is_marked:
        await cluster.replace_finalizers(key, wanted, metadata["resourceVersion"])
    try:
        await cluster.delete(key, uid=metadata["uid"])
    except ClusterError as exc:
        if is_marked:
            await _put_back(cluster, key, present, exc)
        raise


async def _put_back(cluster: Cluster, key: ResourceKey, finalizers: list[str], why: ClusterError) -> None:
    """Have the finalizers as they were: a deletion of another day must not do what was asked for this one."""
    try:
        body = await cluster.get(key, fresh=True)
        if body is not None and not body["metadata"].get("deletionTimestamp"):
            await cluster.replace_finalizers(key, finalizers, body["metadata"]["resourceVersion"])
    except ClusterError as exc:
        raise UnreachableError(
            f"{why}; the finalizers of {key} were changed for it: ask for the deletion again"
        ) from exc
