"""`gitops.ports.Cluster` for a controller: what is ours is answered from one watch per kind, the rest is asked for.

    list ──► watch, watch, … ──► Shelf ──► get, list, watch of ours, with no request
                                   └─────► on_change: what changed, and whether a person may have done it

The watches select what carries our label, as wide as our rights reach: the cluster, else the namespace. An Application
with a service account is told from them only what is its own, and asks for all else in that one's name. An object that
is not on the shelf may still exist without the label, so it is asked for by name. What we write is put on the shelf
from the answer, so that a plan right after a sync sees it. While a watch cannot reach its server the shelf is not
answered from: what it holds may long be otherwise.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from gitops.adapters.kubernetes.absences import Absences
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.informers import OURS, SharedInformers
from gitops.adapters.kubernetes.object_store import Seen
from gitops.engine.inventory import PART_OF, SET_ID
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.errors import ApiError
from gitops.model.kinds import Kinds
from gitops.model.log_part import LogPart
from gitops.ports import Listing, WatchEvent

_PARENTS = f"{SET_ID},{OURS}"
# Marks the version of a list that was answered from a shelf: the shelf's own count.
_SERIAL = "shelf-"


class CachedCluster:
    """One cluster with its watches; `acting_as` gives a view that writes and asks in another name, same shelves."""

    def __init__(
        self, cluster: KubernetesCluster, on_change: Callable[[Seen], None], may_write: Callable[[], bool] | None = None
    ) -> None:
        """`may_write` is asked right before each write: a replica that lost its place must not finish what it began."""
        self._cluster = cluster
        self._watches = SharedInformers(cluster, on_change)
        self._absences = Absences(cluster, self._watches.gone)
        self._sees: Callable[[ResourceKey, Body], bool] | None = None
        if may_write is not None:
            cluster.http.ask_before_writes(may_write)

    def acting_as(self, user: str, sees: Callable[[ResourceKey, Body], bool]) -> "CachedCluster":
        view = CachedCluster.__new__(CachedCluster)
        view._cluster = self._cluster.acting_as(user)
        view._watches = self._watches
        view._absences = Absences(view._cluster, self._watches.gone)
        view._sees = sees
        return view

    @property
    def name(self) -> str:
        return self._cluster.name

    @property
    def requests(self) -> tuple[int, int]:
        return self._cluster.requests

    @property
    def counts(self) -> dict[tuple[str, int], int]:
        """(method, HTTP status) → how many answers."""
        return self._cluster.http.counts

    async def kinds(self, *, refresh: bool = False) -> Kinds:
        return await self._cluster.kinds(refresh=refresh)

    async def get(self, key: ResourceKey, version: str = "", *, fresh: bool = False) -> Body | None:
        if fresh:
            return await self._watches.looked(key, self._cluster.get(key, version))
        shelf = await self._watches.shelf(key.group, key.kind, key.namespace)
        if shelf is not None:
            found = shelf.get(key, f"{key.group}/{version}".lstrip("/") if version else "")
            if found is not None and (self._sees is None or self._sees(key, found)):
                return found
        if key.kind == "Namespace" and not key.group and self._sees is None:
            return await self._watches.namespace(key)
        return await self._cluster.get(key, version)

    async def is_absent(self, key: ResourceKey) -> bool:
        if not await self._is_on_no_shelf(key) or not await self._absences.told(key):
            return False
        return await self._is_on_no_shelf(key)  # it may have become ours meanwhile

    async def _is_on_no_shelf(self, key: ResourceKey) -> bool:
        shelf = await self._watches.shelf(key.group, key.kind, key.namespace)
        return shelf is not None and bool(shelf.version) and key not in shelf

    async def list(
        self, group: str, kind: str, namespace: str, labels: str = "", version: str = "", fields: str = ""
    ) -> Listing:
        set_id, name = _set_asked_for(labels), _name_asked_for(fields)
        if set_id is None or name is None or not await self._is_watched_version(group, kind, version):
            return await self._cluster.list(group, kind, namespace, labels, version, fields)
        shelf = await self._watches.shelf(group, kind, namespace)
        if shelf is None:
            return await self._cluster.list(group, kind, namespace, labels, version, fields)
        bodies = [body for body in shelf.members(set_id, namespace, name) if self._is_seen(body)]
        if not set_id:
            bodies = [body for body in bodies if SET_ID in (body["metadata"].get("labels") or {})]
        return Listing(tuple(bodies), f"{_SERIAL}{shelf.serial}")

    def _is_seen(self, body: Body) -> bool:
        return self._sees is None or self._sees(key_of(body), body)

    async def _is_watched_version(self, group: str, kind: str, version: str) -> bool:
        info = (await self.kinds()).find(group, kind)
        return info is not None and version in ("", info.version)

    async def identity(self) -> str:
        return await self._cluster.identity()

    async def has_gone_back(self, group: str, kind: str, namespace: str, version: str, identity: str) -> bool:
        return await self._cluster.has_gone_back(group, kind, namespace, version, identity)

    async def logs(self, pod: ResourceKey, container: str, *, lines: int) -> str:
        return await self._cluster.logs(pod, container, lines=lines)

    async def log(self, pod: ResourceKey, container: str, part: LogPart) -> str:
        return await self._cluster.log(pod, container, part)

    async def apply(self, key: ResourceKey, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        if dry_run:
            return await self._cluster.apply(key, body, force=force, dry_run=True)
        return await self._watches.written(key, self._cluster.apply(key, body, force=force))

    async def apply_status(self, key: ResourceKey, status: Body) -> None:
        await self._cluster.apply_status(key, status)

    async def dry_run_replace(self, key: ResourceKey, live: Body, body: Body) -> Body:
        return await self._cluster.dry_run_replace(key, live, body)

    async def remove_marks(self, key: ResourceKey, labels: Sequence[str], annotations: Sequence[str]) -> None:
        await self._cluster.remove_marks(key, labels, annotations)

    async def merge(self, key: ResourceKey, change: Body) -> None:
        await self._cluster.merge(key, change)

    async def patch_by_hand(self, key: ResourceKey, change: Body, *, subresource: str = "") -> None:
        await self._cluster.patch_by_hand(key, change, subresource=subresource)

    async def merge_strategic(self, key: ResourceKey, change: Body) -> Body:
        return await self._watches.written(key, self._cluster.merge_strategic(key, change))

    async def replace_owners(self, key: ResourceKey, owners: tuple[Body, ...], version: str) -> None:
        await self._cluster.replace_owners(key, owners, version)

    async def replace_finalizers(self, key: ResourceKey, finalizers: Sequence[str], version: str) -> None:
        await self._cluster.replace_finalizers(key, finalizers, version)

    async def create(self, key: ResourceKey, body: Body, *, dry_run: bool = False) -> Body:
        if dry_run:
            return await self._cluster.create(key, body, dry_run=True)
        return await self._watches.written(key, self._cluster.create(key, body))

    async def delete(self, key: ResourceKey, *, uid: str = "", orphan: bool = False, dry_run: bool = False) -> None:
        await self._cluster.delete(key, uid=uid, orphan=orphan, dry_run=dry_run)

    @contextlib.asynccontextmanager
    async def watch(
        self, group: str, kind: str, namespace: str, version: str, labels: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        set_id = _set_asked_for(labels)
        is_ours = bool(set_id) and version.startswith(_SERIAL)
        shelf = await self._watches.shelf(group, kind, namespace) if is_ours else None
        if is_ours and shelf is None:
            raise ApiError(410, "Expired", "it is no longer watched; list again")
        if shelf is None or not set_id:
            async with self._cluster.watch(group, kind, namespace, version, labels) as events:
                yield events
            return
        async with self._watches.follow(shelf, set_id, int(version.removeprefix(_SERIAL))) as events:
            yield (event async for event in events if self._is_seen(event.body))

    async def close(self) -> None:
        await self._watches.close()
        await self._cluster.close()


def _set_asked_for(labels: str) -> str | None:
    """The one ApplySet that a selector asks for, "" for all inventory parents, None for anything else."""
    if labels == _PARENTS:
        return ""
    name, _, value = labels.partition("=")
    return value if name == PART_OF and value and "," not in value else None


def _name_asked_for(fields: str) -> str | None:
    """The one name that a field selector asks for, "" where there is none, None for anything else."""
    field, _, value = fields.partition("=")
    return "" if not fields else value if field == "metadata.name" and "," not in value else None
