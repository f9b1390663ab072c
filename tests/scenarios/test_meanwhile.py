"""What somebody does between the plan and its last write, and what an earlier wave does for a later one."""

import asyncio
import shutil
from dataclasses import replace

import pytest

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.engine import desired
from gitops.model.application import IgnoreRule
from gitops.model.result import Outcome
from tests.scenarios.test_rollback import DONE, by_hand
from tests.scenarios.world import World, config_map, deployment, forget, refused

REPLICAS = IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",))


@pytest.fixture
def world(sandbox, tmp_path, request):
    made = World(tmp_path, sandbox.kubeconfig(), f"meanwhile-{abs(hash(request.node.name)) % 10**8}")
    yield made
    forget(sandbox, made.namespace)


@pytest.fixture
def once_written(monkeypatch):
    """`once_written(name, act)`: when the object of this name has been applied, somebody acts."""

    def watch(name, act):
        real = KubernetesCluster.apply

        async def apply(self, key, body, **options):
            stored = await real(self, key, body, **options)
            if key.name == name and not options.get("dry_run"):
                await asyncio.to_thread(act)
            return stored

        monkeypatch.setattr(KubernetesCluster, "apply", apply)

    return watch


def later(body):
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "annotations": {"gitops.dev/wave": "1"}}}


def test_replicas_that_are_ignored_may_change_while_a_sync_is_under_way(world, once_written):
    app = replace(world.app, ignoreDifferences=(REPLICAS,))
    world.commit(first=config_map("first"), web=later(deployment()))
    world.sync(app)
    world.commit(first=config_map("first", a="2"), web=later(deployment(image="nginx:1.27")))
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web/scale"
    kind = "application/merge-patch+json"
    once_written("first", lambda: world.request("PATCH", path, {"spec": {"replicas": 7}}, "kubectl", kind))
    assert world.sync(app).outcome is Outcome.SYNCED
    live = world.get("Deployment", "web", "apps")["spec"]
    assert (live["replicas"], live["template"]["spec"]["containers"][0]["image"]) == (7, "nginx:1.27")


def test_what_is_to_be_left_alone_from_now_on_is(world, once_written):
    world.commit(first=config_map("first"), late=later(config_map("late")))
    world.sync()
    world.commit(first=config_map("first", a="2"), late=later(config_map("late", a="2")))
    said = {"metadata": {"annotations": {"gitops.dev/apply": "ignore"}}, "data": {"a": "by hand"}}
    once_written("first", lambda: world.edit("core/configmaps/late", said))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "late")["data"] == {"a": "by hand"}


def test_an_earlier_wave_may_have_a_namespace_made(world, once_written):
    space = f"{world.namespace}-team"
    world.commit(first=config_map("first"))
    world.sync()
    inside = later(config_map("inside"))
    inside["metadata"]["namespace"] = space
    world.commit(first=config_map("first", a="2"), inside=inside)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    once_written("first", lambda: world.request("POST", "/api/v1/namespaces", body))
    assert world.sync().outcome is Outcome.SYNCED


def test_a_choice_that_git_made_anew_is_not_undone_by_an_ignored_part_of_the_old_one(world):
    rule = IgnoreRule(kind="Deployment", jsonPointers=("/spec/strategy/rollingUpdate/maxSurge",))
    app = replace(world.app, ignoreDifferences=(rule,))
    web = deployment()
    web["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    world.commit(web=web)
    world.sync(app)
    web["spec"]["strategy"] = {"type": "Recreate"}
    world.commit(web=web)
    assert world.sync(app).outcome is Outcome.SYNCED


def test_another_tools_guard_holds_although_ours_is_misspelt_on_the_live_object(world):
    keep = config_map("keep")
    keep["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    world.commit(keep=keep, settings=config_map("settings"))
    world.sync()
    world.edit("core/configmaps/keep", {"metadata": {"annotations": {"gitops.dev/prune": "false"}}})
    world.commit(keep=None)
    world.sync(confirm=True)
    assert world.get("ConfigMap", "keep")


def test_a_release_that_holds_a_slip_of_old_can_be_gone_back_to_without_the_store(world, monkeypatch):
    slip = config_map("a")
    slip["metadata"]["annotations"] = {"gitops.dev/prune": "false"}
    with monkeypatch.context() as before:
        before.setattr(desired, "check_words", lambda _: None)
        world.commit(a=slip)
        world.sync()
    shutil.rmtree(world.state)
    world.commit(a=config_map("a", a="2"), bad=[later(item) for item in refused()])
    assert world.sync().outcome is Outcome.ROLLED_BACK
    assert world.get("ConfigMap", "a")["data"] == {"a": "1"}
    world.commit(a=config_map("a", a="3"), bad=None)
    world.sync()
    shutil.rmtree(world.state)
    code, said = by_hand(world, "1", "--confirm")
    assert code == DONE, said
