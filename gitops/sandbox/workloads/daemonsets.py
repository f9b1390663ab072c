"""DaemonSets: a Pod on every node that the template may run on, replaced a few at a time."""

from gitops.manifests.key import Body
from gitops.sandbox.workloads.making import create_pod
from gitops.sandbox.workloads.replicasets import is_available
from gitops.sandbox.workloads.revisions import ensure_revision, forget_old
from gitops.sandbox.workloads.world import (
    DAEMON_SETS,
    NODES,
    PODS,
    World,
    from_percent,
    is_ended,
    is_going,
    is_ready,
    pod_from_template,
    without_zeroes,
)

_HASH = "controller-revision-hash"
_GENERATION = "pod-template-generation"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_COMPONENT = "daemonset-controller"


def reconcile_daemon_set(world: World, namespace: str, name: str) -> None:
    """Creates Pods where they are missing, removes them where they are not wanted, replaces old ones."""
    owner = world.get(DAEMON_SETS, namespace, name)
    if owner is None or is_going(owner):
        return
    revision = ensure_revision(world, owner, _HASH)
    if revision is None:
        return
    hashed = revision["metadata"]["labels"][_HASH]
    nodes = _nodes(world, owner)
    pods = world.owned(owner, PODS)
    by_node: dict[str, list[Body]] = {}
    for pod in pods:
        by_node.setdefault(pod["spec"].get("nodeName", ""), []).append(pod)
    for node, found in by_node.items():
        for pod in found if node not in nodes else [entry for entry in found if is_ended(entry)]:
            if not is_going(pod):
                world.delete(PODS, pod)
    empty = [node for node in nodes if not [pod for pod in by_node.get(node, ()) if not is_ended(pod)]]
    all(_create(world, owner, node, hashed) for node in empty)  # not the others once one is refused
    _replace(world, owner, hashed, len(nodes))
    _report(world, namespace, name, nodes, hashed)
    forget_old(world, owner, {revision["metadata"]["name"]})


def _nodes(world: World, owner: Body) -> list[str]:
    wanted = owner["spec"]["template"]["spec"].get("nodeSelector") or {}
    return [
        node["metadata"]["name"]
        for node in world.all(NODES)
        if all((node["metadata"].get("labels") or {}).get(key) == value for key, value in wanted.items())
    ]


def _template_generation(owner: Body) -> str:
    return str((owner["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION, "1"))


def _create(world: World, owner: Body, node: str, hashed: str) -> bool:
    labels = {_HASH: hashed, _GENERATION: _template_generation(owner)}
    namespace = owner["metadata"]["namespace"]
    body = pod_from_template(owner, owner["spec"]["template"], namespace, labels)
    body["metadata"]["generateName"] = owner["metadata"]["name"] + "-"
    body["spec"] = {**body["spec"], "nodeName": node}
    return create_pod(world, reconcile_daemon_set, owner, body, _COMPONENT)


def _replace(world: World, owner: Body, hashed: str, wanted: int) -> None:
    strategy = owner["spec"]["updateStrategy"]
    if strategy["type"] != "RollingUpdate":
        return
    pods = [pod for pod in world.owned(owner, PODS) if not is_ended(pod)]
    limit = max(from_percent((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), wanted, up=True), 1)
    missing = wanted - sum(is_ready(pod) and not is_going(pod) for pod in pods)
    for pod in pods:
        if is_going(pod) or (pod["metadata"].get("labels") or {}).get(_HASH) == hashed:
            continue
        if is_ready(pod):
            if missing >= limit:
                continue
            missing += 1
        world.delete(PODS, pod)


def _report(world: World, namespace: str, name: str, nodes: list[str], hashed: str) -> None:
    owner = world.get(DAEMON_SETS, namespace, name)
    if owner is None:
        return
    minimum = owner["spec"].get("minReadySeconds", 0)
    pods = [pod for pod in world.owned(owner, PODS) if not is_going(pod) and not is_ended(pod)]
    placed = [pod for pod in pods if pod["spec"].get("nodeName") in nodes]
    ready = [pod for pod in placed if is_ready(pod)]
    available = [pod for pod in ready if is_available(world, pod, minimum)]
    if len(available) < len(ready):
        world.again(reconcile_daemon_set, namespace, name, float(minimum))
    status: Body = {
        "currentNumberScheduled": len(placed),
        "numberMisscheduled": len(pods) - len(placed),
        "desiredNumberScheduled": len(nodes),
        "numberReady": len(ready),
        "observedGeneration": owner["metadata"].get("generation", 1),
        "updatedNumberScheduled": sum((pod["metadata"].get("labels") or {}).get(_HASH) == hashed for pod in placed),
        "numberAvailable": len(available),
        "numberUnavailable": len(nodes) - len(available),
    }
    kept = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    world.set_status(DAEMON_SETS, owner, without_zeroes(status, *kept))
