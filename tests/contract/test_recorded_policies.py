"""ValidatingAdmissionPolicies in the embedded cluster against what a real kube-apiserver said of the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitops.manifests.cel import is_beyond
from gitops.sandbox.server import SandboxThread
from tests.scenarios.api import Api

RECORDED = json.loads((Path(__file__).resolve().parents[1] / "data/recorded/policies/cases.json").read_text())
GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{GROUP}/validatingadmissionpolicies", f"{GROUP}/validatingadmissionpolicybindings"
NAMES = {"ConfigMap": "/api/v1/namespaces/vap-cases/configmaps"}
# Told apart: types that the library does not know as such, and where in a chain of names an error is told.
OTHER_WORDS = frozenset(("cel.bind", "unknown variable"))
LACKING = {"quantity sign": "types of their own", "sum of durations": "durations made by a function"}


@pytest.fixture(scope="module")
def api():
    with SandboxThread() as running:
        served = Api(running)
        served("POST", "/api/v1/namespaces", RECORDED["namespace"])
        for each in RECORDED["params"]:
            metadata = {"name": each["name"], "labels": {"kind": "limits"}}
            served("POST", NAMES["ConfigMap"], {"metadata": metadata, "data": each["data"]})
        yield served


@pytest.fixture(autouse=True)
def no_policy(api):
    yield
    for path in (POLICIES, BINDINGS):
        api("DELETE", f"{path}/policy")


def cases() -> list[Any]:
    return [pytest.param(each, id=each["name"]) for each in RECORDED["cases"]]


@pytest.mark.parametrize("case", cases())
def test_a_recorded_policy_says_the_same(api, case):
    expressions = [each["expression"] for each in case["policy"].get("validations") or ()]
    if any(map(is_beyond, expressions)):
        pytest.skip("needs a function that the library does not have")
    if case["name"] in LACKING:
        pytest.skip(f"the library knows no {LACKING[case['name']]}")
    code, made = api("POST", POLICIES, {"metadata": {"name": "policy"}, "spec": case["policy"]})
    if "refused" in case:
        assert code == 422
        if case["name"] not in OTHER_WORDS:
            assert made["message"] == case["refused"]
        return
    assert code == 201, made
    code, made = api(
        "POST", BINDINGS, {"metadata": {"name": "policy"}, "spec": {"policyName": "policy", **case["binding"]}}
    )
    assert code == 201, made
    body = case["object"]
    at = NAMES.get(body["kind"], "/apis/apps/v1/namespaces/vap-cases/deployments")
    code, answer = api("POST", f"{at}?dryRun=All", body)
    assert (code, answer["message"] if code >= 300 else "") == (case["answer"]["code"], case["answer"]["message"])
