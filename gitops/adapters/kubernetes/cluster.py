"""`gitops.ports.Cluster` over HTTP: keys become paths by discovery, writes are server-side applies as `gitops`."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

from gitops.adapters.kubernetes import answers
from gitops.adapters.kubernetes.connection import Connection
from gitops.adapters.kubernetes.discovery import discover
from gitops.adapters.kubernetes.http import Http
from gitops.adapters.kubernetes.paths import collection_path, object_path
from gitops.manifests.key import Body, ResourceKey, version_of
from gitops.model.errors import ApiError, AwayError
from gitops.model.kinds import KindInfo, Kinds
from gitops.model.log_part import LogPart
from gitops.ports import Listing, WatchEvent

FIELD_MANAGER = "gitops"
BY_HAND = "gitops-act"  # told from automation by `gitops.engine.manual_edits`
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# What can be desired of an object's metadata.
_WRITABLE = ("annotations", "finalizers", "labels", "ownerReferences")
# How many objects to ask for at once; fewer where those are too large.
_PAGES = ("500", "50", "5", "1")
# How often an apply is sent again that another write came in between, and the pause before that.
_MOVED_TRIES, _MOVED_SECONDS = 5, 0.3
# What a deletion with a uid is answered where another object has the name now.
_OTHER_UID = re.compile(r"UID in (?:the )?precondition")
_IDENTITY = ResourceKey("", "Namespace", "", "kube-system")
_IDENTITY_SECONDS, _REFUSED_SECONDS = 5.0, 3600.0


class _Known:
    """What discovery told, shared by all who act on one cluster."""

    def __init__(self) -> None:
        self.kinds: Kinds | None = None
        self.looking = asyncio.Lock()
        self.identity = ("", float("-inf"))  # and when it was asked for (monotonic)


class KubernetesCluster:
    """One cluster, reached by `connection`."""

    def __init__(self, connection: Connection, http: Http | None = None, known: "_Known | None" = None) -> None:
        self.http = http or Http(connection)
        self._connection = connection
        self._known = known or _Known()

    def acting_as(self, user: str, sees: Callable[[ResourceKey, Body], bool] | None = None) -> "KubernetesCluster":
        """The same cluster and connections in the name of `user`; it is closed with this one."""
        return KubernetesCluster(self._connection, self.http.acting_as(user), self._known)

    @property
    def name(self) -> str:
        return self.http.server.partition("://")[2]

    @property
    def requests(self) -> tuple[int, int]:
        return self.http.reads, self.http.writes

    async def kinds(self, *, refresh: bool = False) -> Kinds:
        if self._known.kinds is not None and not refresh and not self._known.looking.locked():
            return self._known.kinds
        async with self._known.looking:
            if self._known.kinds is None or refresh:
                self._known.kinds = await discover(self.http)
            return self._known.kinds

    async def get(self, key: ResourceKey, version: str = "", *, fresh: bool = False) -> Body | None:
        path = await self._path(key, version)
        if path is None:
            return None
        try:
            return self._checked(await self.http.request("GET", path), key)
        except ApiError as exc:
            if exc.code != 404:
                raise
            if not exc.status:
                await self._check_gone(key, version)
            return None

    async def is_absent(self, key: ResourceKey) -> bool:
        return False

    async def _check_gone(self, key: ResourceKey, version: str = "") -> None:
        """Raise UnreachableError for a 404 that is no Status, unless the path itself has gone with its kind."""
        if await self._info(key.group, key.kind, version, refresh=True) is not None:
            raise self.http.not_as_asked(f"a 404 for {key} that no API server gives")

    def _checked(self, body: Body, key: ResourceKey) -> Body:
        """An object as it was asked for. Raises UnreachableError."""
        try:
            answers.check_object(body, key)
        except answers.NotAsAskedError as exc:
            raise self.http.not_as_asked(exc) from exc
        return body

    async def identity(self) -> str:
        """The uid of the namespace that every cluster has: the cluster's own, as the Cluster API has it."""
        known, asked_at = self._known.identity
        if time.monotonic() - asked_at < _IDENTITY_SECONDS:
            return known
        try:
            home = await self.get(_IDENTITY) or {}
        except ApiError as exc:
            # Rights do not come every few seconds.
            self._known.identity = (known, time.monotonic() + (_REFUSED_SECONDS if exc.code == 403 else 0.0))
            return known
        uid = str((home.get("metadata") or {}).get("uid") or "")
        self._known.identity = (uid, time.monotonic())
        return uid

    async def has_gone_back(self, group: str, kind: str, namespace: str, version: str, identity: str) -> bool:
        info = await self._info(group, kind)
        if info is None:
            return False
        page = await self.http.request("GET", collection_path(info, namespace), query={"limit": "1"})
        try:
            answers.page_items(page, info)
        except answers.NotAsAskedError as exc:
            raise self.http.not_as_asked(exc) from exc
        now = page["metadata"]["resourceVersion"]
        is_earlier = now.isdigit() and version.isdigit() and int(now) < int(version)
        return is_earlier or (bool(identity) and await self.identity() != identity)

    async def logs(self, pod: ResourceKey, container: str, *, lines: int) -> str:
        path = f"{await self._known_path(pod)}/log"
        for previous in ("false", "true"):
            limit = str(answers.MOST_LOG)
            query = {"container": container, "tailLines": str(lines), "limitBytes": limit, "previous": previous}
            try:
                text = await self.http.text(path, query)
            except ApiError as exc:
                if exc.code not in (400, 404):  # the container has not run, or its log is gone
                    raise
                text = ""
            if text.strip():
                return text
        return ""

    async def log(self, pod: ResourceKey, container: str, part: LogPart) -> str:
        query = {"container": container, "tailLines": str(part.lines), "limitBytes": str(answers.MOST_LOG)}
        query |= {"timestamps": "true", "previous": "true" if part.previous else "false"}
        if part.since:
            query["sinceTime"] = part.since
        return await self.http.text(f"{await self._known_path(pod)}/log", query)

    async def list(
        self, group: str, kind: str, namespace: str, labels: str = "", version: str = "", fields: str = ""
    ) -> Listing:
        items: list[Body] = []
        at = ""
        async for page in self.pages(group, kind, namespace, labels, version, fields):
            items += page.items
            at = page.version
        return Listing(tuple(items), at)

    async def pages(
        self, group: str, kind: str, namespace: str, labels: str = "", version: str = "", fields: str = ""
    ) -> AsyncIterator[Listing]:
        """A list page by page, so that a large one is never held whole; nothing where the kind is not served."""
        info = await self._info(group, kind, version)
        if info is None:
            return
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = {"limit": _PAGES[0], **{name: text for name, text in selectors.items() if text}}
        while True:
            page = await self._page(collection_path(info, namespace), query)
            try:
                items = answers.page_items(page, info)
            except answers.NotAsAskedError as exc:
                raise self.http.not_as_asked(exc) from exc
            metadata = page["metadata"]
            yield Listing(tuple(items), metadata["resourceVersion"])
            if not metadata.get("continue"):
                return
            query = {**query, "continue": metadata["continue"]}

    async def names(self, group: str, kind: str, namespace: str, labels: str, most: int) -> frozenset[str] | None:
        """The names of the objects that a selector fits; None where there are more than `most`, or none can be asked.

        Raises ClusterError.
        """
        info = await self._info(group, kind)
        if info is None:
            return None
        query = {"labelSelector": labels, "limit": str(most)}
        page = await self.http.request("GET", collection_path(info, namespace), query=query, accept=_NAMES_ONLY)
        if page.get("kind") != "PartialObjectMetadataList":
            return None
        alike = KindInfo("meta.k8s.io", "v1", "PartialObjectMetadata", "", info.namespaced)
        try:
            found = answers.page_items(page, alike)
        except answers.NotAsAskedError as exc:
            raise self.http.not_as_asked(exc) from exc
        return None if page["metadata"].get("continue") else frozenset(item["metadata"]["name"] for item in found)

    async def _page(self, path: str, query: dict[str, str]) -> Body:
        """One page; of objects that are too large for a whole one, a smaller one."""
        *larger, last = _PAGES
        for limit in larger:
            try:
                return await self.http.request("GET", path, query={**query, "limit": limit})
            except answers.TooLargeError:
                continue
        return await self.http.request("GET", path, query={**query, "limit": last})

    async def apply(self, key: ResourceKey, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        info = await self._served(key, body)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        path = object_path(info, key)
        try:
            return self._checked(await self._applied(path, query, body), key)
        except ApiError as exc:
            if exc.code == 403 and str(exc).rstrip().endswith("is forbidden:"):
                raise self._no_right_to_create(exc, key, info) from exc
            if exc.code != 404 or exc.status:
                raise
            await self._check_gone(key, info.version)  # no Status: it is the path that is not there
            raise ApiError(404, "NotFound", f"{_not_served(key, body)} any more") from exc

    async def _applied(self, path: str, query: dict[str, str], body: Body) -> Body:
        """Send an apply; again where another write came in between, which is no conflict about a field."""
        for left in reversed(range(_MOVED_TRIES)):
            try:
                return await self.http.request("PATCH", path, query=query, body=body, content_type=_APPLY)
            except ApiError as exc:
                is_moved = exc.code == 409 and not exc.causes and not body["metadata"].get("resourceVersion")
                if not left or not is_moved:
                    raise
            await asyncio.sleep(_MOVED_SECONDS)
        raise AssertionError("the last try returns or raises")

    def _no_right_to_create(self, error: ApiError, key: ResourceKey, info: KindInfo) -> ApiError:
        """An apply that makes an object takes the right to create it; that it lacks, the API server does not say."""
        who = f'User "{self.http.user}"' if self.http.user else "the user of these credentials"
        scope = f'in the namespace "{key.namespace}"' if key.namespace else "at the cluster scope"
        why = f'{who} cannot create resource "{info.plural}" in API group "{info.group}" {scope}'
        return ApiError(error.code, error.reason, f"{str(error).rstrip()} {why}", error.status)

    async def dry_run_replace(self, key: ResourceKey, live: Body, body: Body) -> Body:
        info = await self._served(key, body)
        path = object_path(info, key)
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
        patch = [
            *_operations("", live, body, (body.keys() | live.keys()) - {"apiVersion", "kind", "metadata", "status"}),
            *_operations("/metadata", live["metadata"], body["metadata"], _WRITABLE),
        ]
        found = await self.http.request("PATCH", path, query=query, body=patch, content_type=_JSON_PATCH)
        return self._checked(found, key)

    async def apply_status(self, key: ResourceKey, status: Body) -> None:
        info = await self._info(key.group, key.kind)
        if info is None:
            raise ApiError(404, "NotFound", f"the cluster does not serve {key.kind} in {key.group}")
        metadata = {"name": key.name, "namespace": key.namespace}
        body = {"apiVersion": info.api_version, "kind": key.kind, "metadata": metadata, "status": status}
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = f"{object_path(info, key)}/status"
        await self.http.request("PATCH", path, query=query, body=body, content_type=_APPLY)

    async def remove_marks(self, key: ResourceKey, labels: Sequence[str], annotations: Sequence[str]) -> None:
        metadata = {"labels": dict.fromkeys(labels), "annotations": dict.fromkeys(annotations)}
        path, query = await self._known_path(key), {"fieldManager": FIELD_MANAGER}
        await self.http.request(
            "PATCH", path, query=query, body={"metadata": metadata}, content_type="application/merge-patch+json"
        )

    async def merge(self, key: ResourceKey, change: Body) -> None:
        path, query = await self._known_path(key), {"fieldManager": f"{FIELD_MANAGER}-takeover"}
        await self.http.request("PATCH", path, query=query, body=change, content_type="application/merge-patch+json")

    async def patch_by_hand(self, key: ResourceKey, change: Body, *, subresource: str = "") -> None:
        path, query = await self._known_path(key), {"fieldManager": BY_HAND}
        path = f"{path}/{subresource}" if subresource else path
        await self.http.request("PATCH", path, query=query, body=change, content_type="application/merge-patch+json")

    async def merge_strategic(self, key: ResourceKey, change: Body) -> Body:
        path, query = await self._known_path(key), {"fieldManager": FIELD_MANAGER}
        return self._checked(
            await self.http.request("PATCH", path, query=query, body=change, content_type=_STRATEGIC), key
        )

    async def replace_owners(self, key: ResourceKey, owners: tuple[Body, ...], version: str) -> None:
        await self._replace(key, "managedFields", list(owners), version)

    async def replace_finalizers(self, key: ResourceKey, finalizers: Sequence[str], version: str) -> None:
        await self._replace(key, "finalizers", [*finalizers], version)

    async def _replace(self, key: ResourceKey, field: str, value: Any, version: str) -> None:
        patch: list[Body] = [
            {"op": "add", "path": f"/metadata/{field}", "value": value},  # in place of what is there
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        ]
        await self.http.request("PATCH", await self._known_path(key), body=patch, content_type=_JSON_PATCH)

    async def create(self, key: ResourceKey, body: Body, *, dry_run: bool = False) -> Body:
        info = await self._served(key, body)
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        # Once: a second attempt after a lost answer would make a second object.
        path = collection_path(info, key.namespace)
        return self._checked(await self.http.request("POST", path, query=query, body=body, once=not dry_run), key)

    async def delete(self, key: ResourceKey, *, uid: str = "", orphan: bool = False, dry_run: bool = False) -> None:
        path = await self._path(key)
        if path is None:
            return
        options: Body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Orphan" if orphan else "Background",
        }
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self.http.request("DELETE", path, query={"dryRun": "All"} if dry_run else None, body=options)
        except ApiError as exc:
            if exc.code == 404 and not exc.status:
                await self._check_gone(key)
            gone = exc.code == 404 or (uid and exc.code == 409 and _OTHER_UID.search(str(exc)))
            if not gone:
                raise

    @contextlib.asynccontextmanager
    async def watch(
        self, group: str, kind: str, namespace: str, version: str, labels: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        info = await self._info(group, kind)
        if info is None:
            raise ApiError(404, "NotFound", f"the cluster does not serve {kind} in {group or 'v1'}")
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        if labels:
            query["labelSelector"] = labels
        async with self.http.stream(collection_path(info, namespace), query) as events:
            yield self._watch_events(events, info)

    async def close(self) -> None:
        await self.http.close()

    async def _info(self, group: str, kind: str, version: str = "", *, refresh: bool = False) -> KindInfo | None:
        """How a kind is reached, None where it is not served. Raises AwayError where nobody knows."""
        kinds = await self.kinds(refresh=refresh)
        info = kinds.find(group, kind, version)
        if info is None and group in kinds.away:
            raise AwayError(f"{self.http.server}: {kind} in {group or 'v1'}: {kinds.away[group]}")
        return info

    async def _watch_events(self, events: AsyncIterator[Body], info: KindInfo) -> AsyncIterator[WatchEvent]:
        async for event in events:
            try:
                answers.check_event(event, info)
            except answers.NotAsAskedError as exc:
                raise self.http.not_as_asked(f"{exc} in a watch of {info.kind}") from exc
            if event["type"] == "ERROR":
                status = answers.status_of(event["object"])
                code = status.get("code") or 500
                raise ApiError(code, status.get("reason") or "", status.get("message") or "", status)
            yield WatchEvent(event["type"], event["object"])

    async def _path(self, key: ResourceKey, version: str = "") -> str | None:
        info = await self._info(key.group, key.kind, version)
        return None if info is None else object_path(info, key)

    async def _known_path(self, key: ResourceKey) -> str:
        path = await self._path(key)
        if path is None:
            raise ApiError(404, "NotFound", f"the cluster does not serve {key.kind} in {key.group or 'v1'}")
        return path

    async def _served(self, key: ResourceKey, body: Body) -> KindInfo:
        """The kind in the version that `body` is written in; looked up anew once, since its CRD may be new."""
        version = version_of(body["apiVersion"])
        for refresh in (False, True):
            info = await self._info(key.group, key.kind, version, refresh=refresh)
            if info is not None:
                return info
        raise ApiError(404, "NotFound", _not_served(key, body))


def _not_served(key: ResourceKey, body: Body) -> str:
    return f"the cluster does not serve {key.kind} in {body['apiVersion']}"


def _operations(place: str, live: Body, body: Body, names: Iterable[str]) -> Iterator[Body]:
    """The JSON patch that makes the fields `names` of `live` those of `body`."""
    for name in sorted(names):
        path = f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
        if name in body and body[name] != live.get(name):
            yield {"op": "add", "path": path, "value": body[name]}
        elif name in live and name not in body:
            yield {"op": "remove", "path": path}
