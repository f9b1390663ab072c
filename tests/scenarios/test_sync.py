"""Stories of a delivery: commits in, cluster out, over HTTP on the embedded cluster."""

import os
import time
from dataclasses import replace

import pytest

from gitops.engine import pod_failure
from gitops.model.application import IgnoreRule, Window
from gitops.model.health import HealthWord
from gitops.model.plan import Manager, Update
from gitops.model.result import Hold, Outcome
from gitops.sync import events, health_wait
from gitops.sync.context import Request
from gitops.sync.planning import plan_sync
from tests.scenarios.world import World, as_json, config_map, custom_kind, deployment, job


def test_a_commit_becomes_healthy_workloads_in_order(world):
    sha = world.commit(web=deployment(**{"gitops.dev/wave": "1"}), settings=config_map("settings"))
    result = world.sync()
    assert result.outcome is Outcome.SYNCED
    assert [item.key.kind for item in result.changed] == ["Namespace", "ConfigMap", "Deployment"]
    assert world.get("Deployment", "web", "apps")["status"]["availableReplicas"] == 2
    assert world.inventory().healthy.revision == sha


def test_the_same_commit_again_sends_no_write(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    again = []

    async def second(context):
        from gitops.sync.context import Request
        from gitops.sync.reconcile import sync

        again.append(await sync(Request(world.app, "ada"), context))

    reads, writes = world.requests_of(second)
    assert again[0].outcome is Outcome.IN_SYNC
    assert writes == 0
    assert reads < 12


def test_a_file_removed_from_git_is_pruned(world):
    world.commit(web=config_map("web"), old=config_map("old"))
    world.sync()
    world.commit(old=None)
    assert [(item.verb, item.key.name) for item in world.sync().changed] == [("pruned", "old")]
    assert world.get("ConfigMap", "old") is None
    assert {key.name for key in world.inventory().keys} == {"web"}


def test_without_prune_what_left_git_is_kept_and_said(world):
    world.commit(web=config_map("web"), old=config_map("old"))
    world.sync()
    world.commit(old=None)
    result = world.sync(world.with_sync(prune=False))
    assert [kept.key.name for kept in result.plan.kept] == ["old"]
    assert world.get("ConfigMap", "old")
    assert "old" in {key.name for key in world.inventory().keys}


def test_a_hand_edit_is_found_with_its_author_and_undone(world):
    world.commit(web=deployment())
    world.sync()
    world.edit("apps/deployments/web/scale", {"spec": {"replicas": 5}}, manager="kubectl")
    (change,) = world.plan().plan.changes
    (field,) = change.fields
    assert (field.path, field.live, field.desired) == ("spec.replicas", 5, 2)
    assert isinstance(field.owner, Manager)
    assert field.owner.name == "kubectl"
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 2


def test_a_field_of_another_automation_is_not_taken_without_a_word(world):
    world.commit(web=config_map("web", a="ours"))
    world.sync()
    world.edit("core/configmaps/web", {"data": {"a": "theirs"}}, manager="some-operator")
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert "some-operator" in held.message
    assert world.get("ConfigMap", "web")["data"]["a"] == "theirs"
    assert world.sync(force_conflicts=True).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "web")["data"]["a"] == "ours"


def test_what_others_add_beside_our_fields_stays(world):
    world.commit(web=config_map("web", a="1"))
    world.sync()
    world.edit("core/configmaps/web", {"data": {"theirs": "1"}})
    world.commit(web=config_map("web", a="2"))
    world.sync()
    assert world.get("ConfigMap", "web")["data"] == {"a": "2", "theirs": "1"}


def test_an_ignored_field_is_neither_shown_nor_reset(world):
    rule = IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",))
    app = replace(world.app, ignoreDifferences=(rule,))
    world.commit(web=deployment(replicas=2))
    world.sync(app)
    world.edit("apps/deployments/web/scale", {"spec": {"replicas": 4}}, manager="kubectl")
    assert world.plan(app).plan.changes == ()
    world.commit(web=deployment(image="nginx:1.27", replicas=2))
    world.sync(app)
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 4


def test_a_bad_image_is_rolled_back_and_its_revision_quarantined(world):
    good = world.commit(web=deployment())
    world.sync()
    bad = world.commit(web=deployment(image="nginx:broken"), extra=config_map("extra"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK
    assert "ImagePullBackOff" in result.message or "ErrImagePull" in result.message
    live = world.get("Deployment", "web", "apps")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.26"
    assert world.get("ConfigMap", "extra") is None, "what the failed sync created is gone"
    inventory = world.inventory()
    assert (inventory.quarantine.revision, inventory.healthy.revision) == (bad, good)
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert "push a commit that mends it" in held.message
    world.commit(web=deployment(image="nginx:1.27"))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.inventory().quarantine is None


def test_a_runner_with_an_empty_store_rolls_back_by_rendering_the_commit_again(world):
    world.commit(web=deployment())
    world.sync()
    world.state = world.folder / "another-runner"
    world.commit(web=deployment(image="nginx:broken"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK
    live = world.get("Deployment", "web", "apps")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.26"


def test_the_first_release_that_fails_stays_for_a_person_to_look_at(world):
    world.commit(web=deployment(image="nginx:broken"))
    result = world.sync(world.with_sync(timeout=2.0))
    assert result.outcome is Outcome.FAILED
    assert "no release has been healthy yet" in result.message
    assert world.inventory().healthy is None


def test_a_hook_runs_before_what_comes_after_it_and_once(world):
    migrate = job("migrate", **{"gitops.dev/hook": "pre-sync"})
    world.commit(migrate=migrate, web=config_map("web"))
    result = world.sync()
    assert [(item.verb, item.key.name) for item in result.changed[1:]] == [("hook", "migrate"), ("created", "web")]
    first = world.get("Job", "migrate", "batch")["metadata"]["uid"]
    assert world.sync().outcome is Outcome.IN_SYNC
    assert world.get("Job", "migrate", "batch")["metadata"]["uid"] == first
    world.commit(web=config_map("web", a="2"))
    world.sync()
    assert world.get("Job", "migrate", "batch")["metadata"]["uid"] != first


def test_a_hook_that_fails_stops_what_comes_after_it(world):
    bad = job("migrate", "busybox:fail", **{"gitops.dev/hook": "pre-sync"})
    notify = job("notify", **{"gitops.dev/hook": "sync-fail"})
    world.commit(migrate=bad, web=config_map("web"), notify=notify)
    result = world.sync()
    assert result.outcome is Outcome.FAILED
    assert world.get("ConfigMap", "web") is None
    assert world.get("Job", "notify", "batch") is not None


def test_a_hook_that_asks_for_it_is_deleted_when_it_succeeded(world):
    annotations = {"argocd.argoproj.io/hook": "PostSync", "argocd.argoproj.io/hook-delete-policy": "HookSucceeded"}
    world.commit(check=job("check", **annotations), web=config_map("web"))
    assert world.sync().outcome is Outcome.SYNCED
    live = world.get("Job", "check", "batch")
    assert live is None or live["metadata"].get("deletionTimestamp")


def test_a_definition_and_its_first_object_arrive_in_one_commit(world):
    group, crd = custom_kind(world, "Widget", {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}}
    world.commit(all=[widget, crd])
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    assert world.get("Widget", "one", group)["spec"] == {"size": 1}


def test_an_object_of_another_application_is_held_and_the_owner_named(world):
    world.commit(shared=config_map("shared"))
    world.sync()
    other = replace(world.app, name="other")
    held = world.sync(other)
    assert held.outcome is Outcome.HELD
    assert "belongs to Application gitops/app" in held.message
    assert world.sync(other, adopt=True).outcome is Outcome.SYNCED
    assert world.inventory("other").keys


def test_a_lost_label_neither_orphans_nor_duplicates(world):
    names = [f"c{number}" for number in range(5)]
    world.commit(all=[config_map(name) for name in names])
    world.sync()
    world.edit("core/configmaps/c0", {"metadata": {"labels": None, "annotations": None}})
    plan = world.plan().plan
    (change,) = plan.changes
    assert isinstance(change, Update)
    world.commit(all=[config_map(name) for name in names[1:]])
    assert [(item.verb, item.key.name) for item in world.sync().changed] == [("pruned", "c0")]


def test_the_namespace_may_be_part_of_the_commit(world):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace, "labels": {"team": "a"}}}
    world.commit(space=space, web=config_map("web"))
    assert world.sync(world.with_sync(createNamespace=False)).outcome is Outcome.SYNCED
    assert world.get("Namespace", world.namespace, namespace="")["metadata"]["labels"]["team"] == "a"


def test_the_audit_log_tells_each_step_with_before_and_after_and_verifies(world):
    world.commit(web=config_map("web", a="1"))
    world.sync()
    world.commit(web=config_map("web", a="2"))
    world.sync()
    events = world.check_audit()
    events = [event for event in events if event.fact != "namespace.made"]
    assert [event.fact for event in events] == ["sync.started", "step.started", "step.finished", "sync.finished"] * 2
    (change,) = events[5].detail["changes"]
    assert change["fields"][0] == {
        "path": "data.a",
        "live": "1",
        "desired": "2",
        "owner": change["fields"][0]["owner"],
    }
    assert change["fields"][0]["owner"]["manager"] == "gitops"


def test_no_value_of_a_secret_reaches_the_audit_log_or_the_news(world):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2"}}
    world.commit(s=secret)
    world.sync()
    world.commit(s={**secret, "stringData": {"p": "sesame-open"}})
    plan = world.plan().plan
    shown = str([change.fields for change in plan.changes])
    world.sync()
    told = str(world.check_audit())
    for text in (shown, told):
        for value in ("hunter2", "aHVudGVyMg", "sesame-open", "c2VzYW1lLW9wZW4"):
            assert value not in text
    assert world.sync().outcome is Outcome.IN_SYNC


def test_a_held_sync_writes_nothing(world):
    world.commit(**{f"c{number}": config_map(f"c{number}") for number in range(10)})
    world.sync()
    world.commit(**{f"c{number}": None for number in range(5)})
    planned = world.plan()
    assert isinstance(planned.decision, Hold)
    assert world.sync().outcome is Outcome.HELD
    assert len(world.inventory().keys) == 10
    assert world.sync(confirm=True).outcome is Outcome.SYNCED
    assert len(world.inventory().keys) == 5


def test_only_the_named_object_is_touched(world):
    world.commit(a=config_map("a"), b=config_map("b"), c=config_map("c"))
    result = world.sync(resources=("ConfigMap/b",))
    assert [item.key.name for item in result.changed] == [world.namespace, "b"]
    assert world.get("ConfigMap", "a") is None
    assert {item.key.name for item in world.sync().changed} == {"a", "c"}


def test_no_wait_does_not_wait_and_records_no_release(world):
    world.commit(web=deployment(image="nginx:broken"))
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert world.inventory().healthy is None


def test_what_is_waited_for_is_told_as_it_becomes_healthy(world):
    world.commit(web=deployment())
    world.sync()
    told = [item.health.word for item in world.events if isinstance(item, events.HealthChanged)]
    assert told[0] is HealthWord.PROGRESSING
    assert told[-1] is HealthWord.HEALTHY


def test_a_created_namespace_is_not_pruned_with_the_rest(world: World):
    world.commit(web=config_map("web"), keep=config_map("keep"))
    world.sync()
    assert all(key.kind != "Namespace" for key in world.inventory().keys)


@pytest.mark.skipif("SANDBOX_FAULTS" in os.environ, reason="counts requests, and faults repeat them")
def test_what_a_server_called_equal_once_is_not_asked_again(world):
    container = {"name": "a", "image": "nginx", "resources": {"limits": {"cpu": "1000m"}}}  # the server writes "1"
    world.commit(p={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}})
    world.sync()
    asked = [world.requests_of(lambda context: plan_sync(Request(world.app, "ada"), context))[0] for _ in range(3)]
    assert asked[1] == asked[2] == asked[0] - 1


def test_a_container_that_cannot_recover_fails_the_sync_before_its_deadline(world, monkeypatch):
    monkeypatch.setattr(pod_failure, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(health_wait, "_FIRST_LOOK", 0.2)
    world.commit(web=deployment(image="nginx:broken"))
    began = time.monotonic()
    result = world.sync(world.with_sync(timeout=60.0))
    assert time.monotonic() - began < 15
    assert result.outcome is Outcome.FAILED
    assert "ImagePullBackOff" in result.message


def test_a_crashing_container_is_told_with_its_last_log_lines_and_no_secret(world, monkeypatch):
    monkeypatch.setattr(pod_failure, "MOST_RESTARTS", 1)
    monkeypatch.setattr(health_wait, "_FIRST_LOOK", 0.2)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"p": "Back-off restarting"},
    }
    world.commit(web=deployment(image="nginx:crash"), s=secret)
    result = world.sync(world.with_sync(timeout=60.0))
    assert result.outcome is Outcome.FAILED
    assert "CrashLoopBackOff" in result.message
    assert "Back-off restarting" not in result.message


def test_a_field_that_kubectl_apply_made_goes_when_it_is_not_in_git(world):
    world.commit(settings=config_map("settings", a="1"))
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    text = as_json({**config_map("settings", a="1", old="1"), "metadata": {"name": "settings", "annotations": {}}})
    made = config_map("settings", a="1", old="1")
    made["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": text}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", made, "kubectl-client-side-apply")
    planned = world.plan().plan.changes[0]
    assert "data.old" in [field.path for field in planned.fields]
    assert world.sync().outcome is Outcome.SYNCED
    live = world.get("ConfigMap", "settings")
    assert live["data"] == {"a": "1"}
    assert "kubectl" not in str(live["metadata"])
    assert world.plan().plan.changes == ()


def test_taking_over_from_kubectl_apply_can_be_switched_off(world):
    app = world.with_sync(takeOverKubectl=False)
    world.commit(settings=config_map("settings", a="1"))
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    made = config_map("settings", a="1", old="1")
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", made, "kubectl-client-side-apply")
    world.sync(app)
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1", "old": "1"}


def test_outside_its_windows_a_sync_is_held_until_a_person_overrides_and_that_is_recorded(world):
    always = Window("deny", "* * * * *", 120.0)
    app = replace(world.app, windows=(always,))
    world.commit(web=config_map("web"))
    held = world.sync(app)
    assert held.outcome is Outcome.HELD
    assert "denies syncs until" in held.message
    assert world.sync(app, confirm=True).outcome is Outcome.SYNCED
    started = next(event for event in world.check_audit() if event.fact == "sync.started")
    assert started.detail["confirmed"] is True


def test_an_object_that_was_there_and_only_to_be_made_if_absent_outlives_its_manifest(world):
    world.commit(web=config_map("web"))
    world.sync()
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    world.request("POST", path, config_map("theirs"), manager="operator")
    left = config_map("theirs")
    left["metadata"]["annotations"] = {"gitops.dev/apply": "if-absent"}
    world.commit(theirs=left)
    assert world.sync().outcome is Outcome.SYNCED
    world.commit(theirs=None)
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "theirs")


def test_the_audit_log_stays_whole_when_another_application_takes_the_inventory_over(world):
    """The chain goes on after its anchor under the new name, whose first entry tells the old one."""
    world.commit(web=config_map("web"))
    world.sync()
    before = world.check_audit()
    world.commit(web=config_map("web", a="2"))
    world.app = replace(world.app, namespace="team")
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    first, *rest = world.check_audit()
    assert (first.seq, first.previous_hash) == (before[-1].seq + 1, before[-1].hash)
    assert (first.fact, first.detail["formerly"]) == ("sync.started", "gitops/app")
    assert [event.fact for event in rest].count("sync.finished") == 1


def _storage_class(world, provisioner, **rest):
    head = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": world.namespace}}
    return {**head, "provisioner": provisioner, **rest}


def test_a_recreation_that_fails_half_way_is_rolled_back(world):
    """The object is deleted already when its new form is refused: to stop there would leave it gone."""
    world.commit(c=_storage_class(world, "a.example.com"))
    world.sync()
    refused = _storage_class(world, "b.example.com", reclaimPolicy="Sometimes")
    refused["metadata"]["annotations"] = {"gitops.dev/recreate": "enabled"}
    world.commit(c=refused)
    assert world.sync().outcome is Outcome.ROLLED_BACK
    live = world.get("StorageClass", world.namespace, "storage.k8s.io", namespace="")
    assert live["provisioner"] == "a.example.com"


def test_a_sync_of_one_object_claims_only_that_and_lifts_no_quarantine(world):
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync(resources=("ConfigMap/b",))
    assert {key.name for key in world.inventory().keys} == {"b"}


def test_a_sync_fail_hook_has_time_although_the_sync_ran_out_of_it(world):
    notify = job("notify", **{"gitops.dev/hook": "sync-fail"})
    world.commit(web=deployment(image="nginx:broken"), notify=notify)
    result = world.sync(world.with_sync(timeout=1.5))
    assert [failure.key.name for failure in result.failures] == ["web"]
    assert world.get("Job", "notify", "batch")["status"]["succeeded"] == 1


def test_an_existing_namespace_is_not_written(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}}, "somebody")
    world.commit(a=config_map("a"))
    world.sync()
    managers = [
        entry["manager"] for entry in world.get("Namespace", world.namespace, namespace="")["metadata"]["managedFields"]
    ]
    assert "gitops" not in managers
