"""Health words held against what other tools say of the same objects."""

import json
import lzma
from pathlib import Path

import pytest

from gitops.engine.custom_health import _judge_of, _lines, custom_health
from gitops.engine.health import health_of
from gitops.engine.kstatus import kstatus_of
from gitops.model.health import Health, HealthWord

RECORDED = Path(__file__).resolve().parents[1] / "data/recorded/health"


def cases_of(name):
    return json.loads(lzma.decompress((RECORDED / f"{name}.json.xz").read_bytes()))


# Recorded while they were being deleted, or with a status of an older spec: to Argo CD they are as they stand.
GOING_OR_OLD = ("kafka.strimzi.io/", "rabbitmq.com/Exchange/")


def test_every_object_has_the_word_that_argo_cd_gives_it_unless_it_goes_or_its_status_is_old():
    wrong = {
        case["id"]: (case["status"], found.value)
        for case in cases_of("argo")
        if (found := health_of(case["object"]).word) != case["status"]
    }
    assert {name: words for name, words in wrong.items() if not name.startswith(GOING_OR_OLD)} == {}
    assert {found for _, found in wrong.values()} == {"Progressing"}


def test_every_object_has_the_word_that_kstatus_gives_it():
    cases = cases_of("kstatus")
    assert [case["id"] for case in cases if kstatus_of(case["object"]) != case["status"]] == []


def test_no_recorded_object_is_beyond_understanding():
    for name in ("argo", "kstatus"):
        for case in cases_of(name):
            assert isinstance(health_of(case["object"]).word, HealthWord)


def test_every_rule_can_be_read_and_judges_an_object_without_a_status():
    for name in _lines():
        group, _, kind = name.replace("*", "x").partition("/")
        judge = _judge_of(f"{group}/{kind}")
        assert judge is not None
        body = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "x", "generation": 1}, "spec": {}}
        for status in ({}, {"status": {"conditions": [], "phase": 1}}):
            word, _ = judge({**body, **status})
            assert isinstance(word, HealthWord)


def test_what_a_status_says_of_an_older_spec_is_not_believed():
    kustomization = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "x", "generation": 2},
        "spec": {},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert health_of(kustomization).word is HealthWord.PROGRESSING
    assert health_of({**kustomization, "spec": {"suspend": True}}).word is HealthWord.SUSPENDED
    kustomization["status"]["observedGeneration"] = 2
    assert health_of(kustomization).word is HealthWord.HEALTHY


def test_what_nobody_looks_at_is_healthy_as_it_is_made():
    """source-controller leaves a HelmRepository of OCI charts as the definition's default made its status."""
    body = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository", "metadata": {"generation": 1}}
    status = {"observedGeneration": -1}
    assert health_of({**body, "spec": {"type": "oci"}, "status": status}).word is HealthWord.HEALTHY
    assert health_of({**body, "spec": {}, "status": status}).word is HealthWord.PROGRESSING


@pytest.mark.parametrize(
    ("phase", "word", "final"),
    [
        ("", HealthWord.PROGRESSING, False),
        ("Running", HealthWord.PROGRESSING, False),
        ("Succeeded", HealthWord.HEALTHY, False),
        ("Error", HealthWord.DEGRADED, True),
    ],
)
def test_a_workflow_is_judged_like_a_job(phase, word, final):
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"}}
    health = health_of({**workflow, "status": {"phase": phase} if phase else {}})
    assert (health.word, health.final) == (word, final)


@pytest.mark.parametrize("reason", ["FailedGetExternalMetric", "FailedComputeMetricsReplicas", "InvalidSelector"])
def test_an_autoscaler_that_cannot_read_its_metrics_is_degraded(reason):
    condition = {"type": "ScalingActive", "status": "False", "reason": reason, "message": "no metrics"}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}
    assert health_of({**body, "status": {"conditions": [condition]}}) == Health(HealthWord.DEGRADED, "no metrics")
    disabled = {**condition, "reason": "ScalingDisabled"}
    assert health_of({**body, "status": {"conditions": [disabled]}}).word is HealthWord.HEALTHY


def certificate(*conditions):
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "x"},
        "status": {"conditions": list(conditions)},
    }


def test_a_custom_kind_is_judged_by_its_rule_and_says_why():
    issuing = {"type": "Issuing", "status": "True", "message": "Issuing certificate"}
    ready = {"type": "Ready", "status": "False", "message": "no such issuer"}
    assert custom_health("cert-manager.io", "Certificate", certificate(issuing, ready)).word is HealthWord.PROGRESSING
    found = custom_health("cert-manager.io", "Certificate", certificate(ready))
    assert (found.word, found.message) == (HealthWord.DEGRADED, "no such issuer")


def test_a_kind_without_a_rule_is_left_to_the_generic_conditions():
    assert custom_health("example.com", "Widget", {"metadata": {}}) is None
