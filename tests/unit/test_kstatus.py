"""The words of kstatus: each rule at the number or the word where it turns."""

import pytest

from gitops.engine.kstatus import Kstatus, kstatus_of

CURRENT, IN_PROGRESS, FAILED = Kstatus.CURRENT, Kstatus.IN_PROGRESS, Kstatus.FAILED


def found(api, kind, status=None, spec=None):
    return kstatus_of({"apiVersion": api, "kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status})


def told(**conditions):
    return {"conditions": [{"type": name, "status": word} for name, word in conditions.items()]}


@pytest.mark.parametrize(
    ("updated", "partition", "word"),
    [(2, 1, CURRENT), (1, 1, IN_PROGRESS), (3, 0, CURRENT), (2, 0, IN_PROGRESS), (0, 3, CURRENT)],
)
def test_a_stateful_set_with_a_partition_waits_for_the_pods_behind_it_alone(updated, partition, word):
    spec = {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": partition}}}
    status = {"replicas": 3, "readyReplicas": 3, "updatedReplicas": updated}
    assert found("apps/v1", "StatefulSet", status, spec) is word


def test_a_workload_scaled_to_nothing_is_current_although_no_count_is_written():
    running = [
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ]
    seen = {"observedGeneration": 2}
    assert found("apps/v1", "Deployment", {**seen, "conditions": running}, {"replicas": 0}) is CURRENT
    assert found("apps/v1", "ReplicaSet", seen, {"replicas": 0}) is CURRENT
    assert found("apps/v1", "StatefulSet", seen, {"replicas": 0}) is CURRENT


@pytest.mark.parametrize(
    ("status", "reason", "deadline", "word"),
    [
        ("True", "NewReplicaSetAvailable", 600, CURRENT),
        ("True", "ReplicaSetUpdated", 600, IN_PROGRESS),
        ("Unknown", "NewReplicaSetAvailable", 600, IN_PROGRESS),
        ("True", "ReplicaSetUpdated", 2**31 - 1, CURRENT),
        ("False", "ProgressDeadlineExceeded", 600, FAILED),
    ],
)
def test_a_deployment_with_a_deadline_is_current_once_its_new_replica_set_is_there(status, reason, deadline, word):
    conditions = [
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": status, "reason": reason},
    ]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    seen = {"observedGeneration": 2, "conditions": conditions, **counts}
    assert found("apps/v1", "Deployment", seen, {"replicas": 1, "progressDeadlineSeconds": deadline}) is word


@pytest.mark.parametrize("missing", ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"])
def test_a_daemon_set_is_not_current_while_a_count_is_missing_or_too_low(missing):
    counts = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    whole = {"observedGeneration": 2, "desiredNumberScheduled": 1, **dict.fromkeys(counts, 1)}
    assert found("apps/v1", "DaemonSet", whole) is CURRENT
    assert found("apps/v1", "DaemonSet", {**whole, missing: 0}) is IN_PROGRESS
    assert found("apps/v1", "DaemonSet", {name: n for name, n in whole.items() if name != missing}) is IN_PROGRESS


@pytest.mark.parametrize(
    ("conditions", "word"),
    [
        ({"NamesAccepted": "True", "Established": "True"}, CURRENT),
        ({"NamesAccepted": "True", "Established": "False"}, IN_PROGRESS),
        ({"NamesAccepted": "True"}, IN_PROGRESS),
        ({"NamesAccepted": "False", "Established": "True"}, FAILED),
    ],
)
def test_a_definition_is_current_when_it_is_established(conditions, word):
    assert found("apiextensions.k8s.io/v1", "CustomResourceDefinition", told(**conditions)) is word


def test_a_custom_object_is_in_progress_while_it_says_so_and_current_when_it_says_nothing():
    words = ("True", "False", "Unknown")
    assert [found("a.dev/v1", "A", told(Ready=word)) for word in words] == [CURRENT, IN_PROGRESS, IN_PROGRESS]
    assert found("a.dev/v1", "A", told(Stalled="True")) is FAILED
    assert found("a.dev/v1", "A", {"observedGeneration": 1}) is IN_PROGRESS
    assert found("a.dev/v1", "A") is CURRENT
