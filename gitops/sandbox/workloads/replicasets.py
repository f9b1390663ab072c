"""ReplicaSets: as many Pods as asked for, and a status that counts them."""

from gitops.manifests.key import Body
from gitops.sandbox.selectors import selects
from gitops.sandbox.workloads.making import create_pod
from gitops.sandbox.workloads.world import (
    PODS,
    REPLICA_SETS,
    World,
    active,
    condition,
    controller_of,
    is_going,
    is_ready,
    pod_from_template,
    without_zeroes,
)

_COMPONENT = "replicaset-controller"


def reconcile_replica_set(world: World, namespace: str, name: str) -> None:
    """Creates or deletes Pods until there are as many as the ReplicaSet wants."""
    replica_set = world.get(REPLICA_SETS, namespace, name)
    if replica_set is None:
        return
    if not is_going(replica_set):
        _adopt(world, replica_set)
        _scale(world, replica_set)
    _report(world, namespace, name)


def _adopt(world: World, replica_set: Body) -> None:
    """Takes Pods that match and have no controller."""
    selector, namespace = replica_set["spec"]["selector"], replica_set["metadata"]["namespace"]
    for pod in world.all(PODS, namespace):
        if controller_of(pod) is None and not is_going(pod) and selects(selector, pod["metadata"].get("labels") or {}):
            world.adopt(PODS, pod, replica_set)


def _scale(world: World, replica_set: Body) -> None:
    world.failures.pop(replica_set["metadata"]["uid"], None)
    pods = active(world.owned(replica_set, PODS))
    wanted, namespace = replica_set["spec"].get("replicas", 1), replica_set["metadata"]["namespace"]
    template = replica_set["spec"]["template"]
    for _ in range(wanted - len(pods)):
        body = pod_from_template(replica_set, template, namespace)
        body["metadata"]["generateName"] = replica_set["metadata"]["name"] + "-"
        if not create_pod(world, reconcile_replica_set, replica_set, body, _COMPONENT):
            return
    if len(pods) > wanted:
        for pod in sorted(pods, key=_doomed_first)[: len(pods) - wanted]:
            world.delete(PODS, pod)
            world.event(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", _COMPONENT)


def _doomed_first(pod: Body) -> tuple[bool, bool, str]:
    """Pods that do nothing go first, then the youngest."""
    created = "".join(chr(0x10FFFF - ord(letter)) for letter in pod["metadata"]["creationTimestamp"])
    return (bool(pod["spec"].get("nodeName")), is_ready(pod), created)


def is_available(world: World, pod: Body, minimum: int) -> bool:
    """Whether a Pod has been ready for `minimum` seconds of cluster time."""
    if not is_ready(pod):
        world.moments.pop(pod["metadata"]["uid"] + " ready", None)
        return False
    since = world.moments.setdefault(pod["metadata"]["uid"] + " ready", world.clock.time())
    return world.clock.time() - since >= minimum


def _report(world: World, namespace: str, name: str) -> None:
    replica_set = world.get(REPLICA_SETS, namespace, name)
    if replica_set is None:
        return
    owned = world.owned(replica_set, PODS)
    pods = active(owned)
    minimum = replica_set["spec"].get("minReadySeconds", 0)
    labels = (replica_set["spec"]["template"]["metadata"].get("labels") or {}).items()
    available = [pod for pod in pods if is_available(world, pod, minimum)]
    ready = [pod for pod in pods if is_ready(pod)]
    if len(available) < len(ready):
        world.again(reconcile_replica_set, namespace, name, float(minimum))
    status = {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(labels <= (pod["metadata"].get("labels") or {}).items() for pod in pods),
        "readyReplicas": len(ready),
        "availableReplicas": len(available),
        "terminatingReplicas": sum(is_going(pod) for pod in owned),
        "observedGeneration": replica_set["metadata"].get("generation", 1),
        "conditions": _conditions(world, replica_set),
    }
    world.set_status(REPLICA_SETS, replica_set, without_zeroes(status, "replicas", "terminatingReplicas"))


FAILURE = "ReplicaFailure"


def _conditions(world: World, replica_set: Body) -> list[Body]:
    """The condition of a ReplicaSet whose Pods the API refuses; it keeps the words it began with."""
    conditions = (replica_set.get("status") or {}).get("conditions") or []
    others = [entry for entry in conditions if entry["type"] != FAILURE]
    message = world.failures.get(replica_set["metadata"]["uid"])
    if message is None:
        return others
    present = condition(replica_set, FAILURE)
    fresh = {
        "type": FAILURE,
        "status": "True",
        "lastTransitionTime": world.clock.stamp(),
        "reason": "FailedCreate",
        "message": message,
    }
    return [*others, present or fresh]
