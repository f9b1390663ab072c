"""Custom kinds whose health takes more than one look: counts, several parts, older controllers. As in Argo CD."""

from typing import Any

import pytest

from gitops.engine.health import health_of
from gitops.model.health import HealthWord

HEALTHY, PROGRESSING, DEGRADED = HealthWord.HEALTHY, HealthWord.PROGRESSING, HealthWord.DEGRADED
SUSPENDED, UNKNOWN, MISSING = HealthWord.SUSPENDED, HealthWord.UNKNOWN, HealthWord.MISSING
RUNNING = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "currentPodHash": "new"}


def word(kind: str, api: str, status: Any, spec: Any = None, **metadata: Any) -> HealthWord:
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": "x", "generation": 1, **metadata}}
    return health_of({**body, "spec": spec, "status": status}).word


def condition(kind: str, status: str = "True", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, **more}


# ── a Rollout of Argo ────────────────────────────────────────────────────────────────────────────────────────────────


def rollout(status: Any, spec: Any = None, **metadata: Any) -> HealthWord:
    return word("Rollout", "argoproj.io/v1alpha1", status, spec, **metadata)


@pytest.mark.parametrize(
    ("status", "spec", "expected"),
    [
        (None, None, PROGRESSING),
        ({}, {}, PROGRESSING),
        (RUNNING, {}, HEALTHY),
        ({"currentPodHash": "new"}, {"replicas": 0}, HEALTHY),
        ({"currentPodHash": "new", "stableRS": "new"}, {"replicas": 0, "strategy": {"canary": {}}}, HEALTHY),
        ({**RUNNING, "canary": {"stableRS": "new"}}, {"strategy": {"canary": {}}}, HEALTHY),
        ({**RUNNING, "canary": {"stableRS": "old"}}, {"strategy": {"canary": {}}}, PROGRESSING),
        ({**RUNNING, "conditions": [condition("InvalidSpec")]}, {}, DEGRADED),
        ({**RUNNING, "conditions": [condition("Progressing", "False", reason="RolloutAborted")]}, {}, DEGRADED),
        ({**RUNNING, "conditions": [condition("Progressing", reason="NewReplicaSetAvailable")]}, {}, HEALTHY),
        ({**RUNNING, "conditions": [condition("Available", reason="RolloutAborted")]}, {}, HEALTHY),
        ({**RUNNING, "pauseConditions": [{"reason": "CanaryPauseStep"}]}, {}, SUSPENDED),
        (RUNNING, {"paused": True}, SUSPENDED),
    ],
)
def test_a_rollout_of_an_older_controller_is_judged_by_what_else_it_says(status: Any, spec: Any, expected: Any) -> None:
    assert rollout(status, spec) is expected


@pytest.mark.parametrize(
    ("seen", "generation", "expected"),
    [
        ("1", 2, PROGRESSING),
        ("2", 2, HEALTHY),
        ("3", 2, HEALTHY),
        ("6d5f", 2, HEALTHY),
        (None, 2, HEALTHY),
        ("1", None, HEALTHY),
    ],
)
def test_a_rollout_that_its_controller_has_not_seen_yet_is_progressing(
    seen: Any, generation: Any, expected: Any
) -> None:
    assert rollout({**RUNNING, "observedGeneration": seen}, generation=generation) is expected


@pytest.mark.parametrize(
    ("seen", "wanted", "spec", "expected"),
    [
        ("1", "2", {"workloadRef": {"name": "web"}}, PROGRESSING),
        ("2", "2", {"workloadRef": {"name": "web"}}, HEALTHY),
        ("1", None, {"workloadRef": {"name": "web"}}, HEALTHY),
        ("1", "2", {}, HEALTHY),
    ],
)
def test_a_rollout_of_a_deployment_waits_until_that_is_seen(seen: Any, wanted: Any, spec: Any, expected: Any) -> None:
    annotations = {"rollout.argoproj.io/workload-generation": wanted} if wanted else {}
    assert rollout({**RUNNING, "workloadObservedGeneration": seen}, spec, annotations=annotations) is expected


# ── sets of Kruise ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "status", "rolling", "expected"),
    [
        ("DaemonSet", {"updatedNumberScheduled": 0, "numberAvailable": 0}, {}, HEALTHY),
        ("DaemonSet", {"updatedNumberScheduled": 3, "desiredNumberScheduled": 3, "numberAvailable": 3}, {}, HEALTHY),
        ("DaemonSet", {"updatedNumberScheduled": 3, "desiredNumberScheduled": 3, "numberUnavailable": 3}, {}, DEGRADED),
        ("DaemonSet", {"desiredNumberScheduled": 3}, {}, SUSPENDED),
        ("DaemonSet", {"updatedNumberScheduled": 3, "desiredNumberScheduled": 3}, {"partition": 1}, PROGRESSING),
        ("StatefulSet", {"updatedAvailableReplicas": 3, "replicas": 3}, {}, HEALTHY),
        ("StatefulSet", {"updatedAvailableReplicas": 2, "replicas": 3}, {}, DEGRADED),
        ("StatefulSet", {"updatedAvailableReplicas": 0}, {}, HEALTHY),
        ("StatefulSet", {"replicas": 3}, {}, SUSPENDED),
        ("StatefulSet", {"updatedAvailableReplicas": 3, "replicas": 3}, {"partition": 1}, HEALTHY),
    ],
)
def test_a_set_of_kruise_in_its_first_generation_has_no_partition_to_wait_for(
    kind: str, status: Any, rolling: Any, expected: Any
) -> None:
    spec = {"updateStrategy": {"rollingUpdate": rolling}}
    assert word(kind, "apps.kruise.io/v1beta1", {"observedGeneration": 1, **status}, spec) is expected


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet", "GameServerSet"])
def test_a_set_of_kruise_is_progressing_until_its_controller_has_seen_it(kind: str) -> None:
    api = "game.kruise.io/v1alpha1" if kind == "GameServerSet" else "apps.kruise.io/v1beta1"
    paused = {"updateStrategy": {"rollingUpdate": {"paused": True}}}
    assert word(kind, api, {"observedGeneration": 1, "replicas": 1}, paused, generation=2) is PROGRESSING
    assert word(kind, api, {"observedGeneration": 2, "replicas": 1}, paused, generation=2) is SUSPENDED
    assert word(kind, api, None, paused, generation=None) is PROGRESSING


@pytest.mark.parametrize(("updated", "expected"), [(2, PROGRESSING), (3, SUSPENDED)])
def test_a_daemon_set_of_kruise_is_suspended_once_all_but_its_partition_is_new(updated: int, expected: Any) -> None:
    status = {"observedGeneration": 2, "updatedNumberScheduled": updated, "desiredNumberScheduled": 3}
    spec = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}
    assert word("DaemonSet", "apps.kruise.io/v1alpha1", status, spec, generation=2) is expected


# ── Kafka, inference, routes, Spark, Elasticsearch, Operators ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "broker", "topic", "expected"),
    [
        ("ClusterRunning", "GracefulUpscaleSucceeded", "CruiseControlTopicReady", HEALTHY),
        ("ClusterRunning", "GracefulDownscaleSucceeded", "CruiseControlTopicReady", HEALTHY),
        ("ClusterRunning", "GracefulUpscaleSucceeded", "", PROGRESSING),
        ("ClusterReconciling", "GracefulUpscaleSucceeded", "CruiseControlTopicReady", PROGRESSING),
        ("ClusterRunning", "GracefulUpscaleRunning", "CruiseControlTopicReady", DEGRADED),
        ("ClusterRollingUpgrading", "GracefulUpscaleRunning", "CruiseControlTopicReady", PROGRESSING),
        ("ClusterRunning", "", "CruiseControlTopicReady", PROGRESSING),
    ],
)
def test_a_kafka_cluster_is_healthy_once_each_broker_is_as_configured(
    state: str, broker: str, topic: str, expected: Any
) -> None:
    one = {"configurationState": "ConfigInSync", "gracefulActionState": {"cruiseControlState": broker}}
    status = {"state": state, "brokersState": {"0": one} if broker else {}, "cruiseControlTopicStatus": topic}
    assert word("KafkaCluster", "kafka.banzaicloud.io/v1beta1", status) is expected
    if expected is HEALTHY:
        status["brokersState"]["1"] = {**one, "configurationState": "ConfigOutOfSync"}
        assert word("KafkaCluster", "kafka.banzaicloud.io/v1beta1", status) is DEGRADED


@pytest.mark.parametrize(
    ("step", "conditions", "expected"),
    [
        ("", [], PROGRESSING),
        ("", [condition("Ready")], HEALTHY),
        ("UpToDate", [condition("Ready"), condition("Stopped", "False")], HEALTHY),
        ("UpToDate", [condition("Ready", "False")], PROGRESSING),
        ("UpToDate", [condition("Ready"), condition("PredictorReady", "Unknown")], PROGRESSING),
        ("InProgress", [condition("Ready")], PROGRESSING),
        ("BlockedByFailedLoad", [condition("Ready")], DEGRADED),
        ("BlockedByFailedLoad", [condition("Stopped")], SUSPENDED),
    ],
)
def test_an_inference_service_is_healthy_once_its_model_is_loaded(step: str, conditions: Any, expected: Any) -> None:
    status = {"conditions": conditions, **({"modelStatus": {"transitionStatus": step}} if step else {})}
    assert word("InferenceService", "serving.kserve.io/v1beta1", status) is expected


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ([], PROGRESSING),
        ([[]], PROGRESSING),
        ([[condition("Accepted"), condition("ResolvedRefs")]], HEALTHY),
        ([[condition("Accepted")], [condition("Accepted", "False")]], DEGRADED),
        ([[condition("ResolvedRefs", "False")]], DEGRADED),
        ([[condition("Accepted"), condition("Programmed", "False")]], PROGRESSING),
        ([[condition("Accepted"), condition("Programmed")]], HEALTHY),
        ([[condition("Accepted", "False", observedGeneration=1)]], PROGRESSING),
        ([[condition("Accepted", "False", observedGeneration=2)]], DEGRADED),
        (
            [[condition("Accepted", observedGeneration=2)], [condition("Accepted", "False", observedGeneration=1)]],
            HEALTHY,
        ),
    ],
)
def test_a_route_is_healthy_once_every_parent_that_has_looked_takes_it(parents: Any, expected: Any) -> None:
    status = {"parents": [{"conditions": conditions} for conditions in parents]}
    assert word("HTTPRoute", "gateway.networking.k8s.io/v1", status, generation=2) is expected


@pytest.mark.parametrize(
    ("mode", "status", "expected"),
    [
        ("sidecar", {"version": "1"}, HEALTHY),
        ("sidecar", None, PROGRESSING),
        ("deployment", {"version": "1"}, PROGRESSING),
        ("daemonset", {"scale": {"statusReplicas": "0/2"}}, DEGRADED),
    ],
)
def test_a_collector_of_telemetry_in_each_pod_has_no_replicas_of_its_own(mode: str, status: Any, expected: Any) -> None:
    assert word("OpenTelemetryCollector", "opentelemetry.io/v1beta1", status, {"mode": mode}) is expected


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_a_route_that_nobody_has_looked_at_is_progressing(kind: str) -> None:
    for status in (None, {}, {"parents": None}, {"parents": [{}]}):
        assert word(kind, "gateway.networking.k8s.io/v1", status) is PROGRESSING


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], DEGRADED),
        ([condition("Accepted", observedGeneration=1)], HEALTHY),
        ([condition("Accepted", "False", observedGeneration=1)], DEGRADED),
        ([condition(name, "True", observedGeneration=1) for name in ("Accepted", "ResolvedRefs")], HEALTHY),
        (
            [condition("Accepted", observedGeneration=1), condition("ResolvedRefs", "False", observedGeneration=1)],
            DEGRADED,
        ),
        ([condition("Accepted", "False", observedGeneration=0)], PROGRESSING),
    ],
)
def test_a_policy_of_airlock_has_to_be_accepted_with_all_that_it_names(conditions: Any, expected: Any) -> None:
    status = {"ancestors": [{"conditions": conditions}]}
    assert word("ContentSecurityPolicy", "microgateway.airlock.com/v1alpha1", status) is expected


def executors(*states: str) -> dict[str, str]:
    return {f"executor-{number}": state for number, state in enumerate(states)}


FROM_ONE_TO_TWO = {"enabled": True, "minExecutors": 1, "maxExecutors": 2}
SETTINGS = {"enabled": "true", "minExecutors": "1", "maxExecutors": "2"}


@pytest.mark.parametrize(
    ("running", "spec", "expected"),
    [
        (2, {"executor": {"instances": 2}}, HEALTHY),
        (1, {"executor": {"instances": 2}}, PROGRESSING),
        (1, {}, HEALTHY),
        (0, {}, PROGRESSING),
        (2, {"dynamicAllocation": FROM_ONE_TO_TWO}, HEALTHY),
        (0, {"dynamicAllocation": FROM_ONE_TO_TWO}, PROGRESSING),
        (3, {"dynamicAllocation": FROM_ONE_TO_TWO}, PROGRESSING),
        (9, {"dynamicAllocation": {"enabled": True, "minExecutors": 1}}, HEALTHY),
        (1, {"executor": {"instances": 5}, "dynamicAllocation": FROM_ONE_TO_TWO}, HEALTHY),
        (1, {"executor": {"instances": 5}, "dynamicAllocation": {**FROM_ONE_TO_TWO, "enabled": False}}, PROGRESSING),
        (1, {"dynamicAllocation": {**FROM_ONE_TO_TWO, "enabled": False}}, PROGRESSING),
        *(
            (
                running,
                {
                    "executor": {"instances": 5},
                    "sparkConf": {f"{prefix}.{name}": value for name, value in settings.items()},
                },
                expected,
            )
            for prefix in ("spark.dynamicAllocation", "spark.streaming.dynamicAllocation")
            for running, settings, expected in (
                (2, SETTINGS, HEALTHY),
                (3, SETTINGS, PROGRESSING),
                (2, {**SETTINGS, "enabled": "false"}, PROGRESSING),
                (3, {**SETTINGS, "maxExecutors": ""}, HEALTHY),
            )
        ),
    ],
)
def test_a_spark_application_is_healthy_while_as_many_executors_run_as_may(
    running: int, spec: Any, expected: Any
) -> None:
    status = {"applicationState": {"state": "RUNNING"}, "executorState": executors(*["RUNNING"] * running, "FAILED")}
    assert word("SparkApplication", "sparkoperator.k8s.io/v1beta2", status, spec) is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("COMPLETED", HEALTHY),
        ("FAILED", DEGRADED),
        ("SUBMISSION_FAILED", DEGRADED),
        ("FAILING", DEGRADED),
        ("INVALIDATING", MISSING),
        ("SUBMITTED", PROGRESSING),
        ("RUNNING", PROGRESSING),
    ],
)
def test_a_spark_application_that_does_not_run_is_what_its_state_says(state: str, expected: Any) -> None:
    assert word("SparkApplication", "sparkoperator.k8s.io/v1beta2", {"applicationState": {"state": state}}) is expected


@pytest.mark.parametrize(("available", "expected"), [(None, UNKNOWN), (1, PROGRESSING), (2, HEALTHY), (3, UNKNOWN)])
def test_an_elasticsearch_is_judged_by_its_colour_once_every_node_is_there(available: Any, expected: Any) -> None:
    status = {"availableNodes": available, "phase": "Ready", "health": "green"}
    spec = {"nodeSets": [{"count": 1}, {"count": 1}, {}]}
    assert word("Elasticsearch", "elasticsearch.k8s.elastic.co/v1", status, spec) is expected


@pytest.mark.parametrize(
    ("state", "approval", "expected"),
    [
        ("AtLatestKnown", "Automatic", HEALTHY),
        ("UpgradeFailed", "Automatic", DEGRADED),
        ("UpgradeAvailable", "Automatic", PROGRESSING),
        ("UpgradePending", "Automatic", PROGRESSING),
        ("UpgradePending", "Manual", HEALTHY),
    ],
)
def test_a_subscription_whose_upgrade_waits_for_approval_is_healthy(state: str, approval: str, expected: Any) -> None:
    waits = condition("InstallPlanPending", reason="RequiresApproval")
    conditions = [condition("CatalogSourcesUnhealthy", "False"), *([waits] if approval == "Manual" else [])]
    status = {"state": state, "installedCSV": "operator.v1", "conditions": conditions}
    spec = {"installPlanApproval": approval}
    assert word("Subscription", "operators.coreos.com/v1alpha1", status, spec) is expected
    assert word("Subscription", "operators.coreos.com/v1alpha1", {**status, "conditions": []}, spec) is PROGRESSING
