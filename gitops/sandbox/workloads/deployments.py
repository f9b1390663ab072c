"""Deployments: a ReplicaSet per template, rolled from the old to the new within surge and unavailability.

The steps, names, annotations and conditions are those of the real deployment controller.
"""

from gitops.manifests.key import Body
from gitops.sandbox.selectors import selects
from gitops.sandbox.workloads import progress
from gitops.sandbox.workloads.world import (
    DEPLOYMENTS,
    REPLICA_SETS,
    World,
    controller_of,
    is_going,
    owner_reference,
    template_hash,
)

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_HISTORY = "deployment.kubernetes.io/revision-history"
_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MAXIMUM = "deployment.kubernetes.io/max-replicas"
_OWN_ANNOTATIONS = (REVISION, _HISTORY, _DESIRED, _MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration")
_COMPONENT = "deployment-controller"


def reconcile_deployment(world: World, namespace: str, name: str) -> None:
    """Takes the next step of a rollout and reports."""
    deployment = world.get(DEPLOYMENTS, namespace, name)
    if deployment is None or is_going(deployment):
        return
    _adopt(world, deployment)
    sets = world.owned(deployment, REPLICA_SETS)
    new = find_new(deployment, sets)
    spec = deployment["spec"]
    if spec.get("paused"):
        _follow_scale(world, deployment, sets, new)
        _report(world, deployment, new)
        return
    if _is_scaling(deployment, sets):
        _follow_scale(world, deployment, sets, new)
        _report(world, deployment, new)
        return
    if spec["strategy"]["type"] == "Recreate":
        new = _recreate(world, deployment, sets, new)
    else:
        new = _roll(world, deployment, sets, new)
    _report(world, deployment, new)
    _forget_old(world, namespace, name)


def _report(world: World, deployment: Body, new: Body | None) -> None:
    left = progress.report(world, deployment, new)
    if left is not None:
        metadata = deployment["metadata"]
        world.again(reconcile_deployment, metadata["namespace"], metadata["name"], left + 0.01)


def find_new(deployment: Body, sets: list[Body]) -> Body | None:
    """The ReplicaSet whose template is the Deployment's."""
    for replica_set in sorted(sets, key=lambda entry: entry["metadata"]["creationTimestamp"]):
        if _plain(replica_set["spec"]["template"]) == _plain(deployment["spec"]["template"]):
            return replica_set
    return None


def _plain(template: Body) -> Body:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _adopt(world: World, deployment: Body) -> None:
    selector, namespace = deployment["spec"]["selector"], deployment["metadata"]["namespace"]
    for replica_set in world.all(REPLICA_SETS, namespace):
        labels = replica_set["metadata"].get("labels") or {}
        if controller_of(replica_set) is None and not is_going(replica_set) and selects(selector, labels):
            world.adopt(REPLICA_SETS, replica_set, deployment)


# --- counts -------------------------------------------------------------------------------------------------------


def replicas_of(replica_set: Body) -> int:
    return int(replica_set["spec"].get("replicas", 0))


def _available(replica_set: Body) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def _is_scaling(deployment: Body, sets: list[Body]) -> bool:
    wanted = str(deployment["spec"].get("replicas", 1))
    for replica_set in sets:
        desired = (replica_set["metadata"].get("annotations") or {}).get(_DESIRED)
        if replicas_of(replica_set) > 0 and desired is not None and desired != wanted:
            return True
    return False


# --- ReplicaSets --------------------------------------------------------------------------------------------------


def _scale(world: World, deployment: Body, replica_set: Body, count: int) -> Body:
    """Sets the size of a ReplicaSet, and the annotations that say for which size of the Deployment it is."""
    surge, _ = progress.surge_and_unavailable(deployment)
    wanted = deployment["spec"].get("replicas", 1)
    current = replicas_of(replica_set)
    sizes = {_DESIRED: str(wanted), _MAXIMUM: str(wanted + surge)}

    def change(body: Body) -> Body:
        annotations = {**(body["metadata"].get("annotations") or {}), **sizes}
        return {
            **body,
            "metadata": {**body["metadata"], "annotations": annotations},
            "spec": {**body["spec"], "replicas": count},
        }

    updated = world.update(REPLICA_SETS, replica_set, change)
    if current != count:
        direction = "up" if count > current else "down"
        name = replica_set["metadata"]["name"]
        message = f"Scaled {direction} replica set {name} from {current} to {count}"
        world.event(deployment, "ScalingReplicaSet", message, _COMPONENT)
    return updated


def _ensure_new(world: World, deployment: Body, sets: list[Body], new: Body | None) -> Body | None:
    """The new ReplicaSet, made if need be, with the next revision number."""
    old = [entry for entry in sets if new is None or entry["metadata"]["uid"] != new["metadata"]["uid"]]
    revision = 1 + max((_revision(entry) for entry in old), default=0)
    if new is None:
        new = _create(world, deployment, old, revision)
        if new is None:
            return None
    else:
        new = _renumber(world, new, revision)
    shown = (new["metadata"].get("annotations") or {}).get(REVISION, "")
    if (deployment["metadata"].get("annotations") or {}).get(REVISION) != shown:
        world.update(DEPLOYMENTS, deployment, lambda body: _annotated(body, {REVISION: shown}), "status")
    return new


def _annotated(body: Body, more: Body) -> Body:
    annotations = {**(body["metadata"].get("annotations") or {}), **more}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def _revision(replica_set: Body) -> int:
    text = (replica_set["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _create(world: World, deployment: Body, old: list[Body], revision: int) -> Body | None:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    hashed = template_hash(template)
    surge, _ = progress.surge_and_unavailable(deployment)
    wanted = spec.get("replicas", 1)
    labels = {**(template["metadata"].get("labels") or {}), HASH_LABEL: hashed}
    inherited = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _OWN_ANNOTATIONS
    }
    annotations = {**inherited, REVISION: str(revision), _DESIRED: str(wanted), _MAXIMUM: str(wanted + surge)}
    selector = spec["selector"]
    body = {
        "metadata": {
            "name": f"{metadata['name']}-{hashed}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": _new_size(deployment, old, 0),
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: hashed}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
            "minReadySeconds": spec.get("minReadySeconds", 0),
        },
    }
    created = world.create(REPLICA_SETS, metadata["namespace"], body)
    if created is not None and replicas_of(created):
        message = f"Scaled up replica set {created['metadata']['name']} from 0 to {replicas_of(created)}"
        world.event(deployment, "ScalingReplicaSet", message, _COMPONENT)
    return created


def _renumber(world: World, new: Body, revision: int) -> Body:
    """Gives a ReplicaSet that comes into use again the next revision number."""
    annotations = new["metadata"].get("annotations") or {}
    more: Body = {}
    if _revision(new) < revision:
        more[REVISION] = str(revision)
        if before := annotations.get(REVISION):
            history = annotations.get(_HISTORY)
            more[_HISTORY] = f"{history},{before}" if history else before
    if not more:
        return new
    return world.update(REPLICA_SETS, new, lambda body: _annotated(body, more))


def _new_size(deployment: Body, sets: list[Body], current: int) -> int:
    """How large the new ReplicaSet may be now; `sets` are all others."""
    wanted = int(deployment["spec"].get("replicas", 1))
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        return wanted
    surge, _ = progress.surge_and_unavailable(deployment)
    total = sum(replicas_of(entry) for entry in sets) + current
    room = wanted + surge - total
    return current if room <= 0 else min(current + room, wanted)


# --- strategies ---------------------------------------------------------------------------------------------------


def _roll(world: World, deployment: Body, sets: list[Body], new: Body | None) -> Body | None:
    """One step of a rolling update: the new ReplicaSet up as far as it may, else the old ones down."""
    new = _ensure_new(world, deployment, sets, new)
    if new is None:
        return None
    old = [entry for entry in sets if entry["metadata"]["uid"] != new["metadata"]["uid"]]
    wanted = deployment["spec"].get("replicas", 1)
    current = replicas_of(new)
    if current > wanted:
        return _scale(world, deployment, new, wanted)
    grown = _new_size(deployment, old, current)
    if grown != current:
        return _scale(world, deployment, new, grown)
    _shrink(world, deployment, old, new)
    return new


def _shrink(world: World, deployment: Body, old: list[Body], new: Body) -> None:
    """Takes away old Pods: the unhealthy ones first, then as many as availability allows."""
    total_old = sum(replicas_of(entry) for entry in old)
    if not total_old:
        return
    wanted = deployment["spec"].get("replicas", 1)
    _, unavailable = progress.surge_and_unavailable(deployment)
    minimum = wanted - unavailable
    new_unavailable = replicas_of(new) - _available(new)
    room = total_old + replicas_of(new) - minimum - new_unavailable
    if room <= 0:
        return
    by_age = sorted(old, key=lambda entry: entry["metadata"]["creationTimestamp"])
    sizes = {entry["metadata"]["uid"]: replicas_of(entry) for entry in by_age}
    for entry in by_age:
        uid = entry["metadata"]["uid"]
        sick = min(room, sizes[uid] - _available(entry))
        if sick > 0:
            sizes[uid] -= sick
            room -= sick
    available = sum(min(_available(entry), sizes[entry["metadata"]["uid"]]) for entry in by_age) + _available(new)
    spare = available - minimum
    for entry in by_age:
        uid = entry["metadata"]["uid"]
        less = min(max(spare, 0), sizes[uid])
        sizes[uid] -= less
        spare -= less
    for entry in by_age:
        if sizes[entry["metadata"]["uid"]] != replicas_of(entry):
            _scale(world, deployment, entry, sizes[entry["metadata"]["uid"]])


def _recreate(world: World, deployment: Body, sets: list[Body], new: Body | None) -> Body | None:
    """All old Pods away, and only then the new ReplicaSet."""
    old = [entry for entry in sets if new is None or entry["metadata"]["uid"] != new["metadata"]["uid"]]
    running = [entry for entry in old if replicas_of(entry)]
    for entry in running:
        _scale(world, deployment, entry, 0)
    left = any(
        (entry.get("status") or {}).get("replicas") or (entry.get("status") or {}).get("terminatingReplicas")
        for entry in old
    )
    if running or left:
        return new
    new = _ensure_new(world, deployment, sets, new)
    wanted = deployment["spec"].get("replicas", 1)
    if new is not None and replicas_of(new) != wanted:
        new = _scale(world, deployment, new, wanted)
    return new


def _follow_scale(world: World, deployment: Body, sets: list[Body], new: Body | None) -> None:
    """The Deployment's size changed: its running ReplicaSets share the change in proportion."""
    running = [entry for entry in sets if replicas_of(entry)]
    wanted = deployment["spec"].get("replicas", 1)
    if len(running) <= 1:
        only = running[0] if running else new
        if only is not None and (replicas_of(only) != wanted or _is_scaling(deployment, [only])):
            _scale(world, deployment, only, wanted)
        return
    surge, _ = progress.surge_and_unavailable(deployment)
    total = sum(replicas_of(entry) for entry in running)
    missing = (wanted + surge if wanted else 0) - total
    ordered = sorted(running, key=replicas_of, reverse=True)
    shares = {entry["metadata"]["uid"]: replicas_of(entry) for entry in ordered}
    left = missing
    for entry in ordered:
        uid = entry["metadata"]["uid"]
        part = round(missing * replicas_of(entry) / total)
        part = max(min(part, left) if missing > 0 else max(part, left), -shares[uid])
        shares[uid] += part
        left -= part
    largest = ordered[0]["metadata"]["uid"]
    shares[largest] = max(shares[largest] + left, 0)
    for entry in ordered:
        _scale(world, deployment, entry, shares[entry["metadata"]["uid"]])


def _forget_old(world: World, namespace: str, name: str) -> None:
    """Deletes the oldest ReplicaSets beyond the history limit once a rollout is done."""
    deployment = world.get(DEPLOYMENTS, namespace, name)
    if deployment is None or not progress.is_complete(deployment, deployment.get("status") or {}):
        return
    new = find_new(deployment, world.owned(deployment, REPLICA_SETS))
    old = [
        entry
        for entry in world.owned(deployment, REPLICA_SETS)
        if (new is None or entry["metadata"]["uid"] != new["metadata"]["uid"])
        and not replicas_of(entry)
        and not (entry.get("status") or {}).get("replicas")
        and not is_going(entry)
    ]
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    for entry in sorted(old, key=_revision)[: max(len(old) - limit, 0)]:
        world.delete(REPLICA_SETS, entry)
