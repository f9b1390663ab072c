"""How well one object is doing, judged from its own body: one small function per kind, in a table.

The words and rules are Argo CD's for the built-in kinds; a custom kind is judged by its generic conditions (kstatus).
Children are not looked at here: `gitops.sync.diagnostics` follows them to name the container at fault.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import orjson

from gitops.engine.custom_health import custom_health, is_behind
from gitops.engine.pod_failure import pod_trouble
from gitops.manifests.cel import CelError, CelLimitError, evaluate_bounded
from gitops.manifests.key import Body, ResourceKey, group_of
from gitops.model.application import HealthRule
from gitops.model.health import HEALTHY, Health, HealthWord

Rule = Callable[[Body], Health]


def is_of_past_runs(key: ResourceKey) -> bool:
    """True for a kind whose health is how its last run ended: no rollout can be judged, or mended, by that."""
    return (key.group, key.kind) == ("batch", "CronJob")


def health_of(body: Body, own: tuple[HealthRule, ...] = ()) -> Health:
    """Judge `body` as it is live; `own` are the user's rules, which go before ours.

    An object that is being deleted is Progressing, whatever its kind. Whoever may write a status may write anything
    there: one that no rule understands is Unknown.
    """
    try:
        return _judged(body, own)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return Health(HealthWord.UNKNOWN, "its status does not have the form that is known of its kind")


def _judged(body: Body, own: tuple[HealthRule, ...]) -> Health:
    if (body.get("metadata") or {}).get("deletionTimestamp"):
        return _progressing("is being deleted")
    group, kind = group_of(body.get("apiVersion", "")), body.get("kind", "")
    for found in own:
        if fnmatchcase(group, found.group) and fnmatchcase(kind, found.kind):
            return _by_expressions(body, found)
    rule = HEALTH.get((group, kind))
    if rule is not None:
        return rule(body)
    judged = custom_health(group, kind, body) or _generic(body)
    # Who is suspended looks at nothing, and what is so for good needs no look (as in kstatus but for that).
    if is_behind(body) and not (judged.final or judged.word is HealthWord.SUSPENDED):
        return _progressing("waiting for its controller to notice the change")
    return judged


def _by_expressions(body: Body, rule: HealthRule) -> Health:
    """The first expression that is true; one that fails on this object (a field is not there yet) is not true."""
    words = {
        rule.degraded: HealthWord.DEGRADED,
        rule.suspended: HealthWord.SUSPENDED,
        rule.progressing: HealthWord.PROGRESSING,
        rule.healthy: HealthWord.HEALTHY,
    }
    try:
        for expression, word in words.items():
            if expression and _is_true(expression, body):
                return Health(word, "" if word is HealthWord.HEALTHY else f"by the Application's rule: {expression}")
    except CelLimitError as exc:
        return Health(HealthWord.UNKNOWN, f"the Application's rule {exc}")
    return _progressing("no rule of the Application's says otherwise")


def _is_true(expression: str, body: Body) -> bool:
    metadata = {name: value for name, value in (body.get("metadata") or {}).items() if name != "managedFields"}
    parts = {"metadata": metadata, **{name: body.get(name) or {} for name in ("spec", "status")}}
    try:
        return evaluate_bounded(expression, {"object": {**body, "metadata": metadata}, **parts}) is True
    except CelLimitError:
        raise
    except CelError:
        return False


def _progressing(message: str) -> Health:
    return Health(HealthWord.PROGRESSING, message)


def _degraded(message: str, *, final: bool = False) -> Health:
    return Health(HealthWord.DEGRADED, message, final)


def _suspended(message: str) -> Health:
    return Health(HealthWord.SUSPENDED, message)


def _status(body: Body) -> dict[str, Any]:
    return body.get("status") or {}


def _spec(body: Body) -> dict[str, Any]:
    return body.get("spec") or {}


def _condition(body: Body, kind: str) -> dict[str, Any]:
    return next((found for found in _status(body).get("conditions") or [] if found.get("type") == kind), {})


def _is_stale(body: Body) -> bool:
    """True while the controller of this kind has not yet looked at the newest spec."""
    return int(_status(body).get("observedGeneration") or 0) < int(body["metadata"].get("generation") or 0)


def _waiting_for_rollout(body: Body) -> Health | None:
    return _progressing("waiting for the rollout to be noticed") if _is_stale(body) else None


def _deployment(body: Body) -> Health:
    spec, status = _spec(body), _status(body)
    if spec.get("paused"):
        return _suspended("the Deployment is paused")
    if stale := _waiting_for_rollout(body):
        return stale
    progressing = _condition(body, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _degraded(progressing.get("message") or "exceeded its progress deadline", final=True)
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        return _progressing(f"{updated} of {wanted} new replicas have been updated")
    if total > updated:
        return _progressing(f"{total - updated} old replicas are pending termination")
    if available < updated:
        return _progressing(f"{available} of {updated} updated replicas are available")
    return HEALTHY


def _replica_set(body: Body) -> Health:
    if stale := _waiting_for_rollout(body):
        return stale
    failure = _condition(body, "ReplicaFailure")
    if failure.get("status") == "True":
        return _degraded(failure.get("message") or "pods could not be created")
    wanted, available = _spec(body).get("replicas", 1), _status(body).get("availableReplicas", 0)
    return HEALTHY if available >= wanted else _progressing(f"{available} of {wanted} replicas are available")


def _stateful_set(body: Body) -> Health:
    spec, status = _spec(body), _status(body)
    if stale := _waiting_for_rollout(body):
        return stale
    strategy = spec.get("updateStrategy") or {}
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if ready < wanted:
        return _progressing(f"{ready} of {wanted} replicas are ready")
    if strategy.get("type") == "OnDelete":  # an update waits for people, a Pod that is not ready does not
        return HEALTHY
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    updated = status.get("updatedReplicas", 0)
    if partition:
        return HEALTHY if updated >= wanted - partition else _progressing(f"{updated} of {wanted - partition} updated")
    # Where all Pods are an older one's, which went and left them, both revisions are the new one's name.
    is_known = max(updated, status.get("currentReplicas", 0)) >= wanted
    if status.get("updateRevision") != status.get("currentRevision") or not is_known:
        return _progressing(f"{updated} of {wanted} replicas have been updated")
    return HEALTHY


def _daemon_set(body: Body) -> Health:
    spec, status = _spec(body), _status(body)
    if stale := _waiting_for_rollout(body):
        return stale
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return HEALTHY
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted:
        return _progressing(f"{updated} of {wanted} pods have been updated")
    if available < wanted:
        return _progressing(f"{available} of {wanted} pods are available")
    return HEALTHY


def _pod(body: Body) -> Health:
    status, phase = _status(body), _status(body).get("phase", "Unknown")
    trouble = pod_trouble(body)
    reason = str(trouble) if trouble else ""
    if phase == "Succeeded":
        return HEALTHY
    if phase == "Failed":
        return _degraded(reason or status.get("message") or "the Pod failed", final=True)
    if phase == "Running" and _spec(body).get("restartPolicy", "Always") == "Always":
        if _condition(body, "Ready").get("status") == "True":
            return HEALTHY
        return _degraded(reason) if reason else _progressing("the Pod is not ready")
    if phase == "Running":
        return _progressing("the Pod is running")
    return _degraded(reason) if reason else _progressing("the Pod is pending")


def _job(body: Body) -> Health:
    failed = _condition(body, "Failed")
    if failed.get("status") == "True":
        return _degraded(failed.get("message") or "the Job failed", final=True)
    if _condition(body, "Complete").get("status") == "True":
        return HEALTHY
    if _spec(body).get("suspend"):
        return _suspended("the Job is suspended")
    return _progressing("the Job is running")


def _cron_job(body: Body) -> Health:
    """Degraded when its last run did not succeed; suspended or not yet run is as it should be."""
    status = _status(body)
    scheduled, succeeded = status.get("lastScheduleTime"), status.get("lastSuccessfulTime")
    if _spec(body).get("suspend") or status.get("active") or not (scheduled and succeeded):
        return HEALTHY
    return HEALTHY if succeeded >= scheduled else _degraded("its last run did not succeed")


def _service(body: Body) -> Health:
    if _spec(body).get("type") != "LoadBalancer":
        return HEALTHY
    return HEALTHY if _has_address(body) else _progressing("waiting for a load balancer address")


def _ingress(body: Body) -> Health:
    if _has_address(body):
        return HEALTHY
    return _progressing("waiting for an address (annotate gitops.dev/health: ignore if its controller never sets one)")


def _has_address(body: Body) -> bool:
    return bool((_status(body).get("loadBalancer") or {}).get("ingress"))


def _claim(body: Body) -> Health:
    phase = _status(body).get("phase")
    if phase == "Bound":
        return HEALTHY
    if phase == "Lost":
        return _degraded("its volume is lost", final=True)
    return _progressing("the claim is not bound to a volume")


def _crd(body: Body) -> Health:
    names = _condition(body, "NamesAccepted")
    if names.get("status") == "False":
        return _degraded(names.get("message") or "its names are not accepted", final=True)
    if _condition(body, "Terminating").get("status") == "True":
        return _progressing("is being deleted")
    unstructured = _condition(body, "NonStructuralSchema")
    if unstructured.get("status") == "True":
        return _degraded(unstructured.get("message") or "its schema is not structural", final=True)
    established = _condition(body, "Established")
    if established.get("status") == "True":
        return HEALTHY
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return _degraded(established.get("message") or "the kind cannot be established")
    return _progressing("the kind is not established yet")


def _namespace(body: Body) -> Health:
    phase = _status(body).get("phase", "Active")
    return HEALTHY if phase == "Active" else _progressing(f"the namespace is {phase}")


def _autoscaler(body: Body) -> Health:
    """Degraded when it cannot scale or cannot read a metric (FailedGet..., FailedCompute..., Invalid...).

    Its controller looks every 15 seconds: before it has, nothing is known (as Argo CD has it). In autoscaling/v1 the
    conditions are in an annotation.
    """
    text = (body["metadata"].get("annotations") or {}).get(_AUTOSCALER_CONDITIONS)
    conditions = _status(body).get("conditions") or (orjson.loads(text) if text else [])
    if not conditions:
        return _progressing("waiting for the autoscaler to look at it")
    for condition in conditions:
        reason = str(condition.get("reason") or "")
        is_about = condition.get("type") in ("AbleToScale", "ScalingActive") and condition.get("status") == "False"
        if is_about and reason.startswith(("Failed", "Invalid")):
            return _degraded(condition.get("message") or reason)
    return HEALTHY


_AUTOSCALER_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"


def _api_service(body: Body) -> Health:
    available = _condition(body, "Available")
    if available.get("status") == "True":
        return HEALTHY
    return _progressing(available.get("message") or "waiting for the API to be served")


def _generic(body: Body) -> Health:
    """kstatus' rules: Reconciling, Stalled, then Ready; nothing said means Healthy."""
    status = body.get("status")
    if not isinstance(status, dict):
        return HEALTHY
    conditions = status.get("conditions")
    if not isinstance(conditions, list):
        return HEALTHY
    said = {found.get("type"): found for found in conditions if isinstance(found, dict)}
    if said.get("Reconciling", {}).get("status") == "True":
        return _progressing(said["Reconciling"].get("message") or "is reconciling")
    if said.get("Stalled", {}).get("status") == "True":
        return _degraded(said["Stalled"].get("message") or "is stalled", final=True)
    ready = said.get("Ready", {})
    if ready.get("status") in ("False", "Unknown"):
        return _progressing(ready.get("message") or ready.get("reason") or "is not ready")
    return HEALTHY


HEALTH: dict[tuple[str, str], Rule] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _replica_set,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("batch", "CronJob"): _cron_job,
    ("batch", "Job"): _job,
    ("networking.k8s.io", "Ingress"): _ingress,
}
