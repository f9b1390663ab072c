"""In the embedded cluster nobody grants more than he may do himself."""

import pytest

from gitops.sandbox.cluster import User
from gitops.sandbox.server import SandboxThread
from tests.scenarios.api import MERGE, Api

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{RBAC}/namespaces/default/roles", f"{RBAC}/namespaces/default/rolebindings"
WRITER = [
    {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"],
        "verbs": ["create", "get", "patch"],
    },
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["*"], "resourceNames": ["web"], "verbs": ["get"]},
]


@pytest.fixture
def running():
    with SandboxThread(
        tokens={"admin": User("admin", ("system:masters",)), "guest": User("guest", ("dev",))}
    ) as started:
        admin = Api(started, "admin")
        admin.create(f"{RBAC}/clusterroles", {"metadata": {"name": "writer"}, "rules": WRITER[1:]})
        admin.create(ROLES, {"metadata": {"name": "writer"}, "rules": WRITER})
        admin.create(BINDINGS, binding("writer", "Role"))
        yield started


@pytest.fixture
def guest(running):
    return Api(running, "guest")


def binding(role, kind):
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": f"guest-{role}"},
        "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "guest"}],
    }


def role(*rules):
    return {"metadata": {"name": "made"}, "rules": list(rules)}


def rule(group, resource, *verbs, **more):
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), **more}


@pytest.mark.parametrize(
    "given",
    [rule("", "configmaps", "get"), rule("apps", "deployments", "get", resourceNames=["web"])],
    ids=["a verb of several", "one by name"],
)
def test_a_role_may_hold_what_its_writer_holds(guest, given):
    assert guest("POST", ROLES, role(given))[0] == 201


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (rule("", "secrets", "get", "list"), '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'),
        (rule("", "configmaps", "get", "delete"), '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}'),
        (rule("apps", "deployments", "get"), '{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}'),
        (
            rule("apps", "deployments", "get", resourceNames=["web", "db"]),
            '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["db"], Verbs:["get"]}',
        ),
    ],
)
def test_a_role_may_not_hold_more(guest, given, told):
    code, answer = guest("POST", ROLES, role(given))
    assert code == 403
    assert answer["message"] == (
        'roles.rbac.authorization.k8s.io "made" is forbidden: user "guest" (groups=["dev" "system:authenticated"]) is '
        f"attempting to grant RBAC permissions not currently held:\n{told}"
    )


def test_a_role_does_not_grow_beyond_its_writer(guest):
    guest.create(ROLES, role(rule("", "configmaps", "get")))
    more = {"rules": [rule("", "configmaps", "get"), rule("", "secrets", "get")]}
    assert guest("PATCH", f"{ROLES}/made", more, type=MERGE)[0] == 403
    assert guest("PATCH", f"{ROLES}/made", {"rules": []}, type=MERGE)[0] == 200


def test_only_what_one_holds_or_may_bind_is_bound(running, guest):
    code, answer = guest("POST", BINDINGS, binding("cluster-admin", "ClusterRole"))
    assert code == 403
    assert 'Resources:["*"], Verbs:["*"]}' in answer["message"]
    assert guest("POST", BINDINGS, binding("nowhere", "ClusterRole"))[0] == 404
    may = role(rule("rbac.authorization.k8s.io", "clusterroles", "bind", resourceNames=["cluster-admin"]))
    admin = Api(running, "admin")
    admin.create(ROLES, may)
    admin.create(BINDINGS, binding("made", "Role"))
    assert guest("POST", BINDINGS, binding("cluster-admin", "ClusterRole"))[0] == 201


def test_administrators_grant_what_they_want(running):
    assert Api(running, "admin")("POST", ROLES, role(rule("*", "*", "*")))[0] == 201
