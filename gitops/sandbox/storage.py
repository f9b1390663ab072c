"""Objects in memory, with the history that watches read.

Every write gets the next resourceVersion and leaves one event. Bodies are never changed in place: a new version is a
new dict, so an event, a list under way and a watcher may all hold the same one.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import orjson

from gitops.manifests.key import Body

ResourceKey = tuple[str, str]
EventType = Literal["ADDED", "MODIFIED", "DELETED"]

# How many events stay for watches that start in the past.
HISTORY = 20_000


class Stored:
    """One version of one object, its JSON kept once somebody asked for it."""

    __slots__ = ("_tail", "body", "revision")

    def __init__(self, body: Body, revision: int) -> None:
        self.body = body
        self.revision = revision
        self._tail: bytes | None = None

    @property
    def tail(self) -> bytes:
        """The body as JSON without kind and apiVersion, the way items of a list are written."""
        if self._tail is None:
            bare = {key: value for key, value in self.body.items() if key not in ("kind", "apiVersion")}
            self._tail = orjson.dumps(bare)
        return self._tail

    @property
    def json(self) -> bytes:
        head = b'{"kind":%b,"apiVersion":%b' % (orjson.dumps(self.body["kind"]), orjson.dumps(self.body["apiVersion"]))
        tail = self.tail
        return head + (b"," + tail[1:] if len(tail) > 2 else b"}")


@dataclass(frozen=True, slots=True)
class Event:
    """One change: `stored` is the object after it (of a deletion: as it was, at the deletion's revision)."""

    type: EventType
    resource: ResourceKey
    key: str
    stored: Stored
    previous: Stored | None


Listener = Callable[[Event], None]


def storage_key(namespace: str, name: str) -> str:
    """The name of an object within its resource; sorting by it is sorting as etcd does."""
    return f"{namespace}/{name}"


class Storage:
    """All objects of a cluster."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self._objects: dict[ResourceKey, dict[str, Stored]] = {}
        self._sorted: dict[ResourceKey, list[str]] = {}
        self._history: deque[Event] = deque()
        self._listeners: dict[ResourceKey, set[Listener]] = {}
        self._everything: list[Listener] = []

    def get(self, resource: ResourceKey, namespace: str, name: str) -> Stored | None:
        return self._objects.get(resource, {}).get(storage_key(namespace, name))

    def objects(self, resource: ResourceKey, namespace: str = "") -> list[Stored]:
        """The objects of a resource (in one namespace, or all), in key order."""
        objects = self._objects.get(resource, {})
        keys = self._keys(resource, objects)
        if namespace:
            prefix = namespace + "/"
            keys = [key for key in keys if key.startswith(prefix)]
        return [objects[key] for key in keys]

    def keys(self, resource: ResourceKey) -> list[str]:
        """The keys of a resource's objects, in order."""
        return self._keys(resource, self._objects.get(resource, {}))

    def _keys(self, resource: ResourceKey, objects: dict[str, Stored]) -> list[str]:
        keys = self._sorted.get(resource)
        if keys is None:
            keys = self._sorted[resource] = sorted(objects)
        return keys

    def count(self, resource: ResourceKey) -> int:
        return len(self._objects.get(resource, {}))

    def everything(self) -> Iterator[tuple[ResourceKey, Stored]]:
        for resource, objects in self._objects.items():
            for stored in objects.values():
                yield resource, stored

    def next_revision(self) -> int:
        self.revision += 1
        return self.revision

    def put(self, resource: ResourceKey, body: Body) -> Stored:
        """Stores `body` with the next resourceVersion; it replaces the version there was."""
        stored = self._versioned(body)
        metadata = body["metadata"]
        key = storage_key(metadata.get("namespace", ""), metadata["name"])
        objects = self._objects.setdefault(resource, {})
        previous = objects.get(key)
        objects[key] = stored
        if previous is None:
            self._sorted.pop(resource, None)
        self._emit(Event("MODIFIED" if previous else "ADDED", resource, key, stored, previous))
        return stored

    def delete(self, resource: ResourceKey, namespace: str, name: str, final: Body | None = None) -> Stored:
        """Removes an object; `final` is the form its watchers see last. KeyError when it is not there."""
        key = storage_key(namespace, name)
        previous = self._objects[resource].pop(key)
        self._sorted.pop(resource, None)
        stored = self._versioned(final if final is not None else previous.body)
        self._emit(Event("DELETED", resource, key, stored, previous))
        return stored

    def _versioned(self, body: Body) -> Stored:
        revision = self.next_revision()
        return Stored({**body, "metadata": {**body["metadata"], "resourceVersion": str(revision)}}, revision)

    def restore(self, resource: ResourceKey, body: Body) -> None:
        """Puts back an object as it was saved, without an event."""
        revision = int(body["metadata"]["resourceVersion"])
        key = storage_key(body["metadata"].get("namespace", ""), body["metadata"]["name"])
        self._objects.setdefault(resource, {})[key] = Stored(body, revision)
        self._sorted.pop(resource, None)
        self.revision = max(self.revision, revision)

    # --- history --------------------------------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        self._history.append(event)
        if len(self._history) > HISTORY:
            self.compacted = self._history.popleft().stored.revision
        for listener in tuple(self._listeners.get(event.resource, ())):
            listener(event)
        for listener in self._everything:
            listener(event)

    def since(self, resource: ResourceKey, revision: int) -> list[Event]:
        """The events of a resource after `revision`, which must not be compacted."""
        newer = []
        for event in reversed(self._history):
            if event.stored.revision <= revision:
                break
            if event.resource == resource:
                newer.append(event)
        return newer[::-1]

    def compact(self) -> None:
        """Forgets the history: a watch from the past gets 410 from now on."""
        self._history.clear()
        self.compacted = self.revision

    def listen(self, resource: ResourceKey, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with each event of a resource; the answer stops that."""
        listeners = self._listeners.setdefault(resource, set())
        listeners.add(listener)
        return lambda: listeners.discard(listener)

    def listen_to_everything(self, listener: Listener) -> None:
        self._everything.append(listener)
