"""What goes along when an object is deleted: other objects, or data; and what can stay for one made in its place."""

from typing import Any

from gitops.manifests.key import Body, ResourceKey

# Deleting one of these deletes what is inside it, or data.
_PRECIOUS = {
    ("", "Namespace"),
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
}
# The garbage collector's word on an object that is deleted without its dependents.
_ORPHAN = "orphan"


def holds_data(key: ResourceKey, *bodies: Body) -> bool:
    """True where a deletion takes data or other objects along: by the kind, or by what one of `bodies` says.

    A StatefulSet may say that its claims go with it, OpenKruise's as Kubernetes' own.
    """
    return (key.group, key.kind) in _PRECIOUS or (key.kind == "StatefulSet" and any(map(_takes_claims, bodies)))


def _takes_claims(body: Body) -> bool:
    retention = _map(_map(body.get("spec")).get("persistentVolumeClaimRetentionPolicy"))
    return retention.get("whenDeleted") == "Delete"


def leaves_pods(key: ResourceKey, live: Body, desired: Body) -> bool:
    """True for a StatefulSet of which `desired`, made in its place, takes over the Pods, and so their claims.

    Not where it would never adopt them (another selector), could not give them what they need (one more claim: a Pod's
    volumes cannot be changed), or would leave them what they are (another service: its name is in no revision).
    """
    if (key.group, key.kind) != ("apps", "StatefulSet"):
        return False
    before, after = _map(live.get("spec")), _map(desired.get("spec"))
    same_pods = all((before.get(field) or "") == (after.get(field) or "") for field in ("selector", "serviceName"))
    return same_pods and _claim_names(after) <= _claim_names(before)


def is_orphaning(live: Body) -> bool:
    """True for an object that somebody is deleting without its dependents (`kubectl delete --cascade=orphan`)."""
    return _ORPHAN in (live["metadata"].get("finalizers") or [])


def _claim_names(spec: Body) -> set[Any]:
    return {_map(_map(template).get("metadata")).get("name") for template in spec.get("volumeClaimTemplates") or ()}


def _map(value: Any) -> Body:
    return value if isinstance(value, dict) else {}


def reason_to_stay(live: Body) -> str:
    """What holds an object that was deleted: its finalizers, and of a namespace what is left inside."""
    metadata, spec = live["metadata"], _map(live.get("spec"))
    finalizers = [*(metadata.get("finalizers") or []), *(spec.get("finalizers") or [])]
    said = [
        str(condition.get("message") or condition.get("type"))
        for condition in _map(live.get("status")).get("conditions") or []
        if live.get("kind") == "Namespace" and _map(condition).get("status") == "True"
    ]
    if said:
        return f"it says: {'; '.join(said)}"
    return f"held by {', '.join(finalizers) or 'nothing that it says'}"


def is_going(live: Body) -> bool:
    return bool(live["metadata"].get("deletionTimestamp"))
