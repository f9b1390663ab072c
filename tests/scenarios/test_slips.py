"""What people write by mistake: it is told with its place, and never taken for leave to overwrite or delete."""

import json
import time
from dataclasses import replace

import pytest

from gitops.engine.inventory import parent_key
from gitops.model.errors import ApiError, ManifestError
from gitops.model.result import Outcome
from gitops.sandbox.cluster import User
from gitops.sync.inventories import find_applications
from gitops.sync.standing import standing_of
from tests.scenarios.test_controller_errors import as_user
from tests.scenarios.world import World, config_map, deployment, forget


@pytest.fixture
def world(sandbox, tmp_path, request):
    made = World(tmp_path, sandbox.kubeconfig(), f"slips-{abs(hash(request.node.name)) % 10**8}")
    yield made
    forget(sandbox, made.namespace)


def annotated(name, **annotations):
    body = config_map(name)
    body["metadata"]["annotations"] = {f"gitops.dev/{key.replace('_', '-')}": text for key, text in annotations.items()}
    return body


@pytest.mark.parametrize(
    ("annotation", "text", "told"),
    [
        ("prune", "disable", "expected confirm or disabled or enabled, got 'disable'"),
        ("prune", "false", "got 'false'"),
        ("apply", "IfAbsent", "expected if-absent or ignore, got 'IfAbsent'"),
        ("recreate", "true", "expected disabled or enabled"),
        ("health", "none", "expected ignore"),
        ("hook-delete-policy", "hook-succeeded,always", "got 'always'"),
        ("wavve", "1", "there is no such annotation"),
    ],
)
def test_a_misspelt_word_of_ours_is_an_error_with_its_place(world, annotation, text, told):
    world.commit(settings=annotated("settings", **{annotation: text}))
    with pytest.raises(
        ManifestError, match=rf"settings.yaml:1: metadata.annotations\[gitops.dev/{annotation}\]: .*"
    ) as e:
        world.sync()
    assert told in str(e.value)


def test_words_that_are_right_and_ours_of_a_live_object_are_taken(world):
    right = annotated(
        "a", prune="enabled", recreate="disabled", wave="1", hook_delete_policy="", tracking="x", sync="y"
    )
    world.commit(settings=[right, annotated("b", **{"exempt-probes": "2030-01-01 why"})])
    assert world.sync().outcome is Outcome.SYNCED


def test_a_word_that_is_not_understood_on_a_live_object_asks_before_it_is_pruned(world):
    world.commit(keep=config_map("keep"), settings=config_map("settings"))
    world.sync()
    world.edit("core/configmaps/keep", {"metadata": {"annotations": {"gitops.dev/prune": "never"}}})
    world.commit(keep=None)
    assert world.sync().outcome is Outcome.HELD
    assert world.get("ConfigMap", "keep")


def test_an_inventory_in_git_is_refused_and_never_overwritten_or_pruned(world):
    world.commit(settings=config_map("settings"))
    world.sync()
    inventory = world.get("ConfigMap", "gitops-app")
    for name in ("resourceVersion", "uid", "managedFields"):
        del inventory["metadata"][name]
    other = replace(world.app, name="other")
    world.commit(settings=None, export=inventory)
    with pytest.raises(ManifestError, match=r"export.yaml:1: ConfigMap gitops-app: is the inventory"):
        world.sync(other)
    bare = {**config_map(parent_key("app", "").name)}
    world.commit(export=bare)
    held = world.sync(other)
    assert held.outcome is Outcome.HELD
    assert "is the inventory of an Application" in held.message
    assert world.inventory().keys


def test_what_kubectl_get_gave_can_be_kept_in_git(world):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=json.loads(json.dumps(world.get("Deployment", "web", "apps"))))
    assert world.sync().outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    world.edit("apps/deployments/web", {"spec": {"replicas": 3}})
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 2
    assert world.sync().outcome is Outcome.IN_SYNC


@pytest.mark.parametrize(
    ("label", "manager"),
    [("argocd.argoproj.io/instance", "kubectl"), ("app.kubernetes.io/instance", "argocd-controller")],
)
def test_what_argo_cd_tracks_by_a_label_is_left_alone_until_it_is_adopted(world, label, manager):
    world.commit(settings=config_map("settings"))
    world.sync()
    theirs = config_map("theirs", a="theirs")
    theirs["metadata"]["labels"] = {label: "guestbook"}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", theirs, manager)
    world.commit(theirs=config_map("theirs", a="ours"))
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert "belongs to Argo CD (application guestbook)" in held.message
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    assert not world.plan().plan.changes


def test_a_chart_label_alone_makes_nobody_an_owner(world):
    body = config_map("settings")
    body["metadata"]["labels"] = {"app.kubernetes.io/instance": "release"}
    world.commit(other=config_map("other"))
    world.sync()
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", body, "kubectl-create")
    world.commit(settings=body)
    assert world.sync().outcome is Outcome.SYNCED


def grant(world, rule):
    """The user `limited` may do this, and no more, in the world's namespace."""
    root, group = "/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    role = {"kind": "Role", "apiVersion": f"{group}/v1", "metadata": {"name": "a"}, "rules": [rule]}
    world.request("POST", f"{root}/namespaces/{world.namespace}/roles", role)
    named = {"apiGroup": group, "kind": "Role", "name": "a"}
    subjects = [{"apiGroup": group, "kind": "User", "name": "limited"}]
    binding = {"kind": "RoleBinding", "apiVersion": f"{group}/v1", "metadata": {"name": "a"}}
    path = f"{root}/namespaces/{world.namespace}/rolebindings"
    world.request("POST", path, {**binding, "roleRef": named, "subjects": subjects})


def test_a_deletion_that_is_refused_is_told_at_once_and_waited_for_by_nobody(fresh_sandbox, tmp_path):
    tokens = {"root": User("ada", ("system:masters",)), "limited": User("limited", ())}
    sandbox = fresh_sandbox(tokens=tokens)
    world = World(tmp_path, as_user(sandbox.kubeconfig(), "root"), "limited")
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync()
    verbs = ["get", "list", "watch", "create", "patch", "update"]
    grant(world, {"apiGroups": [""], "resources": ["*"], "verbs": verbs})
    world.kubeconfig.write_text(as_user(sandbox.kubeconfig(), "limited"))
    world.commit(b=None)
    began = time.monotonic()
    result = world.sync(world.with_sync(timeout=60.0))
    assert time.monotonic() - began < 20
    assert result.outcome is Outcome.FAILED
    assert "cannot delete" in result.message
    assert "does not go away" not in result.message


def test_one_object_that_may_not_be_read_hides_no_others(fresh_sandbox, tmp_path):
    tokens = {"root": User("ada", ("system:masters",)), "limited": User("limited", ())}
    sandbox = fresh_sandbox(tokens=tokens)
    world = World(tmp_path, as_user(sandbox.kubeconfig(), "root"), "limited")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hidden"}}
    world.commit(a=config_map("a"), secret=secret)
    world.sync()
    grant(world, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]})
    world.kubeconfig.write_text(as_user(sandbox.kubeconfig(), "limited"))

    async def look(context):
        (found,) = await find_applications(context.cluster, "app", "limited")
        return await standing_of(context.cluster, found)

    words = {member.key.kind: member.health.word.value for member in world._context(look).objects}
    assert words == {"ConfigMap": "Healthy", "Secret": "Unknown"}
    world.edit("core/configmaps/a", {"data": {"a": "2"}})
    assert [change.key.name for change in world.plan(resources=("ConfigMap/a",)).plan.changes] == ["a"]
    with pytest.raises(ApiError, match="say where to look with -n"):
        world._context(lambda context: find_applications(context.cluster, "app"))
