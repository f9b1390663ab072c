"""What a sync does where the cluster answers oddly half way: nothing is half recorded, nothing is left over."""

import pytest

from gitops.model.errors import ApiError, GitopsError
from gitops.model.result import Hold, Outcome
from gitops.sync.context import Request
from gitops.sync.reconcile import sync
from tests.scenarios.world import World, config_map, deployment


def answers(monkeypatch, world, changed):
    """Have `changed(method, path, query)` raise in place of a request, where it does."""
    from gitops.adapters.kubernetes.http import Http

    raw = Http._raw

    async def instead(self, call):
        changed(call.method, call.path, call.query or {})
        return await raw(self, call)

    monkeypatch.setattr(Http, "_raw", instead)


def replica_sets(world):
    items = world.request("GET", f"/apis/apps/v1/namespaces/{world.namespace}/replicasets")["items"]
    pods = world.request("GET", f"/api/v1/namespaces/{world.namespace}/pods")["items"]
    return {item["metadata"]["uid"] for item in items}, {item["metadata"]["uid"] for item in pods}


def test_a_deployment_that_is_recreated_leaves_no_replica_set_and_no_pod_of_the_old_one(world):
    world.commit(web=deployment(**{"gitops.dev/recreate": "enabled"}))
    assert world.sync().outcome is Outcome.SYNCED
    sets, pods = replica_sets(world)
    body = deployment(**{"gitops.dev/recreate": "enabled"})
    body["spec"]["selector"]["matchLabels"] = {"app": "other"}
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    world.commit(web=body)
    assert world.sync().outcome is Outcome.SYNCED
    now_sets, now_pods = replica_sets(world)
    assert (sets & now_sets, pods & now_pods) == (set(), set())
    assert len(now_pods) == 2


def test_to_adopt_leaves_the_entry_of_a_manager_that_is_none_of_the_tools_it_takes_over(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    world.request("POST", path, config_map("settings", a="1", theirs="2"), "some-operator")
    world.commit(settings=config_map("settings", a="1"))
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    live = world.get("ConfigMap", "settings")
    assert live["data"] == {"a": "1", "theirs": "2"}
    managers = {entry["manager"]: entry["fieldsV1"] for entry in live["metadata"]["managedFields"]}
    assert "f:theirs" in managers["some-operator"]["f:data"]
    assert set(managers["gitops"]["f:data"]) == {"f:a"}


def test_an_error_outside_of_any_write_ends_the_sync_as_failed_and_is_no_release(world, monkeypatch):
    world.commit(web=deployment())
    assert world.sync().outcome is Outcome.SYNCED
    releases = len(world.inventory().releases)
    head = world.commit(web=deployment(image="nginx:1.27"))
    is_broken = []

    def broken(method, path, query):
        if method == "PATCH" and path.endswith("/deployments/web") and "dryRun" not in query:
            is_broken.append(path)
        elif is_broken and method == "GET" and "/deployments" in path:
            raise ApiError(422, "Invalid", "the server cannot say")

    answers(monkeypatch, world, broken)
    result = world.sync(app=world.with_sync(rollback="never"))
    monkeypatch.undo()
    assert result.outcome is Outcome.FAILED
    assert "the server cannot say" in result.message
    found = world.inventory()
    assert len(found.releases) == releases
    assert found.last.outcome == "failed"
    assert found.healthy.revision != head


def test_a_sync_into_a_namespace_that_is_being_deleted_writes_nothing(world):
    world.commit(settings=config_map("settings"))
    assert world.sync().outcome is Outcome.SYNCED
    held = {**config_map("held"), "metadata": {"name": "held", "finalizers": ["example.com/wait"]}}
    path = f"/api/v1/namespaces/{world.namespace}"
    world.request("POST", f"{path}/configmaps", held)
    world.request("DELETE", path)
    world.commit(settings=config_map("settings", a="2"), more=config_map("more"))

    async def sync_it(context):
        with pytest.raises(GitopsError, match="is being deleted; sync again when it is gone"):
            await sync(Request(world.app, "ada"), context)

    _, writes = world.requests_of(sync_it)
    assert writes == 0
    world.edit("core/configmaps/held", {"metadata": {"finalizers": None}})


def test_owners_that_change_while_they_are_replaced_are_looked_at_again(world, monkeypatch):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    world.request("POST", path, config_map("settings", a="1", gone="2"), "kubectl-client-side-apply")
    world.commit(settings=config_map("settings", a="1"))
    refused = []

    def conflict(method, path, query):
        is_owners = method == "PATCH" and path.endswith("/configmaps/settings") and "force" not in query
        if is_owners and "dryRun" not in query and not refused:
            refused.append(path)
            raise ApiError(409, "Conflict", "the object has been modified; apply your changes to the latest version")

    answers(monkeypatch, world, conflict)
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    assert refused
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_a_sync_fail_hook_runs_though_the_time_was_used_up(world):
    hook = config_map("told", **{"after": "failure"})
    hook["metadata"]["annotations"] = {"gitops.dev/hook": "sync-fail"}
    world.commit(web=deployment(image="nginx:broken"), hook=hook)
    result = world.sync(app=world.with_sync(timeout=1.5, rollback="never"))
    assert result.outcome is Outcome.FAILED
    assert world.get("ConfigMap", "told")["data"] == {"after": "failure"}


def test_a_rollback_that_fails_too_is_in_the_audit_log(world, monkeypatch):
    world.commit(web=deployment())
    assert world.sync().outcome is Outcome.SYNCED
    world.commit(web=deployment(image="nginx:broken"))

    def refused(method, path, query):
        if method == "PATCH" and path.endswith("/deployments/web") and "dryRun" not in query:
            sent.append(path)
            if len(sent) > 1:
                raise ApiError(403, "Forbidden", "no more changes today")

    sent = []
    answers(monkeypatch, world, refused)
    result = world.sync(app=world.with_sync(timeout=1.5))
    monkeypatch.undo()
    assert result.outcome is Outcome.FAILED
    events = world.check_audit()
    facts = [event.fact for event in events]
    assert facts[facts.index("rollback.started") :].count("rollback.failed") == 1
    failed = next(event for event in events if event.fact == "rollback.failed")
    assert "no more changes today" in str(failed.detail["reason"])


def test_a_manifest_that_moves_to_another_served_version_is_one_plain_change(world):
    group, version = "autoscaling", "v2"
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    scaler = {"apiVersion": f"{group}/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec}
    world.commit(scaler=scaler)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    world.commit(scaler={**scaler, "apiVersion": f"{group}/{version}"})
    assert world.sync(wait=False).outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    entries = world.get("HorizontalPodAutoscaler", "web", group)["metadata"]["managedFields"]
    assert [entry["apiVersion"] for entry in entries if entry["manager"] == "gitops"] == [f"{group}/{version}"]
    planned = world.plan()
    assert not planned.plan.changes
    assert not isinstance(planned.decision, Hold)


def test_two_containers_that_two_managers_edited_name_each_its_own(world):
    body = deployment()
    side = {**body["spec"]["template"]["spec"]["containers"][0], "name": "side", "ports": []}
    body["spec"]["template"]["spec"]["containers"].append(side)
    world.commit(web=body)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    first = body["spec"]["template"]["spec"]["containers"][0]["name"]
    kind = "application/strategic-merge-patch+json"
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    for name, manager in (
        (body["spec"]["template"]["spec"]["containers"][0]["name"], "kubectl-edit"),
        ("side", "kubectl-patch"),
    ):
        patch = {"spec": {"template": {"spec": {"containers": [{"name": name, "image": "nginx:edited"}]}}}}
        world.request("PATCH", path, patch, manager, kind)
    (change,) = world.plan().plan.changes
    owners = {field.path: field.owner.name for field in change.fields}
    assert owners == {
        f"spec.template.spec.containers[name={first}].image": "kubectl-edit",
        "spec.template.spec.containers[name=side].image": "kubectl-patch",
    }


def test_a_watch_that_ends_at_once_is_begun_again_at_most_once_a_second(fresh_sandbox, tmp_path):
    cluster = fresh_sandbox(speed=4.0)
    world = World(tmp_path, cluster.kubeconfig(), "short-watches")
    world.commit(web=deployment(image="nginx:broken"))
    world.sync(wait=False)
    cluster.set_faults("watch-close=1ms")

    async def waits(context):
        result = await sync(Request(world.with_sync(timeout=3.0, rollback="never"), "ada"), context)
        assert result.outcome is Outcome.FAILED

    reads, _ = world.requests_of(waits)
    assert reads < 40
