"""What a Deployment's status says: counts, availability, and whether it gets on within its deadline."""

from gitops.manifests.key import Body
from gitops.sandbox.workloads.world import DEPLOYMENTS, REPLICA_SETS, World, condition, from_percent, without_zeroes

_NO_DEADLINE = 2**31 - 1
_FAILURE = "ReplicaFailure"


def report(world: World, deployment: Body, new: Body | None) -> float | None:
    """Stores the status as the ReplicaSets have it now; the cluster's seconds until its deadline, where that counts."""
    metadata = deployment["metadata"]
    deployment = world.get(DEPLOYMENTS, metadata["namespace"], metadata["name"]) or deployment
    sets = world.owned(deployment, REPLICA_SETS)
    if new is not None:
        new = world.get(REPLICA_SETS, metadata["namespace"], new["metadata"]["name"])
    old_status = deployment.get("status") or {}
    replicas, available = _total(sets, "replicas"), _total(sets, "availableReplicas")
    wanted = deployment["spec"].get("replicas", 1)
    status: Body = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": replicas,
        "updatedReplicas": int(((new or {}).get("status") or {}).get("replicas", 0)),
        "readyReplicas": _total(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(replicas_wanted(sets) - available, 0),
        "terminatingReplicas": _total(sets, "terminatingReplicas"),
        "conditions": list(old_status.get("conditions") or ()),
        "collisionCount": old_status.get("collisionCount"),
    }
    _, unavailable = surge_and_unavailable(deployment)
    if available >= wanted - unavailable:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
        _set(world, status, "Available", "True", reason, message)
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
        _set(world, status, "Available", "False", reason, message)
    left = _progress(world, deployment, status, old_status, new)
    _failure(status, sets, new)
    world.set_status(DEPLOYMENTS, deployment, without_zeroes(status, "terminatingReplicas"))
    return left


def _failure(status: Body, sets: list[Body], new: Body | None) -> None:
    """Why Pods are refused, as the new ReplicaSet says, or an old one."""
    failed = [found for entry in (*([new] if new else ()), *sets) if (found := condition(entry, _FAILURE)) is not None]
    others = [entry for entry in status["conditions"] if entry["type"] != _FAILURE]
    if not failed:
        status["conditions"] = others
        return
    since = failed[0]["lastTransitionTime"]
    fresh = {
        "type": _FAILURE,
        "status": failed[0]["status"],
        "lastUpdateTime": since,
        "lastTransitionTime": since,
        "reason": failed[0]["reason"],
        "message": failed[0]["message"],
    }
    if fresh not in status["conditions"]:
        status["conditions"] = [*others, fresh]


def surge_and_unavailable(deployment: Body) -> tuple[int, int]:
    """How many Pods may be above, and below, the wanted number while rolling."""
    spec = deployment["spec"]
    if spec["strategy"]["type"] != "RollingUpdate":
        return 0, 0
    rolling = spec["strategy"].get("rollingUpdate") or {}
    replicas = spec.get("replicas", 1)
    surge = from_percent(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = from_percent(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _total(sets: list[Body], field: str) -> int:
    return sum(int((entry.get("status") or {}).get(field, 0)) for entry in sets)


def replicas_wanted(sets: list[Body]) -> int:
    """How many Pods the ReplicaSets ask for together."""
    return sum(int(entry["spec"].get("replicas", 0)) for entry in sets)


def is_complete(deployment: Body, status: Body) -> bool:
    """Whether every replica is of the newest template and available."""
    wanted = deployment["spec"].get("replicas", 1)
    counts = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    return all(count == wanted for count in counts) and status.get("observedGeneration", 0) >= deployment[
        "metadata"
    ].get("generation", 0)


def _progress(world: World, deployment: Body, status: Body, old: Body, new: Body | None) -> float | None:
    deadline = deployment["spec"].get("progressDeadlineSeconds", _NO_DEADLINE)
    current = condition({"status": status}, "Progressing")
    name = new["metadata"]["name"] if new is not None else ""
    uid = deployment["metadata"]["uid"]
    if deployment["spec"].get("paused"):
        if deadline != _NO_DEADLINE and (current is None or current["reason"] != "DeploymentPaused"):
            _set(world, status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        return None
    if current is not None and current["reason"] == "DeploymentPaused":
        _set(world, status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        world.moments[uid] = world.clock.time()
        current = condition({"status": status}, "Progressing")
    if deadline == _NO_DEADLINE:
        status["conditions"] = [entry for entry in status["conditions"] if entry["type"] != "Progressing"]
        return None
    settled = (
        status["replicas"] == status["updatedReplicas"] and (current or {}).get("reason") == "NewReplicaSetAvailable"
    )
    if settled:
        return None
    if is_complete(deployment, status):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        _set(world, status, "Progressing", "True", "NewReplicaSetAvailable", message)
    elif current is None or _advanced(status, old) or _other_set(current, name):
        reason, message = "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
        if current is None and not status["updatedReplicas"]:
            reason, message = "NewReplicaSetCreated", f'Created new replica set "{name}"'
        world.moments[uid] = world.clock.time()
        _set(world, status, "Progressing", "True", reason, message, always=True)
    else:
        since = world.moments.setdefault(uid, world.clock.time())
        left = float(since + deadline - world.clock.time())
        if left > 0:
            return left
        if current["reason"] != "ProgressDeadlineExceeded":
            message = f'ReplicaSet "{name}" has timed out progressing.'
            _set(world, status, "Progressing", "False", "ProgressDeadlineExceeded", message)
    return None


def _other_set(current: Body, name: str) -> bool:
    """Whether the condition still speaks of another ReplicaSet: a new rollout began."""
    return bool(name) and f'"{name}"' not in current["message"] and current["reason"] != "DeploymentResumed"


def _advanced(status: Body, old: Body) -> bool:
    if status["updatedReplicas"] > old.get("updatedReplicas", 0):
        return True
    leftover = status["replicas"] - status["updatedReplicas"]
    if leftover < old.get("replicas", 0) - old.get("updatedReplicas", 0):
        return True
    return any(status[name] > old.get(name, 0) for name in ("readyReplicas", "availableReplicas"))


def _set(world: World, status: Body, kind: str, truth: str, reason: str, message: str, *, always: bool = False) -> None:
    """Puts a condition last, unless it says the same already; its transition time is kept while its status is."""
    current = condition({"status": status}, kind)
    if current is not None and current["status"] == truth and current["reason"] == reason and not always:
        return
    now = world.clock.stamp()
    changed = current["lastTransitionTime"] if current is not None and current["status"] == truth else now
    fresh = {
        "type": kind,
        "status": truth,
        "lastUpdateTime": now,
        "lastTransitionTime": changed,
        "reason": reason,
        "message": message,
    }
    if always and current is not None and {**current, "lastUpdateTime": now} == fresh:
        return
    others = [entry for entry in status["conditions"] if entry["type"] != kind]
    status["conditions"] = [*others, fresh]
