"""What is being deleted, what holds data, and what belongs to others: nothing of it is lost or forgotten in silence."""

import os
import threading
import time

import pytest

from gitops.model.result import Hold, Outcome
from gitops.sync import dry_run, planning, rollback
from tests.scenarios.test_rollback import by_hand
from tests.scenarios.world import config_map, deployment, job

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {
        "storageClassName": "standard",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(rollback, "_LEAST_SECONDS", 8.0)


def noted(body, **notes):
    return {**body, "metadata": {**body["metadata"], "annotations": notes}}


def hold_back(world, finalizers, path="configmaps/old"):
    change = {"metadata": {"finalizers": finalizers}}
    url = f"/api/v1/namespaces/{world.namespace}/{path}"
    world.request("PATCH", url, change, "some-operator", "application/merge-patch+json")


def image(world, name="web"):
    return world.get("Deployment", name, "apps")["spec"]["template"]["spec"]["containers"][0]["image"]


def test_a_pruned_object_that_does_not_go_is_told_and_not_forgotten(world):
    world.commit(a=config_map("a"), old=config_map("old"))
    world.sync()
    hold_back(world, ["example.com/hold"])
    world.commit(old=None)
    result = world.sync(world.with_sync(timeout=2.0))
    assert result.outcome is Outcome.FAILED
    assert "does not go away (held by example.com/hold)" in result.message
    assert world.inventory().quarantine is None
    assert "old" in {key.name for key in world.inventory().keys}
    (kept,) = world.plan().plan.kept
    assert kept.reason == "it is being deleted"


def test_without_waiting_what_is_being_deleted_stays_in_the_inventory(world):
    world.commit(a=config_map("a"), old=config_map("old"))
    world.sync()
    hold_back(world, ["example.com/hold"])
    world.commit(old=None)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert "old" in {key.name for key in world.inventory().keys}


def test_what_comes_back_to_git_while_it_is_being_deleted_is_made_again(world):
    world.commit(a=config_map("a"), old=config_map("old"))
    world.sync()
    hold_back(world, ["example.com/hold"])
    world.commit(old=None)
    world.sync(wait=False)
    world.commit(old=config_map("old", back="1"))
    letting_go = threading.Timer(1.0, hold_back, (world, None))
    letting_go.start()
    assert world.sync().outcome is Outcome.SYNCED
    letting_go.join()
    assert world.get("ConfigMap", "old")["data"] == {"back": "1"}


def test_a_hook_takes_no_object_of_another_owner(world):
    body = noted(config_map("db"), **{"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:x/db"})
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", body)
    uid = world.get("ConfigMap", "db")["metadata"]["uid"]
    world.commit(db=noted(config_map("db", ours="1"), **{"gitops.dev/hook": "pre-sync"}), a=config_map("a"))
    result = world.sync()
    assert result.outcome is Outcome.HELD
    assert "belongs to Argo CD" in result.message
    assert world.get("ConfigMap", "db")["metadata"]["uid"] == uid


@pytest.mark.parametrize("policy", ["", "before-hook-creation,hook-succeeded"])
def test_a_hook_that_holds_data_is_made_once_and_never_deleted(world, policy):
    """Charts write `pre-install` on a claim so that it is made once and left alone."""
    words = {"helm.sh/hook": "pre-install", **({"helm.sh/hook-delete-policy": policy} if policy else {})}
    world.commit(data=noted(CLAIM, **words), a=config_map("a"))
    assert world.sync().outcome is Outcome.SYNCED
    uid = world.get("PersistentVolumeClaim", "data")["metadata"]["uid"]
    world.commit(a=config_map("a", b="2"))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("PersistentVolumeClaim", "data")["metadata"]["uid"] == uid


@pytest.mark.skipif("SANDBOX_FAULTS" in os.environ, reason="counts requests, and faults repeat them")
def test_what_the_server_called_equal_is_asked_again_after_a_while(world, monkeypatch):
    container = {"name": "a", "image": "nginx", "resources": {"limits": {"cpu": "1000m"}}}
    world.commit(p={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}})
    world.sync()
    asked = [world.requests_of(lambda context: planned(world, context))[0] for _ in range(2)]
    monkeypatch.setattr(dry_run, "_EQUAL_SECONDS", -10)
    again = world.requests_of(lambda context: planned(world, context))[0]
    assert again == asked[1] + 1


def planned(world, context):
    return planning.plan_sync(planning.Request(world.app, "ada"), context)


def test_a_rollback_by_hand_leaves_the_broken_head_in_quarantine(world):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"))
    world.sync()
    world.commit(web=deployment(image="nginx:broken"))
    assert world.sync(world.with_sync(timeout=3.0)).outcome is Outcome.ROLLED_BACK
    assert by_hand(world)[0] == 0
    assert image(world) == "nginx:1.26"
    assert isinstance(world.plan().decision, Hold)


def test_a_rollback_leaves_what_the_failed_sync_had_nothing_to_do_with(world):
    world.commit(web=deployment(), api=deployment("api"))
    world.sync()
    world.commit(api=deployment("api", image="nginx:broken"))

    def scale():
        while image(world, "api") != "nginx:broken":  # the sync has been planned then
            time.sleep(0.1)
        world.edit("apps/deployments/web/scale", {"spec": {"replicas": 5}}, manager="kube-controller-manager")

    scaling = threading.Thread(target=scale)
    scaling.start()
    result = world.sync(world.with_sync(timeout=3.0))
    scaling.join()
    assert result.outcome is Outcome.ROLLED_BACK, result.message
    assert image(world, "api") == "nginx:1.26"
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 5


def test_the_failure_of_one_objects_sync_undoes_that_object_and_quarantines_nothing(world):
    world.commit(web=deployment(), a=config_map("a", v="1"))
    world.sync()
    world.commit(web=deployment(image="nginx:broken"), a=config_map("a", v="2"))
    assert world.sync(resources=("ConfigMap/a",)).outcome is Outcome.SYNCED
    result = world.sync(world.with_sync(timeout=3.0), resources=("Deployment/web",))
    assert result.outcome is Outcome.ROLLED_BACK, result.message
    assert image(world) == "nginx:1.26"
    assert world.get("ConfigMap", "a")["data"] == {"v": "2"}
    inventory = world.inventory()
    assert (inventory.quarantine, inventory.rollback_target) == (None, None)


def test_a_claim_that_a_failed_sync_made_is_left_and_said_why(world):
    world.commit(a=config_map("a", v="1"))
    world.sync()
    broken = deployment(image="nginx:broken", **{"gitops.dev/wave": "1"})
    world.commit(a=config_map("a", v="2"), data=CLAIM, web=broken)
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK, result.message
    (kept,) = result.rollback.plan.kept
    assert (kept.key.kind, kept.reason) == ("PersistentVolumeClaim", "it may hold data, so a way back leaves it")


def test_how_often_a_job_tries_is_for_the_job_to_say(world, monkeypatch):
    monkeypatch.setattr("gitops.engine.pod_failure.MOST_RESTARTS", 1)
    monkeypatch.setattr("gitops.sync.health_wait._FIRST_LOOK", 0.2)
    body = job("migrate", "busybox:crash")
    body["spec"]["backoffLimit"] = 20
    body["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    world.commit(j=body)
    result = world.sync(world.with_sync(timeout=4.0))
    assert "not healthy in time" in result.message


def test_a_namespace_that_leaves_git_takes_its_inventory_along_without_an_error(world):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    elsewhere = config_map(f"b-{world.namespace}")
    elsewhere["metadata"]["namespace"] = "default"
    world.commit(space=space, a=config_map("a"))
    world.sync()
    world.commit(space=None, a=None, b=elsewhere)
    assert world.sync(confirm=True).outcome is Outcome.SYNCED
    assert world.get("Namespace", world.namespace, namespace="") is None


def test_a_namespace_that_goes_slowly_with_the_inventory_in_it_is_nobody_elses_word(world):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    elsewhere = config_map(f"b-{world.namespace}")
    elsewhere["metadata"]["namespace"] = "default"
    world.commit(space=space, a=config_map("a"))
    world.sync()
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    held = config_map("held")
    world.request("POST", path, {**held, "metadata": {**held["metadata"], "finalizers": ["example.com/held"]}})
    world.commit(space=None, a=None, b=elsewhere)
    result = world.sync(world.with_sync(timeout=2.0), confirm=True)
    assert "does not go away" in result.message
    assert "another word" not in result.message
    world.request("PATCH", f"{path}/held", {"metadata": {"finalizers": None}}, kind="application/merge-patch+json")


def test_a_source_of_which_only_a_hook_is_left_deletes_nothing_by_itself(world):
    notify = {"notify": job("notify", **{"gitops.dev/hook": "post-sync"})}
    world.commit(a=config_map("a"), b=config_map("b"), **notify)
    world.sync()
    world.commit(a=None, b=None)
    result = world.sync()
    assert result.outcome is Outcome.HELD
    assert "renders to nothing" in result.message


def test_an_aggregated_role_is_filled_by_the_control_plane(world):
    """As the Kubernetes documentation writes one: with empty rules."""
    name = f"aggregated-{world.namespace}"
    selector = {"clusterRoleSelectors": [{"matchLabels": {"aggregate": name}}]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
    world.commit(role={**role, "aggregationRule": selector, "rules": []}, a=config_map("a"))
    world.sync()
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    world.request("PATCH", path, {"rules": rules}, "clusterrole-aggregation-controller", "application/merge-patch+json")
    assert world.sync().outcome is Outcome.IN_SYNC
    assert world.get("ClusterRole", name, "rbac.authorization.k8s.io", "")["rules"] == rules


def definition(world, **properties):
    plural = f"hens{world.namespace.rpartition('-')[2]}"
    spec = {"type": "object", "properties": {"size": {"type": "integer"}, **properties}}
    schema = {"type": "object", "properties": {"spec": spec}}
    return f"{plural}.example.com", {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{plural}.example.com"},
        "spec": {
            "group": f"{plural}.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": "hen", "kind": "Hen", "listKind": "HenList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def test_a_field_may_come_with_the_definition_that_brings_it(world):
    group, before = definition(world)
    hen = {"apiVersion": f"{group}/v1", "kind": "Hen", "metadata": {"name": "h"}, "spec": {"size": 1}}
    world.commit(all=[before, hen])
    world.sync()
    world.commit(all=[definition(world, eggs={"type": "integer"})[1], {**hen, "spec": {"size": 1, "eggs": 2}}])
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    assert world.get("Hen", "h", group)["spec"] == {"size": 1, "eggs": 2}
    assert world.sync().outcome is Outcome.IN_SYNC


def test_a_field_that_no_definition_declares_is_still_refused(world):
    group, before = definition(world)
    hen = {"apiVersion": f"{group}/v1", "kind": "Hen", "metadata": {"name": "h"}, "spec": {"size": 1}}
    world.commit(all=[before, hen])
    world.sync()
    world.commit(all=[before, {**hen, "spec": {"size": 1, "eggs": 2}}])
    result = world.sync()
    assert result.outcome is Outcome.HELD
    assert ".spec.eggs: field not declared in schema" in result.message
