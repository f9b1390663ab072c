"""Admission policies in the embedded cluster: which writes they see, and who may do what."""

import pytest

from gitops.sandbox.cluster import User
from gitops.sandbox.server import SandboxThread
from tests.scenarios.api import MERGE, Api, config_map, deployment

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{GROUP}/validatingadmissionpolicies", f"{GROUP}/validatingadmissionpolicybindings"
MAPS = "/api/v1/namespaces/default/configmaps"
RULE = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}


@pytest.fixture
def running():
    with SandboxThread(tokens={"admin": User("admin", ("system:masters",)), "guest": User("guest")}) as started:
        yield started


@pytest.fixture
def api(running):
    return Api(running, "admin")


def forbid(api, expression, rule=None, *, name="policy", **more):
    actions = more.pop("actions", ["Deny"])
    spec = {
        "matchConstraints": {"resourceRules": [{**RULE, **(rule or {})}]},
        "validations": [{"expression": expression}],
    }
    api.create(POLICIES, {"metadata": {"name": name}, "spec": {**spec, **more}})
    api.create(BINDINGS, {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": actions}})


def test_a_change_that_a_policy_denies_changes_nothing(api):
    api.create(MAPS, config_map("a", {"mode": "safe"}))
    forbid(api, "object.data.mode == oldObject.data.mode", {"operations": ["UPDATE"], "resources": ["configmaps"]})
    code, answer = api("PATCH", f"{MAPS}/a", {"data": {"mode": "other"}}, type=MERGE)
    assert (code, answer["reason"]) == (422, "Invalid")
    assert "failed expression: object.data.mode == oldObject.data.mode" in answer["message"]
    assert api.get(f"{MAPS}/a")[1]["data"] == {"mode": "safe"}
    assert api("PATCH", f"{MAPS}/a", {"data": {"more": "x"}}, type=MERGE)[0] == 200


def test_a_deletion_that_a_policy_denies_does_not_happen(api):
    api.create(MAPS, config_map("kept", labels={"keep": "yes"}))
    api.create(MAPS, config_map("other"))
    expression = "object == null && !('keep' in oldObject.metadata.?labels.orValue({}))"
    forbid(api, expression, {"operations": ["DELETE"], "resources": ["configmaps"]})
    assert api("DELETE", f"{MAPS}/kept")[0] == 422
    assert api("DELETE", f"{MAPS}/other")[0] == 200
    assert api.get(f"{MAPS}/kept")[0] == 200


def test_policies_and_their_bindings_can_always_be_changed(api):
    forbid(api, "false")
    assert api("POST", MAPS, config_map("a"))[0] == 422
    assert api("DELETE", f"{BINDINGS}/policy")[0] == 200
    assert api("POST", MAPS, config_map("a"))[0] == 201


def test_a_policy_of_a_resource_does_not_see_its_subresources(api):
    forbid(api, "object.spec.replicas <= 3", {"resources": ["deployments"]})
    path = "/apis/apps/v1/namespaces/default/deployments"
    api.create(path, deployment("web", replicas=2))
    assert api("PATCH", f"{path}/web/scale", {"spec": {"replicas": 3}}, type=MERGE)[0] == 200
    code, answer = api("POST", path, deployment("many", replicas=4))
    assert code == 422
    assert answer["details"]["causes"] == [{"message": answer["message"].partition("forbidden: ")[2]}]


def test_a_policy_that_only_warns_lets_pass_and_says_so(api):
    forbid(api, "false", {"resources": ["configmaps"]}, actions=["Warn"])
    with api.open("POST", MAPS, config_map("a")) as answer:
        assert answer.status == 201
        assert "with binding 'policy': failed expression: false" in answer.headers["Warning"]


def test_the_authorizer_answers_for_the_user_who_asks(running, api):
    role = {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    api.create(f"{rbac}/clusterroles", {"metadata": {"name": "writer"}, **role})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writer"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "guest"}]
    binding = {"metadata": {"name": "writer"}, "roleRef": reference, "subjects": subjects}
    api.create(f"{rbac}/clusterrolebindings", binding)
    asked = "authorizer.group('').resource('secrets').namespace(request.namespace).check('get').allowed()"
    forbid(api, asked, {"resources": ["configmaps"]})
    assert api("POST", MAPS, config_map("a"))[0] == 201
    assert Api(running, "guest")("POST", MAPS, config_map("b"))[0] == 422


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"validations": []}, "spec.validations: Required value: validations or auditAnnotations must contain"),
        ({"validations": [{"expression": " "}]}, "spec.validations[0].expression: Required value"),
        ({"failurePolicy": "Perhaps"}, 'spec.failurePolicy: Unsupported value: "Perhaps"'),
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: Required value"),
        ({"variables": [{"name": "a-b", "expression": "1"}]}, "name is not a valid CEL identifier"),
        ({"matchConditions": [{"name": "a", "expression": "1"}]}, "must evaluate to bool but got int"),
        ({"validations": [{"expression": "true", "reason": "Odd"}]}, 'validations[0].reason: Unsupported value: "Odd"'),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused(api, spec, told):
    body = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], **spec}
    code, answer = api("POST", POLICIES, {"metadata": {"name": "policy"}, "spec": body})
    assert code == 422
    assert told in answer["message"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"validationActions": ["Deny", "Warn"]}, "must not contain both Deny and Warn"),
        ({"validationActions": []}, "spec.validationActions: Required value"),
        ({"policyName": ""}, "spec.policyName: Required value"),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}}, "one of name or selector must be specified"),
        ({"paramRef": {"name": "a"}}, "spec.paramRef.parameterNotFoundAction: Required value"),
    ],
)
def test_a_binding_that_cannot_be_read_is_refused(api, spec, told):
    body = {"policyName": "policy", "validationActions": ["Deny"], **spec}
    code, answer = api("POST", BINDINGS, {"metadata": {"name": "policy"}, "spec": body})
    assert code == 422
    assert told in answer["message"]


def test_what_is_warned_of_is_told_with_a_refusal_too(api):
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    api.create("/api/v1/namespaces", {"metadata": {"name": "safe", "labels": labels}})
    container = {"name": "web", "image": "web", "securityContext": {"privileged": True}}
    spec = {"containers": [container], "volumes": [{"name": "a", "glusterfs": {"endpoints": "a", "path": "b"}}]}
    with api.open("POST", "/api/v1/namespaces/safe/pods", {"metadata": {"name": "web"}, "spec": spec}) as answer:
        assert answer.status == 403
        assert "spec.volumes[0].glusterfs: deprecated in v1.25" in answer.headers["Warning"]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    body = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    with api.open(
        "POST", "/apis/apps/v1/namespaces/safe/deployments", {"metadata": {"name": "web"}, "spec": body}
    ) as said:
        assert said.status == 201
        assert "would violate PodSecurity" in said.headers["Warning"]
