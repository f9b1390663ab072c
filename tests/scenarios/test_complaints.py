"""What users complain about in other tools, each as what must not happen here."""

import time
from dataclasses import replace

import pytest

from gitops.manifests.errors import ManifestError
from gitops.model.application import Application, Destination, PlainOptions
from gitops.model.errors import RenderError
from gitops.model.health import HealthWord
from gitops.model.result import Outcome
from gitops.sync.context import as_account
from gitops.sync.dependencies import unready
from gitops.sync.health_wait import health_when_gone
from tests.scenarios.world import config_map, deployment, job


def test_a_broken_render_must_not_prune_what_is_in_git(world):
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync()
    world.commit(a="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n")
    with pytest.raises(ManifestError):
        world.sync()
    assert world.get("ConfigMap", "a")
    assert world.get("ConfigMap", "b")


def test_a_manifest_that_moved_into_a_submodule_must_not_be_pruned(world):
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync()
    inner = world.folder / "inner"
    inner.mkdir()
    (world.repository / "b.yaml").rename(inner / "b.yaml")
    world._git("init", "-q", "-b", "main", cwd=inner)
    world._git("add", "-A", cwd=inner)
    world._git("-c", "user.name=Ada", "-c", "user.email=a@example.com", "commit", "-qm", "moved", cwd=inner)
    world._git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "moved")
    world.commit()
    with pytest.raises(RenderError, match="moved: is a Git submodule"):
        world.sync()
    assert world.get("ConfigMap", "b")
    without = replace(world.app.source, plain=PlainOptions(exclude="moved/**"))
    (prune,) = world.plan(replace(world.app, source=without)).plan.prunes
    assert prune.key.name == "b"


def test_a_sync_must_not_run_an_old_revision(world):
    world.commit(a=config_map("a", v="1"))
    world.sync()
    for number in range(3):
        sha = world.commit(a=config_map("a", v=f"new-{number}"))
        assert world.sync().plan.revision.sha == sha
        assert world.get("ConfigMap", "a")["data"]["v"] == f"new-{number}"


def test_a_failed_sync_must_not_block_the_commit_that_mends_it(world):
    world.commit(web=deployment(image="nginx:broken"))
    assert world.sync(world.with_sync(timeout=1.5)).outcome is Outcome.FAILED
    world.commit(web=deployment())
    assert world.sync().outcome is Outcome.SYNCED


def test_a_sync_must_not_wait_without_an_end_and_names_what_it_waited_for(world):
    world.commit(web=deployment(image="nginx:broken"))
    began = time.monotonic()
    result = world.sync(world.with_sync(timeout=1.5))
    assert time.monotonic() - began < 8
    assert result.failures[0].key.name == "web"
    assert f"apps/Deployment {world.namespace}/web: not healthy in time: " in result.message


def test_losing_the_inventory_must_not_delete_anything(world):
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync()
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/gitops-app"
    world.request("DELETE", path)
    assert world.get("ConfigMap", "a")
    world.commit(b=None)
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "b"), "nobody can say any more that it was ours to delete"
    assert {key.name for key in world.inventory().keys} == {"a"}


def test_a_namespace_must_not_go_with_all_that_is_in_it_unasked(world):
    extra = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{world.namespace}-extra"}}
    world.commit(a=config_map("a"), extra=extra)
    world.sync()
    world.commit(extra=None)
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert "would be deleted with all that is in it" in held.message
    assert world.get("Namespace", f"{world.namespace}-extra", namespace="")


def test_a_rollback_must_not_be_fought_by_the_next_sync(world):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:broken"))
    assert world.sync(world.with_sync(timeout=2.0)).outcome is Outcome.ROLLED_BACK
    for _ in range(2):
        assert world.sync().outcome is Outcome.HELD
    live = world.get("Deployment", "web", "apps")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.26"


def test_one_failed_sync_must_not_end_the_repair_of_drift(world):
    world.commit(a=config_map("a", v="1"), web=deployment(image="nginx:broken"))
    world.sync(world.with_sync(timeout=1.0))
    world.edit("core/configmaps/a", {"data": {"v": "by hand"}})
    world.sync(world.with_sync(timeout=1.0))
    assert world.get("ConfigMap", "a")["data"]["v"] == "1"


def test_a_commit_elsewhere_must_not_count_as_a_change(world):
    (world.repository / "other").mkdir()
    (world.repository / "mine").mkdir()
    app = replace(world.app, source=replace(world.app.source, path="mine"))
    world.commit(**{"mine/a": config_map("a"), "other/b": config_map("b")})
    world.sync(app)
    world.commit(**{"other/b": config_map("b", v="2")})
    assert world.plan(app).plan.changes == ()
    assert world.sync(app).outcome is Outcome.IN_SYNC


def test_a_hook_that_its_ttl_removed_must_not_hang_the_sync():
    ended = job("migrate")
    ended["spec"]["ttlSecondsAfterFinished"] = 0
    complete = {"conditions": [{"type": "Complete", "status": "True"}]}
    failed = {"conditions": [{"type": "Failed", "status": "True", "message": "no"}]}
    assert health_when_gone({**ended, "status": complete}).word is HealthWord.HEALTHY
    assert health_when_gone({**ended, "status": failed}).word is HealthWord.DEGRADED
    assert health_when_gone({**job("other"), "status": complete}).word is HealthWord.MISSING


def test_an_ingress_whose_controller_sets_no_address_must_not_hang_the_sync(world):
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "annotations": {"gitops.dev/health": "ignore"}},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    }
    world.commit(web=ingress)
    assert world.sync().outcome is Outcome.SYNCED


def test_an_application_must_not_run_before_what_it_depends_on(world):
    database = Application(
        "database",
        source=replace(world.app.source, path="database"),
        destination=Destination(namespace=world.namespace),
        sync=world.app.sync,
    )
    shop = replace(world.app, source=replace(world.app.source, path="shop"), dependsOn=("database",))
    shop = replace(shop, namespace=f"team-{world.namespace}")
    database = replace(database, namespace=shop.namespace)
    (world.repository / "database").mkdir()
    (world.repository / "shop").mkdir()
    world.commit(**{"database/db": deployment("db"), "shop/web": config_map("web")})
    held = world.sync(shop)
    assert held.outcome is Outcome.HELD
    assert "depends on database: it has not been synced" in held.message
    world.sync(database)
    assert world.sync(shop).outcome is Outcome.SYNCED


def test_an_expression_must_not_be_passed_over_for_health(world):
    database = replace(world.app, name="database", source=replace(world.app.source, path="database"))
    asks = {"database": "dep.status.health.status == 'Healthy' && self.spec.source.path != dep.spec.source.path"}
    shop = replace(world.app, source=replace(world.app.source, path="shop"), dependsOn=("database",), readyExpr=asks)
    for name in ("database", "shop"):
        (world.repository / name).mkdir()
    world.commit(**{"database/db": config_map("db"), "shop/web": config_map("web")})
    assert "depends on database: it is not there" in world.sync(shop).message
    world.sync(database)
    never = replace(shop, readyExpr={"database": "dep.spec.source.path == 'elsewhere'"})
    assert "depends on database: its readyExpr is false" in world.sync(never).message
    tenant = replace(
        shop, namespace="team", dependsOn=("gitops/database",), readyExpr={"gitops/database": "dep.spec.x"}
    )
    tenant = replace(tenant, sync=replace(tenant.sync, serviceAccount="default"))
    (found,) = world._context(lambda context: unready(as_account(context, tenant), tenant))
    assert "cannot be evaluated: no such key: spec" in found.reason
    assert world.sync(shop).outcome is Outcome.SYNCED


def test_a_wait_must_not_take_the_old_rollouts_health_for_the_new_ones(world):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"))
    world.sync()
    live = world.get("Deployment", "web", "apps")
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"]
    assert live["status"]["updatedReplicas"] == 2


def test_an_immutable_field_must_not_be_a_riddle(world):
    world.commit(run=job("run"))
    world.sync(wait=False)
    world.commit(run=job("run", "busybox:2"))
    held = world.sync(wait=False)
    assert held.outcome is Outcome.HELD
    assert "spec.template.spec.containers[name=run].image cannot be changed (field is immutable)" in held.message
    assert "gitops.dev/recreate: enabled" in held.message


def test_a_large_object_must_not_fail_for_an_annotation(world):
    world.commit(big=config_map("big", text="x" * 400_000))
    assert world.sync().outcome is Outcome.SYNCED
    annotations = world.get("ConfigMap", "big")["metadata"]["annotations"]
    assert set(annotations) == {"gitops.dev/tracking"}


def test_looking_at_drift_must_not_change_it(world):
    world.commit(a=config_map("a", v="1"))
    world.sync()
    world.edit("core/configmaps/a", {"data": {"v": "by hand"}})
    before = world.get("ConfigMap", "a")
    assert world.plan().plan.changes
    assert world.get("ConfigMap", "a") == before


def test_one_bad_application_must_not_stop_another(world):
    bad = replace(world.app, name="bad", source=replace(world.app.source, path="bad"))
    good = replace(world.app, name="good", source=replace(world.app.source, path="good"))
    (world.repository / "bad").mkdir()
    (world.repository / "good").mkdir()
    world.commit(**{"bad/a": config_map("Not_A_Name"), "good/a": config_map("a")})
    assert world.sync(bad).outcome is Outcome.FAILED
    assert world.sync(good).outcome is Outcome.SYNCED


def test_a_partial_failure_must_not_leave_orphans(world):
    world.commit(a=config_map("a"), web=deployment(image="nginx:broken", **{"gitops.dev/wave": "1"}))
    assert world.sync(world.with_sync(timeout=1.0)).outcome is Outcome.FAILED
    assert {key.name for key in world.inventory().keys} == {"a", "web"}
    world.commit(a=None, web=None, b=config_map("b"))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "a") is None


def test_the_audit_log_must_not_leave_out_failures_and_their_reasons(world):
    world.commit(web=deployment(image="nginx:broken"))
    world.sync(world.with_sync(timeout=1.5))
    failed = next(event for event in world.check_audit() if event.fact == "sync.failed")
    assert failed.actor == "ada"
    assert "web" in failed.detail["failures"][0]["object"]
    assert "ImagePull" in failed.detail["failures"][0]["reason"]


def test_what_a_server_fills_in_must_not_be_shown_as_a_difference(world):
    body = deployment()
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": "1000m", "memory": "1024Mi"}}
    container["ports"] = [{"containerPort": 80}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    world.commit(web=body, service=service)
    world.sync()
    assert world.plan().plan.changes == ()
    assert world.sync().outcome is Outcome.IN_SYNC


def test_a_variable_added_by_hand_must_not_go_unseen(world):
    """Fields beside ours are other people's business, unless the Application says that they are not."""
    strict = world.with_sync(strict=True)
    world.commit(web=deployment())
    world.sync(strict)
    added = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "X", "value": "1"}]}]}}}}
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", path, added, "kubectl-edit", "application/strategic-merge-patch+json")
    (change,) = world.plan(strict).plan.changes
    assert [(field.path, field.owner.name) for field in change.fields] == [
        ("spec.template.spec.containers[name=web].env", "kubectl-edit")
    ]


def test_pruning_must_not_go_against_the_order_of_dependency(world):
    """The last wave goes first, and is gone before what it needed goes."""
    held = config_map("first", v="1")
    held["metadata"] |= {"annotations": {"gitops.dev/wave": "1"}, "finalizers": ["example.com/hold"]}
    needed = config_map("needed")
    needed["metadata"]["annotations"] = {"gitops.dev/wave": "-1"}
    world.commit(first=held, needed=needed, keep=config_map("keep"))
    world.sync()
    world.commit(first=None, needed=None)
    result = world.sync(world.with_sync(timeout=1.5))
    assert result.outcome is Outcome.FAILED
    assert "does not go away (held by example.com/hold)" in result.message
    assert "not rolled back: all that is desired is there" in result.message
    assert world.get("ConfigMap", "needed"), "what needs it is still there"
    world.edit("core/configmaps/first", {"metadata": {"finalizers": None}})
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "needed") is None


def test_a_pod_must_not_be_refused_for_want_of_the_priority_class_beside_it(world):
    urgent = {"kind": "PriorityClass", "metadata": {"name": world.namespace}, "value": 10}
    spec = {"priorityClassName": world.namespace, "containers": [{"name": "one", "image": "busybox"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
    world.commit(a=pod, b={"apiVersion": "scheduling.k8s.io/v1", **urgent}, keep=config_map("keep"))
    assert world.plan().plan.obstacles == ()
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("Pod", "one")["spec"]["priority"] == 10
    world.commit(a=None, b=None)
    gone = world.sync(confirm=True).changed
    assert [(item.verb, item.key.kind) for item in gone] == [("pruned", "Pod"), ("pruned", "PriorityClass")]


def test_a_secret_must_not_lie_in_plain_text_in_our_records(world):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "correct-horse"}}
    world.commit(s=secret)
    world.sync()
    world.commit(s={**secret, "stringData": {"p": "battery-staple"}})
    world.sync()
    kept = b"".join(path.read_bytes() for path in world.state.rglob("*") if path.is_file())
    for value in (b"correct-horse", b"battery-staple", b"Y29ycmVjdC1ob3JzZQ", b"YmF0dGVyeS1zdGFwbGU"):
        assert value not in kept
