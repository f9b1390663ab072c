"""What counts as a difference, and whose it is: strict mode, and what a user asked to ignore."""

from dataclasses import replace

import pytest

from gitops.model.application import IgnoreRule
from gitops.model.result import Outcome
from gitops.sync.inventories import find_applications
from gitops.sync.standing import application_in
from gitops.views.explain import drift_of
from tests.scenarios.running import Running
from tests.scenarios.world import config_map, deployment


def test_a_field_that_a_person_added_is_left_alone_unless_strict(world):
    world.commit(web=config_map("web", a="1"))
    world.sync()
    world.edit("core/configmaps/web", {"data": {"extra": "1"}})
    assert world.plan().plan.changes == ()
    assert world.sync().outcome.value == "in-sync"
    assert world.get("ConfigMap", "web")["data"]["extra"] == "1"


def test_strict_shows_what_a_person_added_with_its_author_and_removes_it(world):
    world.commit(web=deployment())
    strict = world.with_sync(strict=True)
    world.sync(strict)
    containers = [{"name": "web", "env": [{"name": "DEBUG", "value": "1"}]}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}, "metadata": {"labels": {"by": "hand"}}}
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", path, patch, "kubectl-edit", "application/strategic-merge-patch+json")
    (change,) = world.plan(strict).plan.changes
    shown = {field.path: (field.live, field.owner.name) for field in change.fields}
    assert shown["metadata.labels.by"] == ("hand", "kubectl-edit")
    assert shown["spec.template.spec.containers[name=web].env"][1] == "kubectl-edit"
    assert world.sync(strict).outcome is Outcome.SYNCED
    live = world.get("Deployment", "web", "apps")
    assert "env" not in live["spec"]["template"]["spec"]["containers"][0]
    assert "by" not in live["metadata"]["labels"]
    assert world.plan(strict).plan.changes == ()


def test_strict_leaves_what_automation_added_and_a_restart(world):
    world.commit(web=deployment())
    strict = world.with_sync(strict=True)
    world.sync(strict)
    world.edit("apps/deployments/web", {"metadata": {"labels": {"mesh": "on"}}}, manager="mesh-operator")
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    restart = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    world.edit("apps/deployments/web", restart, manager="kubectl-rollout")
    world.edit("apps/deployments/web", {"metadata": {"labels": {"by": "hand"}}}, manager="kubectl-label")
    (change,) = world.plan(strict).plan.changes
    assert [field.path for field in change.fields] == ["metadata.labels.by"]
    world.sync(strict)
    live = world.get("Deployment", "web", "apps")
    assert live["metadata"]["labels"]["mesh"] == "on"
    assert live["spec"]["template"]["metadata"]["annotations"] == stamp


def test_what_a_path_names_is_neither_shown_nor_reset(world):
    path = '.spec.template.spec.containers[] | select(.name == "web") | .image'
    app = replace(world.app, ignoreDifferences=(IgnoreRule(kind="Deployment", jqPathExpressions=(path,)),))
    world.commit(web=deployment())
    world.sync(app)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}}}}
    url = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", url, image, "image-updater", "application/strategic-merge-patch+json")
    assert world.plan().plan.obstacles, "without the rule it is a conflict"
    assert world.plan(app).plan.changes == ()
    world.commit(web=deployment(replicas=3))
    assert world.sync(app).outcome is Outcome.SYNCED
    spec = world.get("Deployment", "web", "apps")["spec"]
    assert spec["replicas"] == 3
    assert spec["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"


def test_what_a_named_manager_owns_is_neither_shown_nor_reset(world):
    app = replace(world.app, ignoreDifferences=(IgnoreRule(managers=("autoscaler",)),))
    world.commit(web=deployment(replicas=2))
    world.sync(app)
    world.edit("apps/deployments/web/scale", {"spec": {"replicas": 4}}, manager="autoscaler")
    assert world.plan(app).plan.changes == ()
    world.commit(web=deployment(image="nginx:1.27", replicas=2))
    assert world.sync(app).outcome is Outcome.SYNCED
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 4


def deployment_with(**pod):
    body = deployment("d")
    body["spec"]["template"]["spec"] = {"containers": [{"name": "c", "image": "nginx:1.26"}], **pod}
    return body


ONE_PORT = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s"},
    "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]},
}
INVALID_TOGETHER = {
    "another port": (
        ONE_PORT,
        "core/services/s",
        [{"op": "replace", "path": "/spec/ports/0/port", "value": 8080}],
    ),
    "another type of volume": (
        deployment_with(volumes=[{"name": "v", "emptyDir": {}}]),
        "apps/deployments/d",
        [
            {"op": "remove", "path": "/spec/template/spec/volumes/0/emptyDir"},
            {"op": "add", "path": "/spec/template/spec/volumes/0/secret", "value": {"secretName": "x"}},
        ],
    ),
    "another source of a variable": (
        deployment_with(containers=[{"name": "c", "image": "nginx:1.26", "env": [{"name": "A", "value": "1"}]}]),
        "apps/deployments/d",
        [
            {
                "op": "replace",
                "path": "/spec/template/spec/containers/0/env/0",
                "value": {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            }
        ],
    ),
}


@pytest.mark.parametrize("edit", sorted(INVALID_TOGETHER))
def test_a_hand_edit_that_is_invalid_beside_ours_is_taken_back_and_stops_nothing(world, edit):
    body, path, patch = INVALID_TOGETHER[edit]
    world.commit(object=body, settings=config_map("settings"))
    world.sync(wait=False)
    found = (body["kind"], body["metadata"]["name"], path.partition("/")[0].replace("core", ""))
    before = world.get(*found)["spec"]
    group = "apis/apps/v1" if found[2] else "api/v1"
    url = f"/{group}/namespaces/{world.namespace}/{path.partition('/')[2]}"
    world.request("PATCH", url, patch, "kubectl-edit", "application/json-patch+json")
    world.commit(settings=config_map("settings", a="2"))
    changed = {change.key.name: change for change in world.plan().plan.changes}
    assert sorted(changed) == sorted([body["metadata"]["name"], "settings"])
    assert "kubectl-edit" in str([field.owner for field in changed[body["metadata"]["name"]].fields])
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert world.get(*found)["spec"] == before
    assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}
    assert world.plan().plan.changes == ()


def scaled_by(world, manager, replicas):
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", path, {"spec": {"replicas": replicas}}, manager, "application/merge-patch+json")


def test_a_hand_edit_beside_it_makes_no_conflict_with_other_automation_disappear(world):
    world.commit(web=deployment())
    world.sync()
    scaled_by(world, "some-autoscaler", 7)
    world.edit("apps/deployments/web", {"metadata": {"annotations": {"note": "by hand"}}})
    result = world.sync()
    assert (result.outcome, "some-autoscaler" in result.message) == (Outcome.HELD, True)
    assert world.get("Deployment", "web", "apps")["metadata"]["annotations"]["note"] == "by hand"


def test_a_scale_by_hand_beside_an_edit_that_is_invalid_with_ours_is_taken_back_at_once(world):
    volumes = [{"name": "v", "emptyDir": {}}]
    body = deployment()
    body["spec"]["template"]["spec"]["volumes"] = volumes
    world.commit(web=body)
    world.sync(wait=False)
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", f"{path}/scale", {"spec": {"replicas": 5}}, "kubectl", "application/merge-patch+json")
    place = "/spec/template/spec/volumes/0"
    edit = [
        {"op": "remove", "path": f"{place}/emptyDir"},
        {"op": "add", "path": f"{place}/secret", "value": {"secretName": "x"}},
    ]
    world.request("PATCH", path, edit, "kubectl-edit", "application/json-patch+json")
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    spec = world.get("Deployment", "web", "apps")["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["volumes"]) == (2, volumes)


def test_a_manifest_that_is_wrong_by_itself_is_held_whatever_people_did_to_the_object(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    world.edit("apps/deployments/web", {"metadata": {"annotations": {"note": "by hand"}}})
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        {"name": "A", "value": "2"},
    ]
    world.commit(web=body, settings=config_map("settings", a="2"))
    result = world.sync()
    assert (result.outcome, "duplicate entries" in result.message) == (Outcome.HELD, True)
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_drift_is_undone_after_a_restart_although_the_repository_cannot_be_read(world):
    sha = world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    with Running(world) as running:
        running.until_synced(sha)
    away = world.repository.rename(world.folder / "elsewhere")
    world.edit("core/configmaps/settings", {"data": {"color": "red"}})
    with Running(world) as running:
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"color": "blue"})
        running.until(lambda: running.tracked().schedule.task is None)
        world.edit("apps/deployments/web", {"spec": {"replicas": 5}})
        took = running.until(lambda: world.get("Deployment", "web", "apps")["spec"]["replicas"] == 2)
        assert took < 2
        assert running.tracked().sync == "Unknown"
        assert "cannot be read" in running.tracked().problem
        away.rename(world.repository)
        running.until_synced(world.commit(settings=config_map("settings", color="green")), seconds=30)


def test_after_a_sync_that_failed_nothing_is_under_way_and_drift_is_told(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    app = world.with_sync(rollback="never", timeout=1.5)
    world.sync(app)
    world.commit(web=deployment(image="nginx:broken"))
    assert world.sync(app).outcome is Outcome.FAILED
    world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/configmaps/settings")

    async def look(context):
        (found,) = await find_applications(context.cluster, "app", world.namespace)
        return await drift_of(context, found, application_in(found))

    drift = world._context(look)
    assert drift.under_way == ""
    assert {change.key.name for change in drift.changes} == {"settings", "web"}
