"""Health of custom kinds that takes more than one look at their status: counts, sums, several parts.

One small function per kind, each from a body to its word; the table at the end is what the rest uses.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from gitops.manifests.key import Body
from gitops.model.health import HealthWord

HEALTHY, PROGRESSING, DEGRADED = HealthWord.HEALTHY, HealthWord.PROGRESSING, HealthWord.DEGRADED
SUSPENDED, UNKNOWN, MISSING = HealthWord.SUSPENDED, HealthWord.UNKNOWN, HealthWord.MISSING


def _status(body: Body) -> dict[str, Any]:
    return body.get("status") or {}


def _spec(body: Body) -> dict[str, Any]:
    return body.get("spec") or {}


def _conditions(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for found in part.get("conditions") or [] if isinstance(found, dict)]


def _is_observed(body: Body) -> bool:
    return bool(_status(body).get("observedGeneration") == body["metadata"].get("generation"))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def rollout(body: Body) -> HealthWord:
    """argoproj.io Rollout: its phase where it tells one, else its replicas as older controllers leave them."""
    status, spec = _status(body), _spec(body)
    if not _rollout_is_observed(body):
        return PROGRESSING
    if status.get("phase"):
        return SUSPENDED if status["phase"] == "Paused" else _as_word(status["phase"])
    for condition in _conditions(status):
        aborted = condition.get("type") == "Progressing" and condition.get("reason") in (
            "RolloutAborted",
            "ProgressDeadlineExceeded",
        )
        if condition.get("type") == "InvalidSpec" or aborted:
            return DEGRADED
    if status.get("pauseConditions") or spec.get("paused"):
        return SUSPENDED
    return _rollout_by_replicas(status, spec)


def _rollout_is_observed(body: Body) -> bool:
    """Versions before 1.0 wrote a hash instead of a number; a number of the future is one of those by chance."""
    status, metadata = body.get("status"), body["metadata"]
    if status is None:
        return False
    seen = str(status.get("observedGeneration") or "")
    generation = int(metadata.get("generation") or 0)
    if seen.isdigit() and int(seen) < generation:
        return False
    wanted = (metadata.get("annotations") or {}).get("rollout.argoproj.io/workload-generation")
    if not _spec(body).get("workloadRef") or wanted is None:
        return True
    return str(status.get("workloadObservedGeneration")) == str(wanted)


def _rollout_by_replicas(status: dict[str, Any], spec: dict[str, Any]) -> HealthWord:
    present = status.get("currentPodHash")
    updated, total = status.get("updatedReplicas") or 0, status.get("replicas") or 0
    if present is None or updated < spec.get("replicas", 1) or (status.get("availableReplicas") or 0) < updated:
        return PROGRESSING
    strategy = spec.get("strategy") or {}
    stable = status.get("stableRS") or (status.get("canary") or {}).get("stableRS") or ""
    if strategy.get("blueGreen") is not None:
        active = (status.get("blueGreen") or {}).get("activeSelector")
        return HEALTHY if active == present and stable in ("", present) else PROGRESSING
    if strategy.get("canary") is not None:
        return HEALTHY if total <= updated and stable == present else PROGRESSING
    return HEALTHY


def _as_word(text: str) -> HealthWord:
    return next((word for word in HealthWord if word.value == text), UNKNOWN)


def elasticsearch(body: Body) -> HealthWord:
    status = _status(body)
    available = status.get("availableNodes")
    wanted = sum(node.get("count") or 0 for node in _spec(body).get("nodeSets") or [])
    if available is None or available > wanted:
        return UNKNOWN
    if available < wanted:
        return PROGRESSING
    if status.get("phase") == "Ready":
        colours = {"green": HEALTHY, "yellow": PROGRESSING, "red": DEGRADED}
        return colours.get(str(status.get("health")), UNKNOWN)
    return {"ApplyingChanges": PROGRESSING, "MigratingData": PROGRESSING, "Invalid": DEGRADED}.get(
        str(status.get("phase")), UNKNOWN
    )


def subscription(body: Body) -> HealthWord:
    """operators.coreos.com: an upgrade that waits for somebody's approval is no trouble."""
    status = _status(body)
    conditions = _conditions(status)
    if not conditions:
        return PROGRESSING
    manual = (
        _spec(body).get("installPlanApproval") == "Manual"
        and status.get("installedCSV") is not None
        and any(_is(found, "InstallPlanPending", "True", "RequiresApproval") for found in conditions)
    )
    pending = any(_is(found, "InstallPlanPending", "True") for found in conditions) and not manual
    failed = any(
        (found.get("type") == "InstallPlanMissing" and found.get("reason") != "ReferencedInstallPlanNotFound")
        or any(
            _is(found, kind, "True") for kind in ("CatalogSourcesUnhealthy", "InstallPlanFailed", "ResolutionFailed")
        )
        for found in conditions
    )
    state = status.get("state")
    if failed or state == "UpgradeFailed":
        return DEGRADED
    waiting = state in (None, "", "UpgradeAvailable") or (state == "UpgradePending" and not manual)
    return PROGRESSING if pending or waiting else HEALTHY


def _is(condition: dict[str, Any], kind: str, status: str, reason: str = "") -> bool:
    return (
        condition.get("type") == kind
        and condition.get("status") == status
        and reason in ("", condition.get("reason") or "")
    )


def kruise_daemon_set(body: Body) -> HealthWord:
    status = _status(body)
    rolling = (_spec(body).get("updateStrategy") or {}).get("rollingUpdate") or {}
    if not status or not _is_observed(body):
        return PROGRESSING
    updated, wanted = status.get("updatedNumberScheduled"), status.get("desiredNumberScheduled") or 0
    if rolling.get("paused") is True or updated is None:
        return SUSPENDED
    partition = rolling.get("partition") or 0
    if partition and body["metadata"].get("generation", 0) > 1:
        return SUSPENDED if updated > wanted - partition else PROGRESSING
    if updated == wanted == status.get("numberAvailable"):
        return HEALTHY
    return DEGRADED if updated == wanted == status.get("numberUnavailable") else PROGRESSING


def kruise_stateful_set(body: Body) -> HealthWord:
    status = _status(body)
    rolling = (_spec(body).get("updateStrategy") or {}).get("rollingUpdate") or {}
    if not status or not _is_observed(body):
        return PROGRESSING
    available, total = status.get("updatedAvailableReplicas"), status.get("replicas") or 0
    if rolling.get("paused") is True or available is None:
        return SUSPENDED
    partition = rolling.get("partition") or 0
    if partition and body["metadata"].get("generation", 0) > 1:
        return SUSPENDED if (status.get("updatedReplicas") or 0) > total - partition else PROGRESSING
    return HEALTHY if available == total else DEGRADED


def game_server_set(body: Body) -> HealthWord:
    status = _status(body)
    rolling = (_spec(body).get("updateStrategy") or {}).get("rollingUpdate") or {}
    if not status or not _is_observed(body):
        return PROGRESSING
    total, partition = status.get("replicas") or 0, rolling.get("partition") or 0
    held_back = partition and (status.get("updatedReplicas") or 0) >= total - partition
    if rolling.get("paused") is True or held_back:
        return SUSPENDED
    return HEALTHY if (status.get("updatedReadyReplicas") or 0) == total else PROGRESSING


def banzai_kafka(body: Body) -> HealthWord:
    status = _status(body)
    if status.get("state") == "ClusterRollingUpgrading" or not status.get("brokersState"):
        return PROGRESSING
    scaled = {"GracefulUpscaleSucceeded", "GracefulDownscaleSucceeded"}
    all_well = all(
        broker.get("configurationState") == "ConfigInSync"
        and (broker.get("gracefulActionState") or {}).get("cruiseControlState") in scaled
        for broker in status["brokersState"].values()
    )
    if not all_well:
        return DEGRADED
    is_running = status.get("state") == "ClusterRunning"
    return (
        HEALTHY if is_running and status.get("cruiseControlTopicStatus") == "CruiseControlTopicReady" else PROGRESSING
    )


def inference_service(body: Body) -> HealthWord:
    status = _status(body)
    conditions = _conditions(status)
    if any(_is(found, "Stopped", "True") for found in conditions):
        return SUSPENDED
    if not conditions:
        return PROGRESSING
    step = (status.get("modelStatus") or {}).get("transitionStatus", "UpToDate")
    others = [found for found in conditions if found.get("type") != "Stopped"]
    if step not in ("UpToDate", "InProgress"):
        return DEGRADED
    well = step == "UpToDate" and all(found.get("status") not in ("False", "Unknown") for found in others)
    return HEALTHY if well else PROGRESSING


def http_route(body: Body) -> HealthWord:
    """gateway.networking.k8s.io HTTPRoute: a parent that has not looked at this generation yet says nothing."""
    generation = body["metadata"].get("generation")
    looked = [
        conditions
        for parent in _status(body).get("parents") or []
        if (conditions := _conditions(parent))
        and all(generation is None or found.get("observedGeneration") in (None, generation) for found in conditions)
    ]
    for conditions in looked:
        if any(_is(found, kind, "False") for found in conditions for kind in ("ResolvedRefs", "Accepted")):
            return DEGRADED
        if any(found.get("type") == "Programmed" and found.get("status") != "True" for found in conditions):
            return PROGRESSING
    return HEALTHY if looked else PROGRESSING


def telemetry_collector(body: Body) -> HealthWord:
    spec, replicas = _spec(body), (_status(body).get("scale") or {}).get("statusReplicas")
    if replicas is None:
        return HEALTHY if _status(body) and spec.get("mode") == "sidecar" else PROGRESSING
    parts = re.match(r"(\d+)/(\d+)", str(replicas))
    if parts is None:
        return PROGRESSING
    ready, total = int(parts[1]), int(parts[2])
    if ready == 0:
        return HEALTHY if spec.get("mode") == "daemonset" and total == 0 else DEGRADED
    return HEALTHY if ready == total else PROGRESSING


_SPARK: Final = {
    "COMPLETED": HEALTHY,
    "FAILED": DEGRADED,
    "SUBMISSION_FAILED": DEGRADED,
    "FAILING": DEGRADED,
    "INVALIDATING": MISSING,
}


def spark_application(body: Body) -> HealthWord:
    status, spec = _status(body), _spec(body)
    state = (status.get("applicationState") or {}).get("state")
    if state != "RUNNING":
        return _SPARK.get(str(state), PROGRESSING)
    executors = status.get("executorState")
    if executors is None:
        return PROGRESSING
    running = sum(found == "RUNNING" for found in executors.values())
    wanted = (spec.get("executor") or {}).get("instances")
    least, most = _executor_range(spec)
    fits = wanted == running if wanted is not None else least <= running <= most
    return HEALTHY if fits or (wanted is not None and most and least <= running <= most) else PROGRESSING


def _executor_range(spec: dict[str, Any]) -> tuple[float, float]:
    """How many executors dynamic allocation may run; (1, any) where nothing is said of it, (0, 0) where it is off."""
    dynamic, settings = spec.get("dynamicAllocation"), spec.get("sparkConf") or {}
    if dynamic and dynamic.get("enabled"):
        return _number(dynamic.get("minExecutors")), _number(dynamic.get("maxExecutors") or "inf")
    for prefix in ("spark.streaming.dynamicAllocation.", "spark.dynamicAllocation."):
        if settings.get(prefix + "enabled") == "true":
            return _number(settings.get(prefix + "minExecutors")), _number(
                settings.get(prefix + "maxExecutors") or "inf"
            )
    return (0.0, 0.0) if dynamic or (spec.get("executor") or {}).get("instances") is not None else (1.0, float("inf"))


def promotion_strategy(body: Body) -> HealthWord:
    """promoter.argoproj.io: healthy when every environment runs what is proposed, the same in all of them."""
    status, generation = _status(body), body["metadata"].get("generation")
    ready = [found for found in _conditions(status) if found.get("type") == "Ready"]
    behind = any(found.get("observedGeneration") not in (None, generation) for found in ready)
    if not ready or (generation is not None and behind):
        return PROGRESSING
    environments = status.get("environments") or []
    if any(found.get("status") == "False" for found in ready) or not environments:
        return DEGRADED
    running = [((one.get("active") or {}).get("dry") or {}).get("sha") for one in environments]
    proposed = [_proposed_sha(one) for one in environments]
    if not all(running) or not all(proposed) or len(set(proposed)) > 1:
        return PROGRESSING
    shown = [((one.get("proposed") or {}).get("dry") or {}).get("sha") for one in environments]
    return HEALTHY if shown == running else PROGRESSING


def _proposed_sha(environment: dict[str, Any]) -> str:
    proposed = environment.get("proposed") or {}
    return str((proposed.get("note") or {}).get("drySha") or (proposed.get("dry") or {}).get("sha") or "")


def airlock_policy(body: Body) -> HealthWord:
    """microgateway.airlock.com: every ancestor has to accept the policy as it is now."""
    generation = body["metadata"].get("generation")
    ancestors = _status(body).get("ancestors") or []
    conditions = [found for ancestor in ancestors for found in _conditions(ancestor)]
    if not ancestors:
        return PROGRESSING
    if generation is not None and any(found.get("observedGeneration") != generation for found in conditions):
        return PROGRESSING
    for ancestor in ancestors:
        told = {found.get("type"): found.get("status") for found in _conditions(ancestor)}
        if told.get("Accepted") != "True" or told.get("ResolvedRefs", "True") != "True":
            return DEGRADED
    return HEALTHY


KINDS: Final[dict[str, Callable[[Body], HealthWord]]] = {
    "argoproj.io/Rollout": rollout,
    "apps.kruise.io/DaemonSet": kruise_daemon_set,
    "apps.kruise.io/StatefulSet": kruise_stateful_set,
    "elasticsearch.k8s.elastic.co/Elasticsearch": elasticsearch,
    "game.kruise.io/GameServerSet": game_server_set,
    "gateway.networking.k8s.io/HTTPRoute": http_route,
    "kafka.banzaicloud.io/KafkaCluster": banzai_kafka,
    "opentelemetry.io/OpenTelemetryCollector": telemetry_collector,
    "operators.coreos.com/Subscription": subscription,
    "promoter.argoproj.io/PromotionStrategy": promotion_strategy,
    "serving.kserve.io/InferenceService": inference_service,
    "sparkoperator.k8s.io/SparkApplication": spark_application,
    "microgateway.airlock.com/*Policy": airlock_policy,
}
