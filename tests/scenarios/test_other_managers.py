"""Fields that others own: taken over where that was promised, taken back where drift is corrected, held otherwise."""

import pytest

from gitops.model.plan import ObstacleKind
from gitops.model.result import Hold, Outcome
from tests.scenarios.running import Running
from tests.scenarios.world import config_map, custom_kind, deployment

APPLY = "application/apply-patch+yaml"


def apply_as(world, manager, path, body, **query):
    """A server-side apply of another client."""
    url = f"{'/api/v1' if path.startswith('core/') else '/apis/' + path.partition('/')[0] + '/v1'}"
    place = f"{url}/namespaces/{world.namespace}/{path.partition('/')[2]}"
    return world.request("PATCH", place, body, manager, APPLY, **query)


def managers(world, kind="ConfigMap", name="settings", group=""):
    return [entry["manager"] for entry in world.get(kind, name, group)["metadata"]["managedFields"]]


def test_other_values_that_kubectl_applied_on_the_server_are_taken_over(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    apply_as(world, "kubectl", "core/configmaps/settings", config_map("settings", color="red", old="x"))
    world.commit(settings=config_map("settings", color="blue"))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "settings")["data"] == {"color": "blue"}
    assert "kubectl" not in managers(world)
    assert world.sync().outcome is Outcome.IN_SYNC


def test_other_values_that_kubectl_applied_on_the_server_are_held_where_nothing_is_to_be_taken_over(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    apply_as(world, "kubectl", "core/configmaps/settings", config_map("settings", color="red"))
    world.commit(settings=config_map("settings", color="blue"))
    result = world.sync(world.with_sync(takeOverKubectl=False))
    assert result.outcome is Outcome.HELD
    assert 'conflict with "kubectl"' in result.message


SCALE_PATCH = {"spec": {"replicas": 5}}


def scaled(world, manager, way="/scale"):
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web{way}"
    world.request("PATCH", path, SCALE_PATCH, manager, "application/merge-patch+json")


@pytest.mark.parametrize("way", ["/scale", ""], ids=["scaled", "edited"])
def test_what_kubectl_applied_on_the_server_and_somebody_scaled_by_hand_is_taken_over(world, way):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    apply_as(world, "kubectl", "apps/deployments/web", deployment(image="nginx:1.20", replicas=3))
    scaled(world, "kubectl" if way else "kubectl-edit", way)
    world.commit(web=deployment(image="nginx:1.26", replicas=2))
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    spec = world.get("Deployment", "web", "apps")["spec"]
    found = (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"])
    assert found == (2, "nginx:1.26")
    assert managers(world, "Deployment", "web", "apps") == ["gitops", "kube-controller-manager"]
    assert world.sync().outcome is Outcome.IN_SYNC


def test_what_kubectl_applied_on_the_server_and_an_autoscaler_scales_is_held(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    apply_as(world, "kubectl", "apps/deployments/web", deployment(image="nginx:1.20", replicas=3))
    scaled(world, "keda")
    world.commit(web=deployment(image="nginx:1.26", replicas=2))
    result = world.sync()
    assert result.outcome is Outcome.HELD
    assert 'spec.replicas (conflict with "keda" with subresource "scale"' in result.message


def pod_with(**container):
    body = deployment(replicas=1)
    spec = body["spec"]["template"]["spec"]
    volumes = container.pop("volumes", None)
    spec["containers"][0] |= container
    return {
        **body,
        "spec": {
            **body["spec"],
            "template": {**body["spec"]["template"], "spec": spec | ({"volumes": volumes} if volumes else {})},
        },
    }


def budget(**spec):
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"selector": selector, **spec},
    }


SECRET_KEY = {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}
CASES = {
    "env": (
        pod_with(env=[{"name": "A", "value": "1"}]),
        pod_with(env=[{"name": "A", "valueFrom": SECRET_KEY}]),
        lambda spec: "value" not in spec["containers"][0]["env"][0],
        {"containers": [{"name": "web", "env": [{"name": "A", "value": "1"}]}]},
    ),
    "env-reference": (
        pod_with(env=[{"name": "A", "valueFrom": SECRET_KEY}]),
        pod_with(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        lambda spec: list(spec["containers"][0]["env"][0]["valueFrom"]) == ["fieldRef"],
        {"containers": [{"name": "web", "env": [{"name": "A", "valueFrom": SECRET_KEY}]}]},
    ),
    "probe": (
        pod_with(readinessProbe={"httpGet": {"path": "/", "port": 80}}),
        pod_with(readinessProbe={"tcpSocket": {"port": 80}}),
        lambda spec: "httpGet" not in spec["containers"][0]["readinessProbe"],
        {"containers": [{"name": "web", "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]},
    ),
    "volume": (
        pod_with(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]),
        pod_with(volumes=[{"name": "v", "configMap": {"name": "c", "optional": True}}]),
        lambda spec: "emptyDir" not in spec["volumes"][0],
        {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]},
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("manager", ["some-operator", "kubectl-edit"])
def test_the_half_of_a_union_that_another_manager_owns_goes_with_a_word(world, case, manager):
    before, after, is_gone, held = CASES[case]
    world.commit(web=before)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    own = {**body, "spec": {"template": {"spec": held}}}
    if manager == "kubectl-edit":
        path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
        kind = "application/strategic-merge-patch+json"
        changed = {"spec": {"template": {"spec": other_values(held)}}}
        world.request("PATCH", path, changed, manager, kind)
    else:
        apply_as(world, manager, "apps/deployments/web", own)
    world.commit(web=after)
    if manager == "some-operator":
        planned = world.plan()
        assert isinstance(planned.decision, Hold), planned.plan
        (obstacle,) = planned.decision.obstacles
        assert obstacle.kind is ObstacleKind.CONFLICT
        assert "some-operator owns spec.template.spec." in obstacle.reason
        assert "--force-conflicts" in obstacle.reason
    result = world.sync(wait=False, force_conflicts=manager == "some-operator")
    assert result.outcome is Outcome.SYNCED, result.message
    assert is_gone(world.get("Deployment", "web", "apps")["spec"]["template"]["spec"])
    assert world.sync(wait=False).outcome is Outcome.IN_SYNC


def other_values(held):
    """The same fields as somebody edits them."""
    if isinstance(held, dict):
        return {name: other_values(value) for name, value in held.items()}
    if isinstance(held, list):
        return [other_values(item) for item in held]
    return {"1": "2", "/": "/x", "k": "other", "1Gi": "2Gi"}.get(held, held)


def test_a_budget_changes_its_kind_of_limit_whoever_owns_the_other(world):
    world.commit(web=budget(minAvailable=1))
    assert world.sync().outcome is Outcome.SYNCED
    body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}}
    apply_as(world, "some-operator", "policy/poddisruptionbudgets/web", {**body, "spec": {"minAvailable": 1}})
    world.commit(web=budget(maxUnavailable=1))
    assert world.sync().outcome is Outcome.HELD
    assert world.sync(force_conflicts=True).outcome is Outcome.SYNCED
    spec = world.get("PodDisruptionBudget", "web", "policy")["spec"]
    assert (spec.get("minAvailable"), spec["maxUnavailable"]) == (None, 1)


@pytest.mark.parametrize("manager", ["python-requests", "my-controller"])
def test_what_was_ours_is_corrected_whoever_changed_it(world, manager):
    sha = world.commit(settings=config_map("settings", color="blue"))
    with Running(world) as running:
        running.until_synced(sha)
        world.edit("core/configmaps/settings", {"data": {"color": "red"}}, manager)
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"color": "blue"})
        running.until(lambda: running.tracked().schedule.task is None)
    assert "drift.detected" in {event.fact for event in world.check_audit()}


def test_what_was_ours_is_corrected_with_a_commit_that_changes_something_else(world):
    app = world.with_sync(drift="correct")
    world.commit(settings=config_map("settings", color="blue"))
    world.sync(app)
    world.edit("core/configmaps/settings", {"data": {"color": "red"}}, "python-requests")
    world.commit(settings=config_map("settings", color="blue", size="1"))
    assert world.sync(app).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "settings")["data"] == {"color": "blue", "size": "1"}


def test_what_was_never_ours_is_held_also_where_drift_is_corrected(world):
    app = world.with_sync(drift="correct")
    world.commit(settings=config_map("settings", color="blue"))
    world.sync(app)
    world.edit("core/configmaps/settings", {"data": {"size": "9"}}, "python-requests")
    world.commit(settings=config_map("settings", color="blue", size="1"))
    held = world.sync(app)
    assert held.outcome is Outcome.HELD
    assert "data.size" in held.message
    assert world.get("ConfigMap", "settings")["data"] == {"color": "blue", "size": "9"}


def test_without_correction_what_another_automation_changed_is_held(world):
    world.commit(settings=config_map("settings", color="blue"))
    world.sync()
    world.edit("core/configmaps/settings", {"data": {"color": "red"}}, "python-requests")
    assert world.sync().outcome is Outcome.HELD


def widgets(world, *versions):
    group, definition = custom_kind(world, "Widget", {"type": "object", "properties": {"spec": FREE}})
    (shape,) = definition["spec"]["versions"]
    listed = [{**shape, "name": name, "storage": name == versions[-1]} for name in versions]
    return group, {**definition, "spec": {**definition["spec"], "versions": listed}}


FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def widget(group, version, **spec):
    return {"apiVersion": f"{group}/{version}", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def entry_versions(world, group):
    entries = world.get("Widget", "w", group)["metadata"]["managedFields"]
    return {entry["apiVersion"].rpartition("/")[2] for entry in entries}


def test_our_entry_moves_to_the_version_of_the_manifest_though_nothing_else_changes(world):
    group, definition = widgets(world, "v1", "v2")
    world.commit(all=[definition, widget(group, "v1", size=1)])
    world.sync()
    world.commit(all=[definition, widget(group, "v2", size=1)])
    result = world.sync()
    assert [item.verb for item in result.changed] == ["updated"]
    assert entry_versions(world, group) == {"v2"}
    assert world.sync().outcome is Outcome.IN_SYNC
    _, only = widgets(world, "v2")
    world.commit(all=[only, widget(group, "v2", size=2)])
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("Widget", "w", group)["spec"] == {"size": 2}


def test_an_object_is_changed_although_a_version_of_its_owners_is_gone(world):
    group, definition = widgets(world, "v1", "v2")
    world.commit(all=[definition, widget(group, "v1", size=1, old=True)])
    world.sync()
    plural = definition["spec"]["names"]["plural"]
    operator = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"by": "operator"}}
    path = f"/apis/{group}/v1/namespaces/{world.namespace}/{plural}/w"
    world.request("PATCH", path, operator, "operator", APPLY)
    _, only = widgets(world, "v2")
    world.commit(all=[only])
    world.sync(world.with_sync(prune=False))
    world.commit(all=[only, widget(group, "v2", size=2)])
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    assert world.get("Widget", "w", group)["spec"] == {"size": 2, "by": "operator"}
    assert entry_versions(world, group) == {"v2"}
    assert world.sync().outcome is Outcome.IN_SYNC
