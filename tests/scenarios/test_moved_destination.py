"""An Application whose destination moves: what it has where it was before is never forgotten in silence."""

from dataclasses import replace

import pytest

from gitops.controller.registry import Registration
from gitops.engine.states import Response
from gitops.model.application import Retry
from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import cluster_secret, other, secrets, to
from tests.scenarios.test_controller import application, custom_resource, make_kind, resources, standing
from tests.scenarios.world import World, config_map, deployment

__all__ = ["other"]


def into(app, namespace):
    return replace(app, destination=replace(app.destination, namespace=namespace))


def become(running, app):
    running.call(lambda: running.controller.registry.put("test", Registration(app, trusted=True)))


def until_held(running, *words):
    running.until(
        lambda: (
            running.tracked().last.response is Response.HELD and all(w in running.tracked().last.message for w in words)
        )
    )


def confirm(running):
    detail, at = {"confirm": True}, "2026-01-01T00:00:00Z"
    running.ask(running.controller.store.request("gitops/app", "sync", detail, "ada", at))


@pytest.fixture
def far(world, other):
    """A second cluster that is registered as `far`."""
    make_kind(world)
    other.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    world.request("POST", secrets(world), cluster_secret(other.kubeconfig.read_text(), "far"))
    return lambda: other.get("ConfigMap", "settings", namespace=world.namespace)


def test_another_cluster_is_held_until_somebody_confirms_to_have_both(world, far):
    sha = world.commit(settings=config_map("settings"))
    app = application(world, "app")
    with Running(world, app) as running:
        running.until_synced(sha)
        become(running, to(app, "far"))
        until_held(running, "was on the controller's own cluster (", "--confirm")
        assert far() is None
        confirm(running)
        running.until(far)
        running.until_synced(sha)
        become(running, app)
        running.until_synced(sha)


def test_a_cluster_that_the_application_was_deleted_from_holds_nothing_up(world, far):
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    body = custom_resource(world, finalizers=["gitops.dev/prune"])
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), body)
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: running.tracked(identity) is None)
        body["spec"]["destination"]["cluster"] = "far"
        world.request("POST", resources(world), body)
        running.until(far)


def test_a_deleted_application_is_kept_while_it_has_something_on_another_cluster(world, far):
    with Running(world, resources=True) as running:
        identity = moved_and_deleted(world, running, cluster="far")
        running.until(lambda: "set destination.cluster back" in str(standing(world).get("conditions")))
        edit_destination(world, cluster="")
        running.until(lambda: running.tracked(identity) is None)
        assert world.get("ConfigMap", "settings") is None


def moved_and_deleted(world, running, **where):
    """The identity of a custom resource that was synced, then sent elsewhere and held for it, then deleted."""
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
    running.until(lambda: running.tracked(identity))
    running.until_synced(sha, identity)
    edit_destination(world, **where)
    running.until(lambda: running.tracked(identity).last.response is Response.HELD)
    world.request("DELETE", resources(world, "app"))
    return identity


def edit_destination(world, **fields):
    change = {"spec": {"destination": fields}}
    world.request("PATCH", resources(world, "app"), change, "kubectl", "application/merge-patch+json")


def test_deleting_an_application_prunes_what_it_has_in_the_namespace_where_it_was(world):
    make_kind(world)
    with Running(world, resources=True) as running:
        identity = moved_and_deleted(world, running, namespace="default")
        running.until(lambda: running.tracked(identity) is None)
        assert world.get("ConfigMap", "settings") is None


def test_another_namespace_is_held_although_the_source_moves_with_it(world):
    (world.repository / "other").mkdir()
    sha = world.commit(**{"settings": config_map("settings"), "other/a": config_map("a")})
    app = application(world, "app")
    with Running(world, app) as running:
        running.until_synced(sha)
        become(running, into(application(world, "app", path="other"), f"{world.namespace}-new"))
        until_held(running, f"was in namespace {world.namespace} before", "--confirm to have both")
        confirm(running)
        running.until_synced(sha)
    assert world.get("ConfigMap", "a", namespace=f"{world.namespace}-new")


def test_another_namespace_is_held_although_nothing_became_healthy_where_it_was(world):
    world.commit(web=deployment(image="nginx:broken"))
    app = application(world, "app")
    app = replace(app, sync=replace(app.sync, timeout=1.5, retry=Retry(limit=0)))
    with Running(world, app) as running:
        running.until(lambda: running.tracked().last.outcome is Outcome.FAILED, 30)
        become(running, into(app, f"{world.namespace}-new"))
        until_held(running, f"was in namespace {world.namespace} before", "--confirm to have both")


def test_another_namespace_is_held_although_the_store_is_new(world):
    sha = world.commit(settings=config_map("settings"))
    app = application(world, "app")
    with Running(world, app) as running:
        running.until_synced(sha)
    with Running(world, into(app, f"{world.namespace}-new"), state=world.folder / "new") as running:
        until_held(running, f"was in namespace {world.namespace} before", "--confirm to have both")


def test_deleting_an_application_leaves_what_another_repository_has_under_the_same_name(world):
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity, place = f"{world.namespace}/app", f"{world.namespace}-ci"
    (world.folder / "ci").mkdir()
    other = World(world.folder / "ci", world.kubeconfig.read_text(), place)
    other.app = replace(other.app, namespace=world.namespace)
    other.commit(db=config_map("db"))
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        assert other.sync().outcome is Outcome.SYNCED
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: running.tracked(identity) is None)
    assert world.get("ConfigMap", "settings") is None
    assert other.get("ConfigMap", "db")


def test_a_configmap_that_only_looks_like_an_inventory_holds_no_deletion_up(world):
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity, place = f"{world.namespace}/app", f"{world.namespace}-tenant"
    labels = {"applyset.kubernetes.io/id": "x", "gitops.dev/managed-by": "gitops"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gitops-app", "labels": labels}}
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": place}})
    world.request("POST", f"/api/v1/namespaces/{place}/configmaps", body)
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: running.tracked(identity) is None)
    assert world.get("ConfigMap", "settings") is None
    world.request("DELETE", f"/api/v1/namespaces/{place}/configmaps/gitops-app")
