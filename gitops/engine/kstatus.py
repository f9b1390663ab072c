"""The words of kstatus (Flux, kapp, cli-utils) for an object: Current, InProgress, Failed, Terminating.

They differ from our health on purpose: for kstatus a running Job and a failed Pod are Current. Where both look at the
same thing: Healthy and Suspended are Current, Progressing is InProgress, Degraded is Failed. Printed beside our word by
`gitops status -o json`, so that scripts written for those tools go on working.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from gitops.manifests.key import Body, group_of


class Kstatus(StrEnum):
    """What kstatus calls an object that exists."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    UNKNOWN = "Unknown"


_NO_DEADLINE: Final = 2**31 - 1
_Rule = Callable[[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]], Kstatus]


def kstatus_of(body: Body) -> Kstatus:
    """Its order: deletion, observedGeneration, Reconciling, Stalled, the kind's rule, Ready, else Current.

    Unknown where the object has not the form of its kind.
    """
    try:
        return _judged(body)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return Kstatus.UNKNOWN


def _judged(body: Body) -> Kstatus:
    metadata, spec, status = body.get("metadata") or {}, body.get("spec") or {}, body.get("status") or {}
    conditions = {found.get("type", ""): found for found in status.get("conditions") or [] if isinstance(found, dict)}
    if metadata.get("deletionTimestamp"):
        return Kstatus.TERMINATING
    if status.get("observedGeneration") not in (None, metadata.get("generation")):
        return Kstatus.IN_PROGRESS
    if _is_true(conditions, "Reconciling"):
        return Kstatus.IN_PROGRESS
    if _is_true(conditions, "Stalled"):
        return Kstatus.FAILED
    rule = _KINDS.get((group_of(body.get("apiVersion", "")), body.get("kind", "")))
    if rule is not None:
        return rule(spec, status, conditions)
    return _in_progress_if(conditions.get("Ready", {}).get("status") in ("False", "Unknown"))


def _is_true(conditions: dict[str, dict[str, Any]], kind: str) -> bool:
    return bool(conditions.get(kind, {}).get("status") == "True")


def _in_progress_if(waiting: bool) -> Kstatus:
    return Kstatus.IN_PROGRESS if waiting else Kstatus.CURRENT


def _deployment(spec: dict[str, Any], status: dict[str, Any], conditions: dict[str, dict[str, Any]]) -> Kstatus:
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Kstatus.FAILED
    wanted = spec.get("replicas", 1)
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    counts_fit = wanted <= min(total, updated, status.get("readyReplicas", 0)) and total <= wanted
    # Without a progress deadline the controller writes no Progressing condition.
    moved = spec.get("progressDeadlineSeconds", _NO_DEADLINE) == _NO_DEADLINE or (
        progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
    )
    available = updated <= status.get("availableReplicas", 0) and _is_true(conditions, "Available")
    return _in_progress_if(not (counts_fit and moved and available))


def _stateful_set(spec: dict[str, Any], status: dict[str, Any], _: dict[str, dict[str, Any]]) -> Kstatus:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Kstatus.CURRENT
    wanted, total = spec.get("replicas", 1), status.get("replicas", 0)
    if total != wanted or status.get("readyReplicas", 0) < wanted:
        return Kstatus.IN_PROGRESS
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    if partition is not None:
        return _in_progress_if(status.get("updatedReplicas", 0) < wanted - partition)
    behind = status.get("currentReplicas", 0) < wanted
    return _in_progress_if(behind or status.get("currentRevision") != status.get("updateRevision"))


def _replica_set(spec: dict[str, Any], status: dict[str, Any], conditions: dict[str, dict[str, Any]]) -> Kstatus:
    if _is_true(conditions, "ReplicaFailure"):
        return Kstatus.IN_PROGRESS
    wanted = spec.get("replicas", 1)
    counts = [status.get(name, 0) for name in ("fullyLabeledReplicas", "availableReplicas", "readyReplicas")]
    return _in_progress_if(min(counts) < wanted or status.get("replicas", 0) > wanted)


def _daemon_set(_: dict[str, Any], status: dict[str, Any], __: dict[str, dict[str, Any]]) -> Kstatus:
    wanted = status.get("desiredNumberScheduled")
    if wanted is None or status.get("observedGeneration") is None:
        return Kstatus.IN_PROGRESS
    names = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    return _in_progress_if(min(status.get(name, 0) for name in names) < wanted)


def _pod(_: dict[str, Any], status: dict[str, Any], conditions: dict[str, dict[str, Any]]) -> Kstatus:
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True" or ready.get("reason") == "PodCompleted" or status.get("phase") == "Succeeded":
        return Kstatus.CURRENT
    crashing = any(
        ((found.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"
        for found in status.get("containerStatuses") or []
    )
    unschedulable = conditions.get("PodScheduled", {}).get("reason") == "Unschedulable"
    return Kstatus.FAILED if crashing or unschedulable or status.get("phase") == "Failed" else Kstatus.IN_PROGRESS


def _job(_: dict[str, Any], status: dict[str, Any], conditions: dict[str, dict[str, Any]]) -> Kstatus:
    if _is_true(conditions, "Failed"):
        return Kstatus.FAILED
    return _in_progress_if(not _is_true(conditions, "Complete") and status.get("startTime") is None)


def _claim(_: dict[str, Any], status: dict[str, Any], __: dict[str, dict[str, Any]]) -> Kstatus:
    return _in_progress_if(status.get("phase") != "Bound")


def _service(spec: dict[str, Any], _: dict[str, Any], __: dict[str, dict[str, Any]]) -> Kstatus:
    return _in_progress_if(spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"))


def _budget(_: dict[str, Any], status: dict[str, Any], __: dict[str, dict[str, Any]]) -> Kstatus:
    unseen = status.get("observedGeneration") is None
    return _in_progress_if(unseen or status.get("currentHealthy", 0) < status.get("desiredHealthy", 0))


def _definition(_: dict[str, Any], __: dict[str, Any], conditions: dict[str, dict[str, Any]]) -> Kstatus:
    if conditions.get("NamesAccepted", {}).get("status") == "False":
        return Kstatus.FAILED
    return _in_progress_if(not _is_true(conditions, "Established"))


def _always(_: dict[str, Any], __: dict[str, Any], ___: dict[str, dict[str, Any]]) -> Kstatus:
    return Kstatus.CURRENT


_KINDS: Final[dict[tuple[str, str], _Rule]] = {
    ("", "ConfigMap"): _always,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Secret"): _always,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "CronJob"): _always,
    ("batch", "Job"): _job,
    ("policy", "PodDisruptionBudget"): _budget,
}
