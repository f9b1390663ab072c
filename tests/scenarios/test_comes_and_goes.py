"""What comes and goes around a controller: kinds, credentials, other owners. None of it is waited for in vain."""

from dataclasses import replace

import pytest

from gitops.engine.states import Response
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import PruneLimit
from gitops.model.errors import ApiError
from gitops.sandbox.cluster import User
from tests.scenarios.running import Running
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
from tests.scenarios.test_controller_errors import as_user
from tests.scenarios.test_outage import slow
from tests.scenarios.test_watches import Widgets
from tests.scenarios.world import World, config_map

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADA = User("ada", ("system:masters",))


def test_a_kind_that_somebody_installs_later_is_noticed(world):
    widgets = Widgets(world)
    world.commit(widget=widgets.object)
    with Running(world) as running:
        running.until(lambda: "is not known to the cluster" in running.tracked().last.error)
        world.request("POST", DEFINITIONS, widgets.definition)
        running.until(widgets.is_right, 25)


def test_a_kind_that_is_taken_away_fails_no_sync_and_is_named(world):
    widgets = Widgets(world)
    world.request("POST", DEFINITIONS, widgets.definition)
    sha = world.commit(widget=widgets.object)
    with Running(world) as running:
        running.until_synced(sha)
        widgets.forget_definition()
        running.until(lambda: "kind Widget in" in running.tracked().last.error)
        assert running.tracked().schedule.failures <= 1
        world.request("POST", DEFINITIONS, widgets.definition)
        running.until(widgets.is_right, 45)


@pytest.fixture
def watched(fresh_sandbox, tmp_path):
    """A world whose controller shows the token "old", while the tests go by "root"."""
    sandbox = fresh_sandbox(tokens={"root": ADA, "old": ADA}, speed=4.0)
    world = World(tmp_path, as_user(sandbox.kubeconfig(), "root"), "tokens")
    root, world.kubeconfig = world.kubeconfig, tmp_path / "of-controller"
    world.kubeconfig.write_text(as_user(sandbox.kubeconfig(), "old"))
    return sandbox, world, root


def test_drift_is_seen_after_the_credentials_were_renewed(watched):
    sandbox, world, root = watched
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        tokens = sandbox.sandbox._tokens
        tokens["new"] = tokens.pop("old")
        world.kubeconfig.write_text(as_user(sandbox.kubeconfig(), "new"))
        sandbox.set_faults("watch-close=200ms")
        world.kubeconfig = root
        world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "1"}, 15)


def test_a_replica_that_cannot_renew_its_lease_says_so_and_is_not_ready(watched, lines):
    sandbox, world, root = watched
    tokens = sandbox.sandbox._tokens
    sha = world.commit(settings=config_map("settings"))
    own, world.kubeconfig = world.kubeconfig, root
    for name in (world.namespace, "leases"):
        world.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    world.kubeconfig = own
    with Running(world, leases="leases") as running:
        running.until_synced(sha)
        assert running.controller.is_ready
        tokens.pop("old")
        running.until(lambda: not running.controller.is_ready, 30)
        running.until(lambda: "replica.cannot-renew" in str(lines))
        tokens["old"] = ADA
        running.until(lambda: running.controller.is_ready, 30)


def two(world):
    """Applications ax and ay, each of its own folder."""
    for name in ("ax", "ay"):
        (world.repository / name).mkdir()
    sync = replace(world.app.sync, automated=True, drift="correct")
    return [
        replace(world.app, name=name, sync=sync, interval=0.3, source=replace(world.app.source, path=name))
        for name in ("ax", "ay")
    ]


def put(world, path, *bodies):
    (world.repository / path).write_text(write_manifests(list(bodies)))


def test_what_another_application_held_is_taken_as_soon_as_that_gives_it_up(world):
    apps = two(world)
    put(world, "ax/all.yaml", config_map("own"), config_map("shared"))
    put(world, "ay/all.yaml", config_map("mine"))
    sha = world.commit()
    with Running(world, *apps) as running:
        for app in apps:
            running.until_synced(sha, app.identity)
        put(world, "ay/all.yaml", config_map("mine"), config_map("shared", a="of ay"))
        world.commit()
        running.until(lambda: running.tracked("gitops/ay").last.response is Response.HELD)
        put(world, "ax/all.yaml", config_map("own"))
        sha = world.commit()
        running.until_synced(sha, "gitops/ay", 8)
        assert world.get("ConfigMap", "shared")["data"] == {"a": "of ay"}


def test_what_a_guard_holds_does_not_wait_for_others(world):
    apps = two(world)
    apps[0] = replace(apps[0], sync=replace(apps[0].sync, pruneLimit=PruneLimit(count=0)))
    put(world, "ax/all.yaml", config_map("own"), config_map("old"))
    put(world, "ay/all.yaml", config_map("mine"))
    sha = world.commit()
    with Running(world, *apps) as running:
        for app in apps:
            running.until_synced(sha, app.identity)
        put(world, "ax/all.yaml", config_map("own"))
        put(world, "ay/all.yaml", config_map("mine"), config_map("own"))
        world.commit()
        running.until(lambda: all(running.tracked(app.identity).last.response is Response.HELD for app in apps))
        assert [running.tracked(app.identity).last.waits_for_others for app in apps] == [False, True]


def test_a_new_commit_is_not_blamed_for_the_error_of_the_one_before(world):
    world.commit(web="kind: [\n")
    with Running(world, timeout=60.0) as running:
        running.until(lambda: running.tracked().last.error)
        sha = world.commit(web=slow(12))
        running.until(lambda: world.get("Deployment", "web", "apps"))
        assert running.tracked().last.error == ""
        assert running.tracked().schedule.task is not None
        running.until_synced(sha)


def test_deleting_the_kind_of_applications_deletes_nothing_that_they_own(fresh_sandbox, tmp_path):
    world = World(tmp_path, fresh_sandbox(speed=4.0).kubeconfig(), "kind-goes")
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        world.request("DELETE", f"{DEFINITIONS}/applications.gitops.dev")
        running.until(lambda: "its deletion waits" in str(standing(world).get("conditions")))
        assert world.get("ConfigMap", "settings")
        path = resources(world, "app")
        world.request("PATCH", path, {"metadata": {"finalizers": None}}, "kubectl", "application/merge-patch+json")
        running.until(lambda: running.tracked(identity) is None)
        with pytest.raises(ApiError):
            world.request("GET", path)
        assert world.get("ConfigMap", "settings")
