"""A right that is missing: said before anything is changed, no fault of a commit, and over once it is given."""

import re
from dataclasses import replace

import pytest

from gitops.controller import reconciler
from gitops.model.result import Outcome
from gitops.sandbox.cluster import User
from tests.scenarios.api import Api
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.test_controller_errors import as_user
from tests.scenarios.world import World, config_map, deployment

RBAC = "rbac.authorization.k8s.io"
TOKENS = {"root": User("ada", ("system:masters",)), "limited": User("limited", ())}


class Rights:
    """A cluster where `limited` has what `give` says, and the ways to it as either of two people."""

    def __init__(self, sandbox, folder):
        self.sandbox = sandbox
        self._root = as_user(sandbox.kubeconfig(), "root")
        self._limited = as_user(sandbox.kubeconfig(), "limited")
        self.world = World(folder, self._root, "rights")

    def give(self, *rules, name="given", subject=None):
        """A ClusterRole, bound everywhere; each rule is (GROUP, RESOURCE, *VERBS)."""
        listed = [{"apiGroups": [group], "resources": [what], "verbs": list(verbs)} for group, what, *verbs in rules]
        root = f"/apis/{RBAC}/v1"
        self.as_root()
        self.world.request("POST", f"{root}/clusterroles", {"metadata": {"name": name}, "rules": listed})
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
        subject = subject or {"kind": "User", "name": "limited", "apiGroup": RBAC}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        self.world.request("POST", f"{root}/clusterrolebindings", binding)

    def as_root(self):
        self.world.kubeconfig.write_text(self._root)

    def as_limited(self):
        self.world.kubeconfig.write_text(self._limited)


@pytest.fixture
def rights(fresh_sandbox, tmp_path):
    return Rights(fresh_sandbox(tokens=TOKENS, speed=8.0, nodes=1), tmp_path)


LOOKS = ["get", "list", "watch"]
ALL = [*LOOKS, "create", "patch", "delete"]


@pytest.mark.parametrize(
    ("given", "lacking", "told"),
    [
        (
            [("", "configmaps", *ALL), ("apps", "deployments", *LOOKS, "create")],
            ("apps", "deployments", "patch"),
            r'web.yaml:1: apps/Deployment rights/web: .* User "limited" cannot patch resource "deployments" in API '
            r'group "apps" in the namespace "rights"',
        ),
        (
            [("", "configmaps", *LOOKS, "patch", "delete"), ("apps", "deployments", *ALL)],
            ("", "configmaps", "create"),
            r"new.yaml:1: ConfigMap rights/new: .* the user of these credentials cannot create resource "
            r'"configmaps" in API group "" in the namespace "rights"',
        ),
    ],
    ids=["to patch a kind", "to create one"],
)
def test_what_nobody_may_write_holds_a_sync_before_its_first_write(rights, given, lacking, told):
    world = rights.world
    world.commit(web=deployment(), settings=config_map("settings"))
    assert world.sync().outcome is Outcome.SYNCED
    rights.give(*given)
    world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings", a="2"), new=config_map("new"))
    rights.as_limited()
    words = ["sync", "gitops/app", "-n", world.namespace]
    refused = world.gitops(*words, "-o", "table")
    assert refused.returncode == 4, refused.stderr
    assert re.search(told, refused.stderr), refused.stderr
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
    assert world.inventory().quarantine is None
    rights.give(lacking, name="more")
    rights.as_limited()
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}


def test_who_may_only_look_is_shown_the_plan_all_the_same(rights):
    world = rights.world
    world.commit(settings=config_map("settings"))
    world.sync()
    rights.give(("", "configmaps", *LOOKS))
    world.commit(settings=config_map("settings", a="2"))
    rights.as_limited()
    shown = world.gitops("diff", "gitops/app", "-n", world.namespace)
    assert (shown.returncode, "predicted here" in shown.stdout) == (1, True), shown.stderr
    dry = world.gitops("sync", "gitops/app", "-n", world.namespace, "--dry-run")
    assert (dry.returncode, "(it would be held)" in dry.stderr) == (4, True), dry.stderr


def test_a_right_that_the_same_set_brings_holds_nothing(rights):
    world = rights.world
    world.commit(settings=config_map("settings"))
    world.sync()
    rights.give(
        ("", "configmaps", *ALL),
        (RBAC, "roles", *ALL, "escalate", "bind"),
        (RBAC, "rolebindings", *ALL),
        ("", "pods", *LOOKS),
    )
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "more"}, "rules": [rule]}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "more"}
    subject = {"kind": "User", "name": "limited", "apiGroup": RBAC}
    binding = {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    del binding["rules"]
    rights.give(("apps", "deployments", *LOOKS), ("apps", "replicasets", *LOOKS), name="looks")
    world.commit(role=role, binding=binding, web=deployment())
    rights.as_limited()
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message


def test_one_applications_missing_right_holds_no_other_and_heals_when_it_is_given(rights, monkeypatch):
    monkeypatch.setattr(reconciler, "_SOON", 0.5)
    world = rights.world
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": "rights"}})
    account = {"kind": "ServiceAccount", "name": "deployer", "namespace": "gitops"}
    rights.give(("", "configmaps", *LOOKS, "patch", "delete", "create"), subject=account)
    rights.give(("apps", "deployments", *LOOKS), ("apps", "replicasets", *LOOKS), name="looks", subject=account)
    (world.repository / "limited").mkdir()
    (world.repository / "other").mkdir()
    limited = application(world, "limited", path="limited")
    limited = replace(limited, sync=replace(limited.sync, serviceAccount="deployer"), interval=0.3)
    other = replace(application(world, "other", path="other"), interval=0.3)
    files = {"limited/settings": config_map("settings"), "limited/web": deployment()}
    sha = world.commit(**files, **{"other/settings": config_map("others")})
    with Running(world, limited, other) as running:
        running.until_synced(sha, "gitops/other")
        running.until(lambda: running.tracked("gitops/limited").last.held)
        (held,) = running.tracked("gitops/limited").last.held
        assert 'User "system:serviceaccount:gitops:deployer" cannot patch resource "deployments"' in held
        assert world.get("ConfigMap", "settings") is None
        again = world.commit(**{"other/settings": config_map("others", a="2")})
        running.until_synced(again, "gitops/other")
        rights.give(("apps", "deployments", *ALL), name="more", subject=account)
        running.until_synced(again, "gitops/limited", seconds=15)


def test_an_apply_that_makes_an_object_takes_the_right_to_create_it(rights):
    rights.give(("", "configmaps", "patch"))
    api = Api(rights.sandbox, "limited")
    Api(rights.sandbox, "root").namespace("rights")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    code, answer = api.apply("/api/v1/namespaces/rights/configmaps/new", body)
    assert (code, answer["message"], answer["reason"]) == (403, 'configmaps "new" is forbidden: ', "Forbidden")
    Api(rights.sandbox, "root").create("/api/v1/namespaces/rights/configmaps", body)
    assert api.apply("/api/v1/namespaces/rights/configmaps/new", body)[0] == 200
