"""The life of CustomResourceDefinitions, which the API server itself looks after: accepted, served, cleaned up."""

import asyncio

from gitops.manifests.key import Body
from gitops.sandbox import custom, deletion, writes
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.storage import Event

_KEY = ("apiextensions.k8s.io", "customresourcedefinitions")
_MANAGER = "kube-apiserver"


class Definitions:
    """Follows every CRD of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        cluster.storage.listen(_KEY, self._changed)

    def serve_stored(self) -> None:
        """Serves what the CRDs in storage declare: after a restart."""
        for stored in self._cluster.storage.objects(_KEY):
            self._serve(stored.body)

    def _changed(self, event: Event) -> None:
        name = event.stored.body["metadata"]["name"]
        if event.type == "DELETED":
            self._cluster.registry.replace_custom(name, [])
            return
        asyncio.get_running_loop().call_soon(self._look_after, name)

    def _look_after(self, name: str) -> None:
        stored = self._cluster.storage.get(_KEY, "", name)
        if stored is None:
            return
        if stored.body["metadata"].get("deletionTimestamp"):
            self._clean_up(stored.body)
            return
        if not _is_established(stored.body):
            self._accept(name)
            stored = self._cluster.storage.get(_KEY, "", name)
            assert stored is not None
        self._serve(stored.body)

    def _serve(self, definition: Body) -> None:
        if _is_established(definition):
            spec = definition["spec"]
            declared = [f"{spec['group']}/{version['name']}" for version in spec.get("versions") or ()]
            self._cluster.registry.replace_custom(
                definition["metadata"]["name"], custom.resources_of(definition), declared
            )

    def _accept(self, name: str) -> None:
        now = self._cluster.clock.stamp()

        def accepted(body: Body) -> Body:
            conditions = [
                _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
                _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
            ]
            status = {**body["status"], "acceptedNames": body["spec"]["names"], "conditions": conditions}
            return {**body, "status": status}

        writes.modify(self._cluster, self._write(name, "status"), accepted)

    def _write(self, name: str, subresource: str = "") -> Write:
        resource = self._cluster.registry.get(*_KEY)
        return Write(resource, "", name, subresource, manager=_MANAGER)

    def _clean_up(self, definition: Body) -> None:
        """Deletes every object of a kind whose CRD is going, then lets the CRD go."""
        name = definition["metadata"]["name"]
        served = custom.resources_of(definition)
        left = False
        if served:
            resource = served[0]
            for stored in self._cluster.storage.objects(resource.key):
                metadata = stored.body["metadata"]
                write = Write(resource, metadata.get("namespace", ""), metadata["name"], manager=_MANAGER)
                deletion.delete(self._cluster, write, {})
                left = left or self._cluster.find(resource, write.namespace, write.name) is not None
        if left:
            self._cluster.clock.call_after(0.5, lambda: self._look_after(name))
            return
        stored_now = self._cluster.storage.get(_KEY, "", name)
        if stored_now is None:
            return
        finalizers = [
            entry for entry in stored_now.body["metadata"].get("finalizers") or [] if entry != deletion.CRD_FINALIZER
        ]
        if finalizers != stored_now.body["metadata"].get("finalizers"):
            writes.modify(
                self._cluster,
                self._write(name),
                lambda body: {**body, "metadata": {**body["metadata"], "finalizers": finalizers}},
            )


def _is_established(definition: Body) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


def _condition(kind: str, reason: str, message: str, now: str) -> Body:
    return {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}
