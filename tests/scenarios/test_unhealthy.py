"""What is told of a workload that is not healthy, and what does not count against a commit."""

import pytest

from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError
from gitops.model.health import Health, HealthWord
from gitops.model.result import Outcome
from gitops.sync.diagnostics import Diagnostics
from tests.scenarios.world import config_map, deployment, job


def autoscaler(version="v2"):
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 3,
        },
    }


def limits(world, **hard):
    """A quota that lets no more Pods in."""
    quota = {"metadata": {"name": "q"}, "spec": {"hard": hard or {"pods": "0"}}}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/resourcequotas", quota)


def make_namespace(world, **labels):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace, "labels": labels}})


def stateful_set():
    body = deployment()
    spec = {**body["spec"], "serviceName": "web"}
    return {**body, "kind": "StatefulSet", "spec": spec}


def daemon_set():
    body = deployment()
    return {**body, "kind": "DaemonSet", "spec": {k: v for k, v in body["spec"].items() if k != "replicas"}}


@pytest.mark.parametrize("body", [deployment(), stateful_set(), daemon_set(), job("web")], ids=lambda one: one["kind"])
def test_the_reason_why_no_pod_can_be_made_is_told(world, body):
    make_namespace(world)
    limits(world)
    world.commit(web=body)
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.FAILED
    assert "cannot make its pods" in result.message
    assert "exceeded quota: q" in result.message


def test_the_reason_why_pod_security_refuses_pods_is_told(world):
    make_namespace(world, **{"pod-security.kubernetes.io/enforce": "restricted"})
    world.commit(web=deployment())
    result = world.sync(world.with_sync(timeout=3.0))
    assert "violates PodSecurity" in result.message


class Refusing:
    """A cluster that refuses what `refuses` names, and answers all else."""

    def __init__(self, cluster, refuses):
        self._cluster, self._refuses = cluster, refuses

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    async def list(self, group, kind, *rest, **more):
        if kind == self._refuses:
            raise ApiError(500, "InternalError", "etcd is away")
        return await self._cluster.list(group, kind, *rest, **more)

    async def logs(self, *rest, **more):
        if self._refuses == "logs":
            raise ApiError(403, "Forbidden", "may not read pods/log")
        return await self._cluster.logs(*rest, **more)


@pytest.mark.parametrize("refuses", ["Event", "logs"])
def test_an_event_or_a_log_that_cannot_be_read_takes_no_known_reason_along(world, refuses):
    world.commit(web=deployment(image="busybox:crash"))
    world.sync(world.with_sync(timeout=3.0))
    key = ResourceKey("apps", "Deployment", world.namespace, "web")

    async def ask(context):
        diagnostics = Diagnostics(Refusing(context.cluster, refuses), ())
        return await diagnostics.reason_for(key, Health(HealthWord.PROGRESSING, "not yet"))

    said = world._context(ask)
    assert "container web" in said
    assert "could not be read" in said


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_autoscaler_that_nobody_has_looked_at_is_not_healthy(world, version):
    world.commit(hpa=autoscaler(version))
    result = world.sync(world.with_sync(timeout=1.0))
    assert result.outcome is Outcome.FAILED
    assert "waiting for the autoscaler" in result.message or "HorizontalPodAutoscaler" in result.message


def test_what_was_unhealthy_before_and_is_not_touched_keeps_no_commit_from_being_a_release(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    world.edit("apps/deployments/web", {"spec": {"progressDeadlineSeconds": 600}}, "someone")
    pods = f"/api/v1/namespaces/{world.namespace}/pods"
    limits(world, pods="1")
    world.request("DELETE", pods)
    second = world.commit(settings=config_map("settings", a="2"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.SYNCED, result.message
    assert "not healthy before either, and not touched: apps/Deployment" in result.message
    assert world.inventory().healthy.revision == second
    third = world.commit(settings=config_map("settings", a="3"), bad=deployment("bad", image="nginx:broken"))
    assert world.sync(world.with_sync(timeout=2.0)).outcome is Outcome.ROLLED_BACK
    assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}
    assert world.inventory().quarantine.revision == third


def test_after_a_sync_that_failed_what_it_broke_still_counts(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    never = world.with_sync(timeout=1.0, rollback="never")
    world.commit(web=deployment(image="nginx:broken"))
    assert world.sync(never).outcome is Outcome.FAILED
    world.commit(settings=config_map("settings", a="2"))
    assert world.sync(never).outcome is Outcome.FAILED


def test_a_hook_that_was_deleted_as_it_asked_is_not_missing_after_a_rollback(world):
    world.commit(web=deployment())
    world.sync()
    hook = job("migrate", **{"gitops.dev/hook": "pre-sync", "gitops.dev/hook-delete-policy": "hook-succeeded"})
    world.commit(web=deployment(image="nginx:broken"), migrate=hook)
    assert world.sync(world.with_sync(timeout=2.0)).outcome is Outcome.ROLLED_BACK
    assert world.get("Job", "migrate", "batch") is None
    assert {key.name for key in world.inventory().keys} == {"web"}


def test_a_custom_resource_whose_definition_does_not_change_is_tried_out_before_any_hook(world):
    from tests.scenarios.world import custom_kind

    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    group, definition = custom_kind(world, "Gizmo", schema)
    world.commit(kind=definition)
    world.sync()
    wrong = {"apiVersion": f"{group}/v1", "kind": "Gizmo", "metadata": {"name": "g"}, "spec": {"size": "large"}}
    world.commit(g=wrong, migrate=job("migrate", **{"gitops.dev/hook": "pre-sync"}))
    result = world.sync()
    assert result.outcome is Outcome.HELD
    assert "spec.size" in result.message
    assert world.get("Job", "migrate", "batch") is None
