"""Watch streams: what happened since a version, then what happens, each event once and in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

import orjson

from gitops.manifests.key import Body
from gitops.sandbox import conversions, lists, tables
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.lists import Form, Selection
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import expired, forbidden_field, invalid_object, not_supported
from gitops.sandbox.storage import Event, Stored

_INITIAL_END = "k8s.io/initial-events-end"
_BOOKMARK_SECONDS = 60.0


class Watch:
    """One watch: made (and its query checked) before the answer starts, then streamed until its time is over."""

    def __init__(self, cluster: Cluster, resource: Resource, namespace: str, query: dict[str, str], form: Form) -> None:
        self._cluster = cluster
        self._resource = resource
        self._prefix = namespace + "/" if namespace and resource.namespaced else ""
        self._namespace = namespace
        self._form = form
        self._first_row = True
        self._selection = Selection.of(query, resource)
        self._bookmarks = query.get("allowWatchBookmarks", "") in ("true", "1")
        self._initial = query.get("sendInitialEvents", "") in ("true", "1")
        _check_options(query)
        self._since = lists.parse_version(query.get("resourceVersion", ""))
        if self._initial:
            lists.check_version(cluster, query)
        self._pending: deque[Event] = deque()
        self._wakeup = asyncio.Event()

    async def stream(self, seconds: float) -> AsyncGenerator[bytes, None]:
        """The events as JSON lines, for so many seconds."""
        storage = self._cluster.storage
        stop = storage.listen(self._resource.key, self._arrived)
        try:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + seconds
            first = self._start()
            if first:
                yield b"".join(first)
            while (left := deadline - loop.time()) > 0:
                if not self._pending:
                    self._wakeup.clear()
                    try:
                        await asyncio.wait_for(self._wakeup.wait(), min(left, _BOOKMARK_SECONDS))
                    except TimeoutError:
                        if self._bookmarks and deadline > loop.time() and storage.revision > self._since:
                            yield self._bookmark({})
                        continue
                batch = [line for event in self._drain() if (line := self._line(event)) is not None]
                if batch:
                    yield b"".join(batch)
        finally:
            stop()

    def _arrived(self, event: Event) -> None:
        self._pending.append(event)
        self._wakeup.set()

    def _drain(self) -> list[Event]:
        events = list(self._pending)
        self._pending.clear()
        return events

    def _start(self) -> list[bytes]:
        """The lines that the stream begins with: the past since a version, or everything there is."""
        storage = self._cluster.storage
        if self._since > 0 and not self._initial:
            if self._since < storage.compacted:
                status = expired(f"too old resource version: {self._since} ({storage.compacted})").status
                return [_json_line("ERROR", status)]
            return [line for event in storage.since(self._resource.key, self._since) if (line := self._line(event))]
        found = lists.select(self._cluster, self._resource, self._namespace, self._selection)
        lines = [self._written("ADDED", stored) for stored in found]
        if self._initial:
            lines.append(self._bookmark({"annotations": {_INITIAL_END: "true"}}))
        return lines

    def _bookmark(self, more: Body) -> bytes:
        metadata = {"resourceVersion": str(self._cluster.storage.revision), **more}
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return _json_line("BOOKMARK", {**head, "metadata": metadata})

    def _line(self, event: Event) -> bytes | None:
        """The line for an event, None when this watch does not see it: a version of the future is waited for."""
        if event.stored.revision <= self._since:
            return None
        if self._prefix and not event.key.startswith(self._prefix):
            return None
        if self._selection.everything:
            return self._written(event.type, event.stored)
        was = event.previous is not None and self._selection.matches(event.previous.body)
        if event.type == "DELETED":
            return self._written("DELETED", event.stored) if was else None
        now = self._selection.matches(event.stored.body)
        if now:
            return self._written("MODIFIED" if was else "ADDED", event.stored)
        if not was or event.previous is None:
            return None
        left = event.previous.body
        revision = event.stored.revision
        metadata = {**left["metadata"], "resourceVersion": str(revision)}
        return self._written("DELETED", Stored({**left, "metadata": metadata}, revision))

    def _written(self, kind: str, stored: Stored) -> bytes:
        if self._form.kind == "Table":
            body = conversions.to_version(self._resource, stored.body)
            metadata = {"resourceVersion": str(stored.revision)}
            table = tables.table(self._resource, [body], metadata, self._form.include, headed=self._first_row)
            self._first_row = False
            return _json_line(kind, table)
        if self._form.kind == "PartialObjectMetadata":
            return _json_line(kind, tables.partial(stored.body))
        if conversions.needed(self._resource):
            return _json_line(kind, conversions.to_version(self._resource, stored.body))
        return b'{"type":"' + kind.encode() + b'","object":' + stored.json + b"}\n"


def _json_line(kind: str, body: Body) -> bytes:
    return orjson.dumps({"type": kind, "object": body}) + b"\n"


def _check_options(query: dict[str, str]) -> None:
    """Refuses options that a watch does not take together."""
    match, field = query.get("resourceVersionMatch", ""), "resourceVersionMatch"
    errors = []
    if "sendInitialEvents" in query and match != "NotOlderThan":
        errors.append(forbidden_field(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match and "sendInitialEvents" not in query:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden_field(field, text))
    if match not in ("", "NotOlderThan"):
        errors.append(not_supported(field, match, ("NotOlderThan",)))
    if match and query.get("continue"):
        errors.append(forbidden_field(field, "resourceVersionMatch is forbidden with continue"))
    if errors:
        raise invalid_object("meta.k8s.io", "ListOptions", "", errors)
