"""Deleting: preconditions, propagation, grace, finalizers.

What is held by a finalizer or a grace period is only marked; `finish_if_released` removes it when the last goes.
"""

from gitops.manifests.key import Body
from gitops.sandbox import admission
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import failure, invalid, invalid_object, not_supported, success
from gitops.sandbox.storage import Stored

_POLICIES = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}

# Resources whose deletion answers the object and not only a Status.
_ANSWER_OBJECT = frozenset(
    {
        "pods",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "persistentvolumes",
        "persistentvolumeclaims",
        "services",
    }
)


def delete(cluster: Cluster, write: Write, options: Body) -> Body:
    """Deletes one object, or marks it; gives the body to answer. Raises ApiFailure."""
    _check_options(options)
    admission.admit_delete(write)
    stored = cluster.get(write.resource, write.namespace, write.name)
    _check_preconditions(write.resource, stored.body, options.get("preconditions") or {})
    admission.validate_delete(cluster, write, stored.body)
    match (write.resource.group, write.resource.plural):
        case ("", "namespaces"):
            return _mark_namespace(cluster, write, stored)
        case ("apiextensions.k8s.io", "customresourcedefinitions"):
            return _mark_definition(cluster, write, stored)
    return _delete_object(cluster, write, stored, options)


def _check_options(options: Body) -> None:
    policy = options.get("propagationPolicy")
    if policy is not None and policy not in ("Orphan", "Background", "Foreground"):
        error = not_supported("propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil"))
        raise invalid_object("meta.k8s.io", "DeleteOptions", "", [error])
    if policy is not None and options.get("orphanDependents") is not None:
        error = invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")
        raise invalid_object("meta.k8s.io", "DeleteOptions", "", [error])


def _check_preconditions(resource: Resource, body: Body, preconditions: Body) -> None:
    metadata, kind, name = body["metadata"], resource.kind, body["metadata"]["name"]
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    details: Body = {"name": name, "kind": kind}
    if resource.group:
        details = {"name": name, "group": resource.group, "kind": kind}
    shown = f"{kind}.{resource.group}" if resource.group else kind
    if uid and uid != metadata["uid"]:
        why = f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']})"
    elif version and version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({metadata['resourceVersion']})"
        )
    else:
        return
    tail = "The object might have been deleted and then recreated" if uid else "The object might have been modified"
    raise failure(409, f'Operation cannot be fulfilled on {shown} "{name}": {why}. {tail}', "Conflict", details)


def _delete_object(cluster: Cluster, write: Write, stored: Stored, options: Body) -> Body:
    resource, old = write.resource, stored.body
    metadata = old["metadata"]
    finalizers = _finalizers(metadata.get("finalizers") or [], options)
    grace = _grace(resource, old, options)
    if not finalizers and not grace:
        if not write.dry_run:
            cluster.storage.delete(resource.key, metadata.get("namespace", ""), metadata["name"])
        if resource.plural in _ANSWER_OBJECT and not resource.group:
            return old
        return success(metadata["name"], resource.group, resource.plural, metadata["uid"])
    marked = dict(metadata)
    if finalizers:
        marked["finalizers"] = finalizers
    if not metadata.get("deletionTimestamp"):
        marked["deletionTimestamp"] = cluster.clock.stamp_after(grace)
        marked["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            marked["generation"] = metadata["generation"] + 1
    elif grace < metadata.get("deletionGracePeriodSeconds", 0):
        marked["deletionTimestamp"] = cluster.clock.stamp_after(grace)
        marked["deletionGracePeriodSeconds"] = grace
    if marked == metadata:
        return old
    body = {**old, "metadata": marked}
    return body if write.dry_run else cluster.put(resource, body)


def _finalizers(present: list[str], options: Body) -> list[str]:
    policy = options.get("propagationPolicy")
    if policy is None and options.get("orphanDependents"):
        policy = "Orphan"
    if policy is None:
        return present
    wanted = _POLICIES.get(policy)
    kept = [name for name in present if name not in _POLICIES.values()]
    return [*kept, wanted] if wanted else kept


def _grace(resource: Resource, body: Body, options: Body) -> int:
    """The grace period of a running Pod; anything else goes at once."""
    if (resource.group, resource.plural) != ("", "pods"):
        return 0
    spec, status = body["spec"], body.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    period = options.get("gracePeriodSeconds")
    if period is None:
        period = spec.get("terminationGracePeriodSeconds", 30)
    return int(period)


def _mark_namespace(cluster: Cluster, write: Write, stored: Stored) -> Body:
    old = stored.body
    if old["metadata"].get("deletionTimestamp"):
        return old
    metadata = {**old["metadata"], "deletionTimestamp": cluster.clock.stamp()}
    body = {**old, "metadata": metadata, "status": {**old["status"], "phase": "Terminating"}}
    return body if write.dry_run else cluster.put(write.resource, body)


CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def _mark_definition(cluster: Cluster, write: Write, stored: Stored) -> Body:
    old = stored.body
    if old["metadata"].get("deletionTimestamp"):
        return old
    finalizers = old["metadata"].get("finalizers") or []
    if CRD_FINALIZER not in finalizers:
        finalizers = [*finalizers, CRD_FINALIZER]
    metadata = {**old["metadata"], "deletionTimestamp": cluster.clock.stamp(), "finalizers": finalizers}
    condition = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": cluster.clock.stamp(),
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }
    conditions = [entry for entry in old["status"].get("conditions") or [] if entry["type"] != "Terminating"]
    body = {**old, "metadata": metadata, "status": {**old["status"], "conditions": [*conditions, condition]}}
    return body if write.dry_run else cluster.put(write.resource, body)


def finish_if_released(cluster: Cluster, resource: Resource, body: Body) -> Body:
    """An object marked for deletion whose last finalizer an update removes: gone, unless its grace still runs."""
    metadata = body["metadata"]
    namespace_holds = (resource.group, resource.plural) == ("", "namespaces") and body["spec"].get("finalizers")
    if namespace_holds or metadata.get("deletionGracePeriodSeconds"):
        return cluster.put(resource, body)
    stored = cluster.storage.delete(resource.key, metadata.get("namespace", ""), metadata["name"])
    return {**body, "metadata": {**metadata, "resourceVersion": stored.body["metadata"]["resourceVersion"]}}
