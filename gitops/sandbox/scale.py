"""The scale subresource: replicas of whatever has them, in one form."""

from typing import Any

from gitops.manifests import structured_merge
from gitops.manifests.key import Body
from gitops.sandbox import jsonpath, patches, writes
from gitops.sandbox.cells import selector_text
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import bad_request, conflict, invalid, invalid_object
from gitops.sandbox.storage import Stored

# The Scale's own manager is told apart from the object's by the subresource in its managedFields entry.
SUBRESOURCE = "scale"


def scale_of(resource: Resource, body: Body) -> Body:
    """The Scale of an object."""
    metadata = body["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    head = {"kind": "Scale", "apiVersion": "autoscaling/v1"}
    spec_path, status_path = ".spec.replicas", ".status.replicas"
    selector = _selector(resource, body)
    if resource.custom is not None and resource.custom.scale is not None:
        spec_path = resource.custom.scale["specReplicasPath"]
        status_path = resource.custom.scale["statusReplicasPath"]
    spec: Body = {}
    if replicas := _number(body, spec_path):
        spec["replicas"] = replicas
    status: Body = {"replicas": _number(body, status_path)}
    if selector:
        status["selector"] = selector
    return {
        **head,
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": spec,
        "status": status,
    }


def _number(body: Body, path: str) -> int:
    found = jsonpath.find(body, path)
    return int(found[0]) if found else 0


def _selector(resource: Resource, body: Body) -> str:
    if resource.custom is not None:
        path = (resource.custom.scale or {}).get("labelSelectorPath")
        found = jsonpath.find(body, path) if path else []
        return str(found[0]) if found else ""
    selector = body["spec"].get("selector") or {}
    if resource.plural == "replicationcontrollers":
        selector = {"matchLabels": selector}
    text = selector_text(selector)
    return "" if text == "<none>" else text


def change(cluster: Cluster, write: Write, stored: Stored, sent: Any) -> Body:
    """Stores the replicas of a sent Scale in its object; gives the new Scale."""
    if not isinstance(sent, dict) or sent.get("kind") != "Scale":
        raise bad_request("the object provided is not a Scale")
    if not all(isinstance(sent.get(part) or {}, dict) for part in ("spec", "metadata")):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec and metadata must be objects')
    replicas = (sent.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas must be an integer')
    if replicas < 0:
        error = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid_object("autoscaling", "Scale", write.name, [error])
    uid, own = (sent.get("metadata") or {}).get("uid"), stored.body["metadata"]["uid"]
    if uid and uid != own:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"
        raise conflict(write.resource.group, f"{write.resource.plural}/scale", write.name, why)
    body = _with(stored.body, _replicas_path(write.resource), replicas)
    version = (sent.get("metadata") or {}).get("resourceVersion")
    if version:
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
    owned = structured_merge.update(
        stored.body,
        body,
        manager=write.manager,
        now=cluster.clock.stamp(),
        at=structured_merge.Endpoint(write.resource.type, SUBRESOURCE),
    )
    return scale_of(write.resource, writes.store_scale(cluster, write, stored, owned))


def apply(cluster: Cluster, write: Write, stored: Stored, raw: bytes) -> Body:
    """Server-side apply of a Scale: the replicas it names become the applier's in the object itself."""
    sent = patches.yaml_document(raw)
    replicas = (sent.get("spec") or {}).get("replicas")
    head = {"apiVersion": write.resource.api_version, "kind": write.resource.kind, "metadata": {"name": write.name}}
    desired = head if replicas is None else _with(head, _replicas_path(write.resource), replicas)
    outcome = structured_merge.apply(
        stored.body,
        desired,
        manager=write.manager,
        now=cluster.clock.stamp(),
        force=write.force,
        at=structured_merge.Endpoint(write.resource.type, SUBRESOURCE),
    )
    if outcome.conflicts:
        raise patches.conflicts(outcome.conflicts)
    if outcome.body is stored.body:
        return scale_of(write.resource, stored.body)
    return scale_of(write.resource, writes.store_scale(cluster, write, stored, outcome.body))


def _replicas_path(resource: Resource) -> list[str]:
    path = ".spec.replicas"
    if resource.custom is not None and resource.custom.scale is not None:
        path = resource.custom.scale["specReplicasPath"]
    return path.strip(".").split(".")


def _with(body: Body, path: list[str], value: Any) -> Body:
    if len(path) == 1:
        return {**body, path[0]: value}
    return {**body, path[0]: _with(body.get(path[0]) or {}, path[1:], value)}
