"""Health words held against what other tools say of the same objects."""

import json
from pathlib import Path

import pytest

from gitops.engine.custom_health import _judge_of, _lines, custom_health
from gitops.engine.health import health_of
from gitops.engine.kstatus import kstatus_of
from gitops.model.health import HealthWord

RECORDED = Path(__file__).resolve().parents[3] / "shared/conformance/health"
recorded = pytest.mark.skipif(not RECORDED.exists(), reason="the recorded objects are not beside this checkout")


@recorded
def test_nearly_every_object_has_the_word_that_argo_cd_gives_it():
    cases = json.loads((RECORDED / "argo.json").read_text())
    wrong = [
        (case["id"], case["status"], found.value)
        for case in cases
        if (found := health_of(case["object"]).word) != case["status"]
    ]
    assert len(wrong) <= len(cases) * 0.02, wrong


@recorded
def test_every_object_has_the_word_that_kstatus_gives_it():
    cases = json.loads((RECORDED / "kstatus.json").read_text())
    assert [case["id"] for case in cases if kstatus_of(case["object"]) != case["status"]] == []


@recorded
def test_no_recorded_object_is_beyond_understanding():
    for name in ("argo.json", "kstatus.json"):
        for case in json.loads((RECORDED / name).read_text()):
            assert isinstance(health_of(case["object"]).word, HealthWord)


def test_every_rule_can_be_read_and_judges_an_object_without_a_status():
    for name in _lines():
        group, _, kind = name.replace("*", "x").partition("/")
        judge = _judge_of(f"{group}/{kind}")
        assert judge is not None
        body = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "x", "generation": 1}, "spec": {}}
        assert isinstance(judge(body), HealthWord)
        assert isinstance(judge({**body, "status": {"conditions": [], "phase": 1}}), HealthWord)


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
