"""StatefulSets: numbered Pods in order, their claims, and updates from the last Pod to the first."""

from gitops.manifests.key import Body
from gitops.sandbox.selectors import selects
from gitops.sandbox.workloads.making import create_pod
from gitops.sandbox.workloads.replicasets import is_available
from gitops.sandbox.workloads.revisions import ensure_revision, forget_old
from gitops.sandbox.workloads.world import (
    CLAIMS,
    PODS,
    REVISIONS,
    STATEFUL_SETS,
    World,
    controller_of,
    is_ended,
    is_going,
    is_ready,
    owner_reference,
    pod_from_template,
    without_zeroes,
)

_REVISION_LABEL = "controller-revision-hash"
_COMPONENT = "statefulset-controller"


def reconcile_stateful_set(world: World, namespace: str, name: str) -> None:
    """Takes the next step: one Pod created, deleted or replaced at a time, unless Pods are managed in parallel."""
    owner = world.get(STATEFUL_SETS, namespace, name)
    if owner is None or is_going(owner):
        return
    _adopt(world, owner)
    revision = ensure_revision(world, owner, "controller.kubernetes.io/hash")
    if revision is None:
        return
    update_name = revision["metadata"]["name"]
    status = owner.get("status") or {}
    current_name = status.get("currentRevision") or update_name
    pods = {_ordinal(pod): pod for pod in world.owned(owner, PODS)}
    _scale(world, owner, pods, current_name, update_name)
    _report(world, namespace, name, current_name, update_name)


def _adopt(world: World, owner: Body) -> None:
    """Takes what an earlier StatefulSet of this name left behind: Pods and revisions that match and have no owner."""
    selector, namespace = owner["spec"]["selector"], owner["metadata"]["namespace"]
    for resource in (PODS, REVISIONS):
        for body in world.all(resource, namespace):
            is_free = controller_of(body) is None and not is_going(body)
            if is_free and _is_named_after(owner, body) and selects(selector, body["metadata"].get("labels") or {}):
                world.adopt(resource, body, owner)


def _is_named_after(owner: Body, body: Body) -> bool:
    return bool(body["metadata"]["name"].rpartition("-")[0] == owner["metadata"]["name"])


def _ordinal(pod: Body) -> int:
    tail = pod["metadata"]["name"].rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1


def _scale(world: World, owner: Body, pods: dict[int, Body], current_name: str, update_name: str) -> None:
    spec = owner["spec"]
    first = (spec.get("ordinals") or {}).get("start", 0)
    wanted = range(first, first + spec.get("replicas", 1))
    parallel = spec.get("podManagementPolicy") == "Parallel"
    for ordinal in wanted:
        pod = pods.get(ordinal)
        if pod is not None and is_ended(pod) and not is_going(pod):
            world.delete(PODS, pod)
            return
        if pod is not None:
            for template in spec.get("volumeClaimTemplates") or ():
                _claim(world, owner, template, pod["metadata"]["name"])
        else:
            revision = update_name if ordinal >= _partition(spec, first) else current_name
            if not _create(world, owner, ordinal, revision):
                return
        if not parallel and (pod is None or is_going(pod) or not _settled(world, owner, pod)):
            return
    surplus = sorted((ordinal for ordinal in pods if ordinal not in wanted), reverse=True)
    for ordinal in surplus:
        if not is_going(pods[ordinal]):
            world.delete(PODS, pods[ordinal])
            message = (
                f"delete Pod {pods[ordinal]['metadata']['name']} in StatefulSet {owner['metadata']['name']} successful"
            )
            world.event(owner, "SuccessfulDelete", message, _COMPONENT)
        if not parallel:
            return
    _update(world, owner, pods, wanted, update_name)


def _settled(world: World, owner: Body, pod: Body) -> bool:
    """Whether a Pod is good enough to go on to the next; one on its way out of a bad template does not hold it."""
    return is_available(world, pod, owner["spec"].get("minReadySeconds", 0))


def _partition(spec: Body, first: int) -> int:
    rolling = spec["updateStrategy"].get("rollingUpdate") or {}
    return max(int(rolling.get("partition", 0)), first)


def _update(world: World, owner: Body, pods: dict[int, Body], wanted: range, update_name: str) -> None:
    """Deletes the highest Pod of an old revision, so that it is made again from the new template."""
    if owner["spec"]["updateStrategy"]["type"] != "RollingUpdate":
        return
    for ordinal in reversed(wanted):
        if ordinal < _partition(owner["spec"], wanted.start):
            return
        pod = pods.get(ordinal)
        if pod is None or is_going(pod):
            return
        if (pod["metadata"].get("labels") or {}).get(_REVISION_LABEL) != update_name:
            world.delete(PODS, pod)
            return
        if not is_ready(pod):
            return


def _create(world: World, owner: Body, ordinal: int, revision_name: str) -> bool:
    metadata, spec = owner["metadata"], owner["spec"]
    name, namespace = f"{metadata['name']}-{ordinal}", metadata["namespace"]
    template = spec["template"]
    revision = world.get(REVISIONS, namespace, revision_name)
    if revision is not None:
        template = {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}
    labels = {
        "apps.kubernetes.io/pod-index": str(ordinal),
        _REVISION_LABEL: revision_name,
        "statefulset.kubernetes.io/pod-name": name,
    }
    body = pod_from_template(owner, template, namespace, labels)
    body["metadata"]["name"] = name
    claims = [_claim(world, owner, claim, name) for claim in spec.get("volumeClaimTemplates") or ()]
    volumes = [entry for entry in body["spec"].get("volumes") or () if entry["name"] not in dict(claims)]
    volumes = [*({"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims), *volumes]
    body["spec"] = {**body["spec"], "hostname": name, "volumes": volumes}
    if spec.get("serviceName"):
        body["spec"]["subdomain"] = spec["serviceName"]
    act = f"create Pod {name} in StatefulSet {metadata['name']}"
    words = (f"{act} successful", f"{act} failed error: {{}}")
    return create_pod(world, reconcile_stateful_set, owner, body, _COMPONENT, words)


def _claim(world: World, owner: Body, template: Body, pod_name: str) -> tuple[str, str]:
    """A Pod's claim, made if need be: the StatefulSet's own where it says that claims go with it, else nobody's."""
    volume = template["metadata"]["name"]
    name, namespace = f"{volume}-{pod_name}", owner["metadata"]["namespace"]
    retention = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    references = [owner_reference(owner)] if retention.get("whenDeleted") == "Delete" else []
    present = world.get(CLAIMS, namespace, name)
    if present is None:
        selected = owner["spec"]["selector"].get("matchLabels") or {}
        labels = {**(template["metadata"].get("labels") or {}), **selected}
        metadata: Body = {"name": name, "namespace": namespace, "labels": labels}
        world.create(CLAIMS, namespace, {"metadata": _owned_by(metadata, references), "spec": template["spec"]})
    elif (present["metadata"].get("ownerReferences") or []) != references and not is_going(present):
        world.update(CLAIMS, present, lambda live: {**live, "metadata": _owned_by(live["metadata"], references)})
    return volume, name


def _owned_by(metadata: Body, references: list[Body]) -> Body:
    rest = {field: value for field, value in metadata.items() if field != "ownerReferences"}
    return {**rest, "ownerReferences": references} if references else rest


def _report(world: World, namespace: str, name: str, current_name: str, update_name: str) -> None:
    owner = world.get(STATEFUL_SETS, namespace, name)
    if owner is None:
        return
    spec = owner["spec"]
    pods = [pod for pod in world.owned(owner, PODS) if not is_ended(pod)]
    minimum = spec.get("minReadySeconds", 0)
    wanted = spec.get("replicas", 1)

    def of_revision(revision: str) -> int:
        labelled = ((pod["metadata"].get("labels") or {}).get(_REVISION_LABEL) for pod in pods if not is_going(pod))
        return sum(label == revision for label in labelled)

    ready = [pod for pod in pods if is_ready(pod) and not is_going(pod)]
    available = [pod for pod in ready if is_available(world, pod, minimum)]
    if len(available) < len(ready):
        world.again(reconcile_stateful_set, namespace, name, float(minimum))
    updated = of_revision(update_name)
    if updated == len(pods) == wanted and len(ready) == wanted:
        current_name = update_name
    status: Body = {
        "observedGeneration": owner["metadata"].get("generation", 1),
        "replicas": len(pods),
        "readyReplicas": len(ready),
        "currentReplicas": of_revision(current_name),
        "updatedReplicas": updated,
        "currentRevision": current_name,
        "updateRevision": update_name,
        "collisionCount": 0,
        "availableReplicas": len(available),
    }
    world.set_status(STATEFUL_SETS, owner, without_zeroes(status, "replicas", "collisionCount", "availableReplicas"))
    forget_old(world, owner, {current_name, update_name})
