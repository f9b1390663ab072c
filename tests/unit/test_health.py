"""One object at a time: the rules for built-in kinds, and the generic ones."""

import json

import pytest

from gitops.engine.custom_health import _message
from gitops.engine.health import health_of, is_of_past_runs
from gitops.engine.pod_failure import pod_trouble
from gitops.manifests.cel import CelError, check_bounded
from gitops.manifests.key import ResourceKey
from gitops.model.application import HealthRule
from gitops.model.health import HEALTHY, Health, HealthWord, worst


def body(kind, api, status=None, spec=None, generation=1):
    metadata = {"name": "x", "generation": generation}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status or {}}


def deployment(status, **spec):
    return body("Deployment", "apps/v1", {"observedGeneration": 1, **status}, {"replicas": 3, **spec})


def test_a_deployment_is_healthy_when_every_replica_is_new_and_available():
    status = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    assert health_of(deployment(status)) == HEALTHY


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"observedGeneration": 0}, "waiting for the rollout"),
        ({"replicas": 3, "updatedReplicas": 1}, "1 of 3 new replicas"),
        ({"replicas": 5, "updatedReplicas": 3}, "2 old replicas are pending"),
        ({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 2}, "2 of 3 updated replicas are available"),
    ],
)
def test_a_deployment_on_its_way_says_what_is_missing(status, message):
    found = health_of(deployment(status))
    assert found.word is HealthWord.PROGRESSING
    assert message in found.message


def test_a_deployment_past_its_deadline_is_degraded_for_good():
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}
    assert health_of(deployment({"conditions": [condition]})) == Health(HealthWord.DEGRADED, "late", final=True)


def test_a_failed_job_is_degraded_for_good_and_a_running_one_is_not_done():
    failed = {"conditions": [{"type": "Failed", "status": "True", "message": "backoff"}]}
    assert health_of(body("Job", "batch/v1", failed)) == Health(HealthWord.DEGRADED, "backoff", final=True)
    assert health_of(body("Job", "batch/v1", {"active": 1})).word is HealthWord.PROGRESSING


def test_what_is_being_deleted_is_progressing_whatever_it_is():
    dying = body("ConfigMap", "v1")
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert health_of(dying).word is HealthWord.PROGRESSING


def test_the_container_that_cannot_run_is_named():
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    pod = body("Pod", "v1", {"phase": "Pending", "containerStatuses": [{"name": "web", "state": waiting}]})
    assert str(pod_trouble(pod)) == "pod x: container web: ImagePullBackOff: Back-off pulling image"
    assert health_of(pod).word is HealthWord.DEGRADED


def test_a_custom_object_is_judged_by_its_conditions():
    stalled = {"observedGeneration": 1, "conditions": [{"type": "Stalled", "status": "True", "message": "no"}]}
    assert health_of(body("Widget", "example.com/v1", stalled)).word is HealthWord.DEGRADED
    waiting = {"conditions": [{"type": "Ready", "status": "False", "message": "soon"}]}
    assert health_of(body("Widget", "example.com/v1", waiting)).message == "soon"
    assert health_of(body("Widget", "example.com/v1", {"conditions": "odd"})) == HEALTHY


def test_what_a_custom_object_says_is_first_of_all_what_is_not_as_it_should_be():
    said = {"type": "Synced", "status": "True", "message": "all is sent"}
    ready = {"type": "Ready", "status": "False", "message": "no room"}
    widget = body("XPostgreSQL", "database.example.org/v1", {"conditions": [said, ready], "phase": "Waiting"})
    assert _message(widget) == "no room"
    assert _message(body("Widget", "x/v1", {"conditions": [said], "phase": "Waiting"})) == "Waiting"
    assert _message(body("Widget", "x/v1", {"conditions": [said]})) == "all is sent"
    assert _message(body("Widget", "x/v1", None)) == "waiting for its controller"


def test_a_whole_is_as_well_as_its_worst_part():
    assert worst([HEALTHY, Health(HealthWord.DEGRADED), Health(HealthWord.PROGRESSING)]).word is HealthWord.DEGRADED
    assert worst([]) == HEALTHY


def test_a_users_own_rule_goes_before_ours():
    rule = HealthRule("example.com", "Widget", degraded="status.phase == 'Broken'", healthy="status.phase == 'Done'")
    words = [
        health_of(body("Widget", "example.com/v1", status), (rule,)).word
        for status in ({"phase": "Done"}, {"phase": "Broken"}, {"phase": "Busy"}, {})
    ]
    assert words == [HealthWord.HEALTHY, HealthWord.DEGRADED, HealthWord.PROGRESSING, HealthWord.PROGRESSING]
    assert health_of(body("Gadget", "example.com/v1"), (rule,)) == HEALTHY


def test_a_stateful_set_whose_pods_are_all_of_one_before_it_is_not_healthy_yet():
    """It was made again and its Pods were left: both revisions are the new one's name until the first Pod is made."""
    names = {"currentRevision": "web-2", "updateRevision": "web-2"}
    status = {"observedGeneration": 1, "readyReplicas": 3, **names}
    assert health_of(body("StatefulSet", "apps/v1", status, {"replicas": 3})).word is HealthWord.PROGRESSING
    done = {**status, "currentReplicas": 3, "updatedReplicas": 3}
    assert health_of(body("StatefulSet", "apps/v1", done, {"replicas": 3})) == HEALTHY


@pytest.mark.parametrize(
    ("kind", "updated", "partition", "word"),
    [
        ("GameServerSet", 2, 1, HealthWord.SUSPENDED),
        ("GameServerSet", 1, 1, HealthWord.PROGRESSING),
        ("GameServerSet", 1, 0, HealthWord.PROGRESSING),
        ("StatefulSet", 3, 1, HealthWord.SUSPENDED),
        ("StatefulSet", 2, 1, HealthWord.PROGRESSING),
        ("StatefulSet", 2, 0, HealthWord.DEGRADED),
    ],
)
def test_a_set_of_kruise_is_suspended_once_all_but_its_partition_is_new(kind, updated, partition, word):
    api = "game.kruise.io/v1alpha1" if kind == "GameServerSet" else "apps.kruise.io/v1beta1"
    spec = {"updateStrategy": {"rollingUpdate": {"partition": partition}}}
    status = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "updatedAvailableReplicas": updated}
    assert health_of(body(kind, api, status, spec, generation=2)).word is word


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        ("Healthy", HealthWord.HEALTHY),
        ("Degraded", HealthWord.DEGRADED),
        ("Progressing", HealthWord.PROGRESSING),
        ("Paused", HealthWord.SUSPENDED),
        ("Sideways", HealthWord.UNKNOWN),
    ],
)
def test_a_rollout_is_what_its_phase_says_and_unknown_where_that_is_a_new_word(phase, word):
    assert health_of(body("Rollout", "argoproj.io/v1alpha1", {"phase": phase, "observedGeneration": "1"})).word is word


def test_a_pod_that_crashes_is_degraded_but_may_yet_recover():
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    status = {"phase": "Running", "containerStatuses": [{"name": "web", "state": waiting}]}
    found = health_of(body("Pod", "v1", status))
    assert (found.word, found.final, found.has_failed) == (HealthWord.DEGRADED, False, False)


def test_a_rule_with_a_loop_is_given_no_more_than_it_may_waste_time_on():
    rule = HealthRule("example.com", "Widget", healthy="status.conditions.exists(c, c.type == 'Ready')")
    body = widget(conditions=[{"type": "Ready"}])
    body["spec"] = {"big": "x" * 20_000}
    assert health_of(body, (rule,)).word is HealthWord.HEALTHY, "the rule does not look at it"
    body["status"]["big"] = "x" * 20_000
    judged = health_of(body, (rule,))
    assert judged.word is HealthWord.UNKNOWN
    assert "has a loop" in judged.message


def test_a_rule_that_was_slow_is_not_evaluated_again(monkeypatch):
    monkeypatch.setattr("gitops.manifests.cel._SLOW_SECONDS", -1.0)
    rule = HealthRule("example.com", "Widget", healthy="status.phase == 'Slow'")
    assert health_of(widget(phase="Slow"), (rule,)).word is HealthWord.HEALTHY
    assert "has taken too long before" in health_of(widget(phase="Slow"), (rule,)).message


def widget(**status):
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": status}


@pytest.mark.parametrize(
    "expression",
    [
        "status.conditions.exists(c, c.reason == 'A+B')",
        "status.message.contains('join (the quorum)')",
        "status.a + status.b == 2 && status.l.exists(x, x == 1)",
    ],
)
def test_a_rule_is_not_refused_for_what_it_only_quotes(expression):
    check_bounded(expression)


@pytest.mark.parametrize("expression", ["status.l.all(x, [x] + status.l == [])", "status.l.map(x, x)"])
def test_a_rule_that_can_grow_a_value_is_refused(expression):
    with pytest.raises(CelError, match="values of any size"):
        check_bounded(expression)


def test_annotations_count_for_a_rule_that_names_them_only():
    rule = HealthRule("example.com", "Widget", healthy="status.l.exists(x, x == 1) && metadata.generation >= 1")
    body = widget(l=[1])
    body["metadata"] |= {"generation": 1, "annotations": {"big": "x" * 20_000}}
    assert health_of(body, (rule,)).word is HealthWord.HEALTHY


@pytest.mark.parametrize(
    ("phase", "word"),
    [("Bound", HealthWord.HEALTHY), ("Pending", HealthWord.PROGRESSING), ("Lost", HealthWord.DEGRADED)],
)
def test_a_claim_is_healthy_once_it_is_bound(phase, word):
    assert health_of(body("PersistentVolumeClaim", "v1", {"phase": phase})).word is word


@pytest.mark.parametrize(
    ("status", "spec", "word"),
    [
        ({}, {}, HealthWord.HEALTHY),
        ({"lastScheduleTime": "2026-01-01T00:00:00Z"}, {}, HealthWord.HEALTHY),
        ({"lastScheduleTime": "2026-01-02T00:00:00Z"}, {}, HealthWord.DEGRADED),
        ({"lastScheduleTime": "2026-01-02T00:00:00Z", "lastSuccessfulTime": None}, {}, HealthWord.HEALTHY),
        ({"lastScheduleTime": "2026-01-02T00:00:00Z", "active": [{"name": "x"}]}, {}, HealthWord.HEALTHY),
        ({"lastScheduleTime": "2026-01-02T00:00:00Z"}, {"suspend": True}, HealthWord.HEALTHY),
        ({"lastScheduleTime": "2026-01-01T00:00:30Z"}, {}, HealthWord.HEALTHY),
        ({"lastScheduleTime": None}, {}, HealthWord.HEALTHY),
    ],
)
def test_a_cron_job_is_as_healthy_as_its_last_run(status, spec, word):
    status = {"lastSuccessfulTime": "2026-01-01T00:00:30Z", **status} if status else {}
    found = health_of(body("CronJob", "batch/v1", status, spec))
    assert found.word is word
    assert found.has_failed is False, "its next run may succeed"


def test_the_health_of_a_cron_job_alone_is_that_of_past_runs():
    kinds = [("batch", "CronJob"), ("batch", "Job"), ("example.com", "CronJob")]
    assert [is_of_past_runs(ResourceKey(*kind, "shop", "x")) for kind in kinds] == [True, False, False]


@pytest.mark.parametrize(
    ("kind", "api", "spec", "needs_address"),
    [
        ("Service", "v1", {"type": "LoadBalancer"}, True),
        ("Service", "v1", {"type": "ClusterIP"}, False),
        ("Service", "v1", {}, False),
        ("Ingress", "networking.k8s.io/v1", {}, True),
    ],
)
def test_what_is_reached_from_outside_is_healthy_once_it_has_an_address(kind, api, spec, needs_address):
    for status in ({}, {"loadBalancer": None}, {"loadBalancer": {"ingress": []}}):
        found = health_of(body(kind, api, status, spec))
        assert found.word is (HealthWord.PROGRESSING if needs_address else HealthWord.HEALTHY)
        assert ("address" in found.message) is needs_address
    assert health_of(body(kind, api, {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}, spec)) == HEALTHY


@pytest.mark.parametrize(
    ("phase", "ready", "restarts", "word"),
    [
        ("Succeeded", False, "Never", HealthWord.HEALTHY),
        ("Failed", False, "Never", HealthWord.DEGRADED),
        ("Pending", False, "Always", HealthWord.PROGRESSING),
        ("Running", True, "Always", HealthWord.HEALTHY),
        ("Running", True, None, HealthWord.HEALTHY),
        ("Running", False, "Always", HealthWord.PROGRESSING),
        ("Running", True, "Never", HealthWord.PROGRESSING),
        ("Running", True, "OnFailure", HealthWord.PROGRESSING),
        ("Pending", True, "Always", HealthWord.PROGRESSING),
    ],
)
def test_a_pod_that_ends_is_healthy_when_it_has_and_another_when_it_is_ready(phase, ready, restarts, word):
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    found = health_of(body("Pod", "v1", status, {"restartPolicy": restarts} if restarts else {}))
    assert found.word is word
    assert found.final is (phase == "Failed")


def test_a_deployment_or_job_that_somebody_stopped_is_suspended():
    assert health_of(deployment({}, paused=True)).word is HealthWord.SUSPENDED
    assert health_of(body("Job", "batch/v1", {}, {"suspend": True})).word is HealthWord.SUSPENDED
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert health_of(body("Job", "batch/v1", done, {"suspend": True})) == HEALTHY


@pytest.mark.parametrize(
    ("kind", "spec", "healthy"),
    [
        ("Deployment", {}, {"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}),
        ("Deployment", {"replicas": 0}, {}),
        ("ReplicaSet", {}, {"availableReplicas": 1}),
        ("ReplicaSet", {"replicas": 0}, {}),
        ("StatefulSet", {}, {"readyReplicas": 1, "updatedReplicas": 1}),
        ("StatefulSet", {"replicas": 0}, {}),
        ("DaemonSet", {}, {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}),
        ("DaemonSet", {}, {}),
    ],
)
def test_a_count_that_is_not_written_is_none_and_a_spec_without_one_wants_one(kind, spec, healthy):
    seen = {"observedGeneration": 1}
    assert health_of(body(kind, "apps/v1", seen | healthy, spec)) == HEALTHY
    for name in healthy.keys() - {"replicas", "desiredNumberScheduled"}:
        less = {other: count for other, count in healthy.items() if other != name}
        assert health_of(body(kind, "apps/v1", seen | less, spec)).word is HealthWord.PROGRESSING, name
    assert health_of(body(kind, "apps/v1", healthy, spec)).word is HealthWord.PROGRESSING, "nobody has looked at it"
    assert health_of(body(kind, "apps/v1", healthy, spec, generation=None)) == HEALTHY


def autoscaler(*conditions, **metadata):
    made = body("HorizontalPodAutoscaler", "autoscaling/v2", {"conditions": list(conditions)})
    return {**made, "metadata": {**made["metadata"], **metadata}}


def test_an_autoscaler_is_judged_once_its_controller_has_looked():
    failed = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}
    annotation = {"autoscaling.alpha.kubernetes.io/conditions": json.dumps([failed])}
    assert health_of(autoscaler()).word is HealthWord.PROGRESSING
    assert health_of(autoscaler(failed)) == Health(HealthWord.DEGRADED, "FailedGetResourceMetric")
    assert health_of(autoscaler(annotations=annotation)) == Health(HealthWord.DEGRADED, "FailedGetResourceMetric")
    assert health_of(autoscaler({**failed, "status": "True"})) == HEALTHY
    assert health_of(autoscaler({**failed, "type": "ScalingLimited"})) == HEALTHY
    assert health_of(autoscaler({**failed, "type": "AbleToScale"})).word is HealthWord.DEGRADED


def test_what_is_being_reconciled_says_so_whatever_else_is_true():
    reconciling = {"type": "Reconciling", "status": "True"}
    stalled, ready = {"type": "Stalled", "status": "True"}, {"type": "Ready", "status": "Unknown"}

    def judged(*conditions):
        return health_of(widget(conditions=conditions and list(conditions)))

    assert judged(reconciling, stalled) == Health(HealthWord.PROGRESSING, "is reconciling")
    assert judged({**reconciling, "message": "step 2"}, ready) == Health(HealthWord.PROGRESSING, "step 2")
    assert judged({**reconciling, "status": "False"}, stalled) == Health(HealthWord.DEGRADED, "is stalled", final=True)
    assert judged(ready) == Health(HealthWord.PROGRESSING, "is not ready")
    assert judged({**ready, "reason": "Starting"}) == Health(HealthWord.PROGRESSING, "Starting")
    assert judged({**ready, "status": "True"}, {**stalled, "status": "False"}) == HEALTHY
    assert judged() == HEALTHY


def test_a_failure_without_words_is_told_in_ours():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    assert health_of(deployment({"conditions": [late]})).message == "exceeded its progress deadline"
    failed = {"observedGeneration": 1, "conditions": [{"type": "ReplicaFailure", "status": "True"}]}
    assert health_of(body("ReplicaSet", "apps/v1", failed)).message == "pods could not be created"
    assert health_of(body("Job", "batch/v1", {"conditions": [{"type": "Failed", "status": "True"}]})).message


def test_a_namespace_that_goes_is_not_healthy():
    assert health_of(body("Namespace", "v1")) == HEALTHY
    assert health_of(body("Namespace", "v1", {"phase": "Active"})) == HEALTHY
    assert health_of(body("Namespace", "v1", {"phase": "Terminating"})).word is HealthWord.PROGRESSING


@pytest.mark.parametrize(
    ("status", "spec", "word", "message"),
    [
        ({"readyReplicas": 2}, {}, HealthWord.PROGRESSING, "2 of 3 replicas are ready"),
        ({"readyReplicas": 3, "updatedReplicas": 1}, {"partition": 1}, HealthWord.PROGRESSING, "1 of 2 updated"),
        ({"readyReplicas": 3, "updatedReplicas": 2}, {"partition": 1}, HealthWord.HEALTHY, ""),
        ({"readyReplicas": 3, "updatedReplicas": 0}, {"partition": 3}, HealthWord.HEALTHY, ""),
        (
            {"readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"},
            {},
            HealthWord.PROGRESSING,
            "1 of 3 replicas have been updated",
        ),
        ({"readyReplicas": 3, "updatedReplicas": 1}, {"type": "OnDelete"}, HealthWord.HEALTHY, ""),
    ],
)
def test_a_stateful_set_is_healthy_once_all_but_its_partition_is_new(status, spec, word, message):
    strategy = {"type": spec.get("type", "RollingUpdate"), "rollingUpdate": {"partition": spec.get("partition")}}
    found = health_of(
        body("StatefulSet", "apps/v1", {"observedGeneration": 1, **status}, {"replicas": 3, "updateStrategy": strategy})
    )
    assert (found.word, found.message) == (word, message)


@pytest.mark.parametrize(
    ("status", "spec", "word"),
    [
        ({"desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberAvailable": 3}, {}, HealthWord.PROGRESSING),
        ({"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}, {}, HealthWord.PROGRESSING),
        ({"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}, {}, HealthWord.HEALTHY),
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1},
            {"updateStrategy": {"type": "OnDelete"}},
            HealthWord.HEALTHY,
        ),
        ({"observedGeneration": 0}, {}, HealthWord.PROGRESSING),
    ],
)
def test_a_daemon_set_is_healthy_once_every_node_runs_the_new_one(status, spec, word):
    found = health_of(body("DaemonSet", "apps/v1", {"observedGeneration": 1, **status}, spec))
    assert found.word is word


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"availableReplicas": 1}, HealthWord.PROGRESSING),
        ({"availableReplicas": 2}, HealthWord.HEALTHY),
        (
            {"availableReplicas": 2, "conditions": [{"type": "ReplicaFailure", "status": "True"}]},
            HealthWord.DEGRADED,
        ),
        (
            {"availableReplicas": 2, "conditions": [{"type": "ReplicaFailure", "status": "False"}]},
            HealthWord.HEALTHY,
        ),
    ],
)
def test_a_replica_set_is_healthy_once_its_replicas_are_available(status, word):
    found = health_of(body("ReplicaSet", "apps/v1", {"observedGeneration": 1, **status}, {"replicas": 2}))
    assert found.word is word


def test_an_api_of_an_aggregated_server_is_healthy_once_it_is_served():
    def found(**condition):
        conditions = [{"type": "Available", **condition}] if condition else []
        return health_of(body("APIService", "apiregistration.k8s.io/v1", {"conditions": conditions}))

    assert found(status="True") == HEALTHY
    assert found(status="False", message="no endpoints") == Health(HealthWord.PROGRESSING, "no endpoints")
    assert found() == Health(HealthWord.PROGRESSING, "waiting for the API to be served")


@pytest.mark.parametrize(
    ("strategy", "status", "word"),
    [
        ({"canary": {}}, {"stableRS": "new"}, HealthWord.HEALTHY),
        ({"canary": {}}, {"stableRS": "old"}, HealthWord.PROGRESSING),
        ({"canary": {}}, {"stableRS": "new", "replicas": 3}, HealthWord.PROGRESSING),
        ({"canary": {}}, {"stableRS": "new", "updatedReplicas": 1}, HealthWord.PROGRESSING),
        ({"canary": {}}, {"stableRS": "new", "availableReplicas": 1}, HealthWord.PROGRESSING),
        ({"blueGreen": {}}, {"stableRS": "new", "blueGreen": {"activeSelector": "new"}}, HealthWord.HEALTHY),
        ({"blueGreen": {}}, {"stableRS": "new", "blueGreen": {"activeSelector": "old"}}, HealthWord.PROGRESSING),
        ({"blueGreen": {}}, {"stableRS": "old", "blueGreen": {"activeSelector": "new"}}, HealthWord.PROGRESSING),
    ],
)
def test_a_rollout_that_says_no_phase_is_judged_by_its_replicas(strategy, status, word):
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    status = {"observedGeneration": "1", "currentPodHash": "new", **counts, **status}
    spec = {"replicas": 2, "strategy": strategy}
    assert health_of(body("Rollout", "argoproj.io/v1alpha1", status, spec)).word is word


def test_a_set_of_game_servers_that_is_scaled_to_nothing_is_healthy():
    status = {"observedGeneration": 1}
    assert health_of(body("GameServerSet", "game.kruise.io/v1alpha1", status)).word is HealthWord.HEALTHY


@pytest.mark.parametrize(
    ("mode", "replicas", "word"),
    [
        ("deployment", "2/2", HealthWord.HEALTHY),
        ("deployment", "1/2", HealthWord.PROGRESSING),
        ("deployment", "1/1", HealthWord.HEALTHY),
        ("deployment", "0/2", HealthWord.DEGRADED),
        ("deployment", "0/0", HealthWord.DEGRADED),
        ("daemonset", "0/0", HealthWord.HEALTHY),
        ("deployment", "soon", HealthWord.PROGRESSING),
    ],
)
def test_a_collector_of_telemetry_is_as_healthy_as_its_replicas(mode, replicas, word):
    status = {"scale": {"statusReplicas": replicas}}
    collector = body("OpenTelemetryCollector", "opentelemetry.io/v1beta1", status, {"mode": mode})
    assert health_of(collector).word is word
