"""What a sync is answerable for: what it changed, and not what was so before, or is so by the clock."""

import threading
from dataclasses import replace

import pytest

from gitops.model.application import Destination
from gitops.model.result import Go, Hold, Outcome
from gitops.sync import health_wait, rollback
from tests.scenarios.world import config_map, deployment, job
from tests.soak import only_at_leisure


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(rollback, "_LEAST_SECONDS", 8.0)
    monkeypatch.setattr(health_wait, "_FIRST_LOOK", 0.2)


def stateful_set(image, **spec):
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db", "image": image}]}}
    spec = {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}


def cron_job(image):
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": spec}


def break_pods(world):
    for pod in world.request("GET", f"/api/v1/namespaces/{world.namespace}/pods", labelSelector="app=web")["items"]:
        path = f"/api/v1/namespaces/{world.namespace}/pods/{pod['metadata']['name']}"
        change = {"spec": {"containers": [{"name": "web", "image": "nginx:broken"}]}}
        world.request("PATCH", path, change, "x", "application/strategic-merge-patch+json")


def test_a_commit_is_not_undone_for_an_object_that_was_ill_before_and_that_it_does_not_touch(world):
    world.commit(web=deployment(), s=config_map("s", a="1"))
    world.sync()
    break_pods(world)
    world.commit(s=config_map("s", a="2"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.SYNCED
    assert "not healthy before either, and not touched: apps/Deployment" in result.message
    assert world.get("ConfigMap", "s")["data"] == {"a": "2"}
    assert world.inventory().quarantine is None


def test_a_cron_job_whose_last_run_failed_holds_up_no_commit(world):
    world.commit(c=cron_job("busybox:1"), s=config_map("s", a="1"))
    world.sync()
    ran = {"status": {"lastScheduleTime": "2026-11-23T03:00:00Z", "lastSuccessfulTime": "2026-11-22T03:00:00Z"}}
    path = f"/apis/batch/v1/namespaces/{world.namespace}/cronjobs/nightly/status"
    world.request("PATCH", path, ran, "kube-controller-manager", "application/merge-patch+json")
    world.commit(s=config_map("s", a="2"))
    assert world.sync(world.with_sync(timeout=4.0)).outcome is Outcome.SYNCED
    world.commit(c=cron_job("busybox:2"))
    assert world.sync(world.with_sync(timeout=4.0)).outcome is Outcome.SYNCED


def test_what_was_still_on_its_way_when_another_failed_is_no_failure(world, monkeypatch):
    monkeypatch.setattr("gitops.engine.pod_failure.GRACE_SECONDS", 0.5)
    spec = {"storageClassName": "none", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    world.commit(web=deployment(image="nginx:broken"), claim=claim)
    result = world.sync(world.with_sync(timeout=60.0))
    assert [failure.key.name for failure in result.failures] == ["web"]
    assert "in time" not in result.message


def test_a_stateful_set_is_rolled_back_with_the_pod_that_it_waits_for(world):
    """Kubernetes never replaces that Pod: it has to be deleted once the old template is back."""
    world.commit(db=stateful_set("postgres:16"))
    world.sync()
    world.commit(db=stateful_set("postgres:broken"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK, result.message
    assert "ImagePullBackOff" in result.message or "ErrImagePull" in result.message
    pods = world.request("GET", f"/api/v1/namespaces/{world.namespace}/pods")["items"]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"postgres:16"}
    (deleted,) = [event for event in world.check_audit() if event.fact == "pod.deleted"]
    assert deleted.detail["object"].endswith("/db-1")


def test_a_stateful_set_that_is_updated_by_people_must_still_be_ready(world):
    world.commit(db=stateful_set("postgres:broken", updateStrategy={"type": "OnDelete"}))
    assert world.sync(world.with_sync(timeout=2.0)).outcome is Outcome.FAILED
    assert world.inventory().healthy is None


def test_what_argo_cd_or_flux_owned_is_ours_after_it_was_adopted(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    for name, manager in (("one", "argocd-controller"), ("two", "kustomize-controller")):
        body = config_map(name, a="1", old="1")
        body["metadata"] |= {
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:x/one"} if name == "one" else {},
            "labels": {"kustomize.toolkit.fluxcd.io/name": "x"} if name == "two" else {},
        }
        path = f"/api/v1/namespaces/{world.namespace}/configmaps/{name}"
        world.request("PATCH", path, body, manager, "application/apply-patch+yaml", force="true")
    world.commit(all=[config_map("one", a="1", old="1"), config_map("two", a="1", old="1")])
    assert world.sync().outcome is Outcome.HELD
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    world.commit(all=[config_map("one", a="2"), config_map("two", a="2")])
    assert world.sync().outcome is Outcome.SYNCED
    assert [world.get("ConfigMap", name)["data"] for name in ("one", "two")] == [{"a": "2"}, {"a": "2"}]


@pytest.mark.parametrize("store", [True, False], ids=["with the store", "without it"])
def test_an_application_that_moves_leaves_nothing_behind_without_a_word(world, store):
    world.commit(web=config_map("web"))
    world.sync()
    if not store:
        world.state = world.folder / "another"
    moved = replace(world.app, destination=Destination(namespace=f"{world.namespace}-b"))
    result = world.sync(moved)
    assert result.outcome is Outcome.HELD
    assert f"gitops delete app -n {world.namespace}" in result.message
    assert world.sync(moved, confirm=True).outcome is Outcome.SYNCED
    assert not isinstance(world.plan(moved).decision, Hold)


def test_what_a_person_applied_is_not_taken_because_they_also_scaled(world):
    """kubectl's apply and its scale have one name; only the second is a hand edit."""
    world.commit(web=deployment())
    world.sync()
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    applied = deployment(image="nginx:1.27")
    del applied["spec"]["replicas"]
    world.request("PATCH", path, applied, "kubectl", "application/apply-patch+yaml", force="true")
    app = world.with_sync(takeOverKubectl=False)
    assert isinstance(world.plan(app).decision, Hold)
    assert isinstance(world.plan().decision, Go)
    world.edit("apps/deployments/web/scale", {"spec": {"replicas": 4}}, manager="kubectl")
    assert isinstance(world.plan(app).decision, Hold)


@only_at_leisure
def test_a_rollback_waits_for_what_failed_although_it_is_the_same_in_both(world):
    """What it uses may not be the same: putting that back is not enough to call it well."""
    world.commit(web=deployment(), a=config_map("a", v="1"))
    world.sync()
    slow = [job(f"slow-{wave}", **{"gitops.dev/wave": str(wave)}) for wave in range(8)]
    world.commit(a=config_map("a", v="2"), slow=slow)
    breaking = threading.Timer(0.4, break_pods, (world,))
    breaking.start()
    result = world.sync(world.with_sync(timeout=8.0))
    breaking.join()
    assert [failure.key.name for failure in result.failures] == ["web"], result.message
    assert "rolling back failed" in result.message
    assert world.get("ConfigMap", "a")["data"] == {"v": "1"}
