"""A field that is ignored stays as it is live, whatever else changes hands."""

from dataclasses import replace

import pytest

from gitops.model.application import IgnoreRule
from gitops.model.result import Outcome
from tests.scenarios.world import World, config_map, deployment, forget

REPLICAS = IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",))


@pytest.fixture
def world(sandbox, tmp_path, request):
    made = World(tmp_path, sandbox.kubeconfig(), f"ignored-{abs(hash(request.node.name)) % 10**8}")
    yield made
    forget(sandbox, made.namespace)


def ignoring(world, *rules, **sync):
    return replace(world.app, ignoreDifferences=rules, sync=replace(world.app.sync, **sync))


def without_replicas(**annotations):
    body = deployment(**annotations)
    del body["spec"]["replicas"]
    return body


@pytest.mark.parametrize(
    ("manager", "adopt"), [("kubectl-client-side-apply", False), ("helm", True), ("argocd-controller", True)]
)
def test_replicas_survive_the_move_from_another_tool(world, manager, adopt):
    world.commit(settings=config_map("settings"))
    app = ignoring(world, REPLICAS)
    world.sync(app)
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments"
    world.request("POST", path, deployment(replicas=5, made="by-the-other"), manager)
    world.commit(web=without_replicas())
    planned = world.plan(app, adopt=adopt).plan
    assert "spec.replicas" not in {str(field.path) for change in planned.changes for field in change.fields}
    assert world.sync(app, adopt=adopt).outcome is Outcome.SYNCED
    live = world.get("Deployment", "web", "apps")
    assert live["spec"]["replicas"] == 5
    assert "made" not in live["metadata"]["annotations"], "all else of the other tool is ours, and left out"
    assert not world.plan(app).plan.changes
    world.commit(web=without_replicas(seen="again"))
    world.sync(app)
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 5


def test_what_strict_takes_back_leaves_out_what_is_ignored(world):
    rules = (
        IgnoreRule(kind="ConfigMap", jsonPointers=("/data/x",)),
        IgnoreRule(managers=("kubectl-label",)),
    )
    app = ignoring(world, *rules, strict=True)
    world.commit(settings=config_map("settings"))
    world.sync(app)
    world.edit("core/configmaps/settings", {"data": {"x": "kept", "y": "gone"}})
    world.edit("core/configmaps/settings", {"metadata": {"labels": {"team": "kept"}}}, manager="kubectl-label")
    world.sync(app)
    live = world.get("ConfigMap", "settings")
    assert live["data"] == {"a": "1", "x": "kept"}
    assert live["metadata"]["labels"]["team"] == "kept"
    assert not world.plan(app).plan.changes


def test_one_item_of_a_list_is_ignored_while_the_others_are_taken_back(world):
    path = '.spec.template.spec.containers[] | select(.name == "proxy")'
    app = ignoring(world, IgnoreRule(kind="Deployment", jqPathExpressions=(path,)), strict=True)
    world.commit(web=deployment())
    world.sync(app)
    added = {"containers": [{"name": name, "image": "envoy:1"} for name in ("proxy", "shell")]}
    kind = "application/strategic-merge-patch+json"
    url = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", url, {"spec": {"template": {"spec": added}}}, "kubectl-patch", kind)
    world.sync(app, wait=False)
    pods = world.get("Deployment", "web", "apps")["spec"]["template"]["spec"]
    assert {item["name"] for item in pods["containers"]} == {"web", "proxy"}


def test_a_field_of_ours_survives_its_parent_leaving_the_manifest(world):
    app = ignoring(world, IgnoreRule(kind="ConfigMap", jsonPointers=("/data/token",)))
    world.commit(settings=config_map("settings", token="first"))
    world.sync(app)
    world.edit("core/configmaps/settings", {"data": {"token": "rotated"}})
    bare = {name: value for name, value in config_map("settings").items() if name != "data"}
    world.commit(settings=bare)
    world.sync(app)
    assert world.get("ConfigMap", "settings")["data"] == {"token": "rotated"}


def test_ignored_annotations_do_not_hide_whose_the_object_is(world):
    app = ignoring(world, IgnoreRule(jsonPointers=("/metadata/annotations", "/metadata/labels")))
    world.commit(settings=config_map("settings"))
    world.sync(app)
    world.sync(app)
    live = world.get("ConfigMap", "settings")["metadata"]
    assert live["annotations"]["gitops.dev/tracking"].startswith("gitops/app:")
    assert "applyset.kubernetes.io/part-of" in live["labels"]
    assert not world.plan(app).plan.changes
