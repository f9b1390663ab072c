"""Pod Security in the embedded cluster against what a real kube-apiserver said of the same Pods."""

import json
from pathlib import Path

import pytest

from gitops.sandbox.podsecurity import violations
from gitops.sandbox.resources import Registry
from gitops.sandbox.writes import decoded

RECORDED = Path(__file__).resolve().parents[1] / "data/recorded/podsecurity/cases.json"


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_every_recorded_pod_is_judged_alike(level):
    resource = Registry().find("", "v1", "pods")
    wrong = []
    for case in json.loads(RECORDED.read_text()):
        metadata = {"name": "web", "annotations": case.get("annotations") or {}}
        body, _ = decoded(resource, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": case["spec"]})
        found = violations(body["metadata"], body["spec"], level)
        told = f'violates PodSecurity "{level}:latest": {found}' if found else ""
        if told != case[level]:
            wrong.append(f"{case['name']}: want {case[level]!r} got {told!r}")
    assert not wrong, "\n".join(wrong)
