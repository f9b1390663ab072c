"""Pod Security in the embedded cluster against what a real kube-apiserver said of the same Pods."""

import json
from pathlib import Path

import pytest

from gitops.sandbox.pod_warnings import take_apparmor
from gitops.sandbox.podsecurity import level_of, violations, wrong_labels
from gitops.sandbox.resources import Registry
from gitops.sandbox.writes import decoded

RECORDED = Path(__file__).resolve().parents[1] / "data/recorded/podsecurity"
LABEL = "pod-security.kubernetes.io/"


def judged(case, level, version="latest"):
    """What is said of a new Pod where `level` is enforced at `version`."""
    resource = Registry().find("", "v1", "pods")
    metadata = {"name": "web", "annotations": case.get("annotations") or {}}
    body, _ = decoded(resource, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": case["spec"]})
    take_apparmor(body)
    labels = {f"{LABEL}enforce": level, f"{LABEL}enforce-version": version}
    at = level_of({"metadata": {"labels": labels}}, "enforce")
    found = violations(body["metadata"], body["spec"], at)
    return f'violates PodSecurity "{at.text}": {found}' if found else ""


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_every_recorded_pod_is_judged_alike(level):
    cases = json.loads((RECORDED / "cases.json").read_text())
    answers = {case["name"]: judged(case, level) for case in cases}
    assert answers == {case["name"]: case[level] for case in cases}


def test_every_recorded_pod_is_judged_by_the_rules_of_the_version_that_its_namespace_names():
    cases = json.loads((RECORDED / "versions.json").read_text())
    assert [judged(case, case["level"], case["version"]) for case in cases] == [case["said"] for case in cases]


def test_what_is_enforced_is_warned_of_where_nothing_is_said_of_warnings():
    labels = {f"{LABEL}enforce": "restricted", f"{LABEL}enforce-version": "v1.30"}
    assert level_of({"metadata": {"labels": labels}}, "warn").text == "restricted:v1.30"
    assert level_of({"metadata": {"labels": {**labels, f"{LABEL}warn-version": "v1.31"}}}, "warn").minor == 31
    assert level_of({"metadata": {"labels": {**labels, f"{LABEL}warn": "baseline"}}}, "warn").text == "baseline:latest"
    assert level_of({"metadata": {}}, "warn").name == "privileged"


def test_labels_that_name_no_level_and_no_version_are_wrong():
    labels = {f"{LABEL}enforce": "strict", f"{LABEL}warn-version": "v1.08", f"{LABEL}audit-version": "v1.40"}
    assert [(label, value) for label, value, _ in wrong_labels(labels)] == [
        (f"{LABEL}enforce", "strict"),
        (f"{LABEL}warn-version", "v1.08"),
    ]
