"""What a simulated controller sees of a cluster, and how it writes to it.

Every controller is a function of (world, namespace, name) that looks at what is there and takes the next step; it is
called again whenever something it may care about changed, so it never waits.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from gitops.manifests.key import Body
from gitops.sandbox import deletion, writes
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.statuses import ApiFailure
from gitops.sandbox.storage import Event, ResourceKey, storage_key

MANAGER = "kube-controller-manager"

PODS: ResourceKey = ("", "pods")
DEPLOYMENTS: ResourceKey = ("apps", "deployments")
REPLICA_SETS: ResourceKey = ("apps", "replicasets")
STATEFUL_SETS: ResourceKey = ("apps", "statefulsets")
DAEMON_SETS: ResourceKey = ("apps", "daemonsets")
REVISIONS: ResourceKey = ("apps", "controllerrevisions")
JOBS: ResourceKey = ("batch", "jobs")
CRON_JOBS: ResourceKey = ("batch", "cronjobs")
NODES: ResourceKey = ("", "nodes")
CLAIMS: ResourceKey = ("", "persistentvolumeclaims")
VOLUMES: ResourceKey = ("", "persistentvolumes")
NAMESPACES: ResourceKey = ("", "namespaces")
SERVICES: ResourceKey = ("", "services")

Reconcile = Callable[["World", str, str], None]


class World:
    """The cluster as controllers use it."""

    def __init__(self, cluster: Cluster, ca_pem: str, again: Callable[[Reconcile, str, str, float], None]) -> None:
        self.cluster = cluster
        self.clock = cluster.clock
        self.ca_pem = ca_pem
        self._again = again
        # uid of an owner → what it owns; and uid → where that object is.
        self._owned: dict[str, dict[tuple[ResourceKey, str], None]] = {}
        self._places: dict[str, tuple[ResourceKey, str]] = {}
        # Cluster time of things that objects only carry in whole seconds of the world's time, by uid.
        self.moments: dict[str, float] = {}
        # How often in a row the API refused what an owner wants made, and when that is tried again, by its uid.
        self.refusals: dict[str, tuple[int, float]] = {}
        # Why the API refused the last Pod of an owner, by its uid.
        self.failures: dict[str, str] = {}
        for resource, stored in cluster.storage.everything():
            self._index(resource, stored.body)

    def again(self, reconcile: Reconcile, namespace: str, name: str, seconds: float) -> None:
        """Calls a controller for an object once more after so much cluster time."""
        self._again(reconcile, namespace, name, seconds)

    # --- reading --------------------------------------------------------------------------------------------------

    def get(self, resource: ResourceKey, namespace: str, name: str) -> Body | None:
        stored = self.cluster.storage.get(resource, namespace, name)
        return stored.body if stored else None

    def all(self, resource: ResourceKey, namespace: str = "") -> list[Body]:
        return [stored.body for stored in self.cluster.storage.objects(resource, namespace)]

    def owned(self, owner: Body, resource: ResourceKey) -> list[Body]:
        """The objects of a resource whose controller `owner` is, oldest first."""
        uid = owner["metadata"]["uid"]
        found = []
        for kind, key in self._owned.get(uid, ()):
            if kind == resource:
                namespace, _, name = key.partition("/")
                body = self.get(resource, namespace, name)
                if body is not None and (controller := controller_of(body)) and controller["uid"] == uid:
                    found.append(body)
        return found

    def dependents(self, uid: str) -> list[tuple[ResourceKey, Body]]:
        """Everything that names this object among its owners."""
        found = []
        for resource, key in self._owned.get(uid, ()):
            namespace, _, name = key.partition("/")
            if (body := self.get(resource, namespace, name)) is not None:
                found.append((resource, body))
        return found

    def exists(self, uid: str) -> bool:
        return uid in self._places

    def follow(self, event: Event) -> None:
        """Keeps the indices true."""
        if event.previous is not None:
            for reference in event.previous.body["metadata"].get("ownerReferences") or ():
                self._owned.get(reference["uid"], {}).pop((event.resource, event.key), None)
        if event.type == "DELETED":
            uid = event.stored.body["metadata"]["uid"]
            self._places.pop(uid, None)
            self.moments.pop(uid, None)
            self.refusals.pop(uid, None)
            self.failures.pop(uid, None)
            return
        self._index(event.resource, event.stored.body)

    def _index(self, resource: ResourceKey, body: Body) -> None:
        metadata = body["metadata"]
        key = storage_key(metadata.get("namespace", ""), metadata["name"])
        self._places[metadata["uid"]] = (resource, key)
        for reference in metadata.get("ownerReferences") or ():
            self._owned.setdefault(reference["uid"], {})[resource, key] = None

    # --- writing --------------------------------------------------------------------------------------------------

    def _write(self, resource: ResourceKey, namespace: str, name: str, subresource: str = "") -> Write:
        served = self.cluster.registry.get(*resource)
        return Write(served, namespace, name, subresource, manager=MANAGER)

    def create(self, resource: ResourceKey, namespace: str, body: Body) -> Body | None:
        """Creates an object; None where the API refuses it (a quota, a namespace that is going)."""
        try:
            return self.try_to_create(resource, namespace, body)
        except ApiFailure:
            return None

    def try_to_create(self, resource: ResourceKey, namespace: str, body: Body) -> Body:
        """Creates an object; raises the ApiFailure where the API refuses it."""
        served = self.cluster.registry.get(*resource)
        full = {"kind": served.kind, "apiVersion": served.api_version, **body}
        return writes.create(self.cluster, self._write(resource, namespace, ""), full)

    def update(self, resource: ResourceKey, body: Body, change: Callable[[Body], Body], subresource: str = "") -> Body:
        """Changes an object that is known to be there; through its status no new generation comes of it."""
        metadata = body["metadata"]
        write = self._write(resource, metadata.get("namespace", ""), metadata["name"], subresource)
        try:
            return writes.modify(self.cluster, write, change)
        except ApiFailure:
            return body

    def adopt(self, resource: ResourceKey, body: Body, owner: Body) -> None:
        """Makes `owner` the controller of an object that has none."""
        references = [*(body["metadata"].get("ownerReferences") or ()), owner_reference(owner)]

        def change(live: Body) -> Body:
            return {**live, "metadata": {**live["metadata"], "ownerReferences": references}}

        self.update(resource, body, change)

    def set_status(self, resource: ResourceKey, body: Body, status: Body, manager: str = MANAGER) -> Body:
        """Stores a status; nothing happens when it is what is there already."""
        if body.get("status") == status:
            return body
        metadata = body["metadata"]
        write = self._write(resource, metadata.get("namespace", ""), metadata["name"], "status")
        write.manager = manager
        try:
            return writes.modify(self.cluster, write, lambda live: {**live, "status": status})
        except ApiFailure:
            return body

    def delete(self, resource: ResourceKey, body: Body, **options: Any) -> None:
        metadata = body["metadata"]
        try:
            write = self._write(resource, metadata.get("namespace", ""), metadata["name"])
            deletion.delete(self.cluster, write, options)
        except ApiFailure:
            return

    def event(self, about: Body, reason: str, message: str, component: str, kind: str = "Normal") -> None:
        """Records an Event about an object; the same one again only counts up."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace", "") or "default"
        text = f"{metadata['uid']} {reason} {message} {component}".encode()
        name = f"{metadata['name']}.{hashlib.sha256(text).hexdigest()[:16]}"
        now = self.clock.stamp()
        current = self.get(("", "events"), namespace, name)
        if current is not None:
            again = {**current, "lastTimestamp": now, "count": current["count"] + 1}
            self.cluster.storage.put(("", "events"), again)
            return
        involved = {
            "kind": about["kind"],
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": metadata["resourceVersion"],
        }
        body: Body = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": _uid_from(text), "creationTimestamp": now},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "source": {"component": component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": "",
        }
        if self.cluster.namespace(namespace) is not None:
            self.cluster.storage.put(("", "events"), body)


def _uid_from(text: bytes) -> str:
    digest = hashlib.sha256(text).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def controller_of(body: Body) -> Body | None:
    """The owner reference of an object's controller."""
    for reference in body["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: Body = reference
            return found
    return None


def owner_reference(owner: Body) -> Body:
    """The reference by which a controller owns what it makes."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_going(body: Body) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))


def is_ended(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def active(pods: Iterable[Body]) -> list[Body]:
    """The Pods that count as replicas."""
    return [pod for pod in pods if not is_going(pod) and not is_ended(pod)]


def condition(body: Body, kind: str) -> Body | None:
    """The condition of this type in an object's status."""
    for entry in (body.get("status") or {}).get("conditions") or ():
        if entry["type"] == kind:
            found: Body = entry
            return found
    return None


def is_ready(pod: Body) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


# The letters a hash is written in, chosen so that no word comes out.
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Body) -> str:
    """A short name for a Pod template, the same for the same template."""
    text = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    number = int.from_bytes(hashlib.sha256(text).digest()[:4], "big") | 0x8000_0000
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(number))


def without_zeroes(status: Body, *kept: str) -> Body:
    """A status as it is written: empty values left out but for those named."""
    return {name: value for name, value in status.items() if value or name in kept}


def from_percent(value: Any, total: int, *, up: bool) -> int:
    """A count given as a number or a share of `total`, rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total
        return -(-share // 100) if up else share // 100
    return int(value)


def pod_from_template(owner: Body, template: Body, namespace: str, labels: Body | None = None) -> Body:
    """A Pod as a controller creates it from its template; the name is still missing."""
    metadata = template.get("metadata") or {}
    pod_metadata: Body = {
        "namespace": namespace,
        "labels": {**(metadata.get("labels") or {}), **(labels or {})},
        "ownerReferences": [owner_reference(owner)],
    }
    for name in ("annotations", "finalizers"):
        if metadata.get(name):
            pod_metadata[name] = metadata[name]
    return {"metadata": pod_metadata, "spec": template["spec"]}
