"""What a controller's first syncs ask of the API server, and that a refusal leaves nothing behind that matters."""

import re
from dataclasses import replace

import pytest

from gitops.model.application import Backoff, Retry
from gitops.model.result import Outcome
from gitops.sandbox.cluster import User
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import make_namespace
from tests.scenarios.test_controller_errors import as_user
from tests.scenarios.world import World, config_map, deployment, job

BAD_KEY = {**config_map("bad"), "data": {"no/key": "1"}}
WRONG = re.compile("no/key|between 1 and 65535")


def service(port):
    spec = {"selector": {"app": "web"}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def is_held(running):
    tracked = running.tracked()
    return tracked.schedule.task is None and tracked.last.outcome is Outcome.FAILED


def is_done(running, identity):
    last = running.tracked(identity).last
    return last.outcome or last.held


def is_refused_before(running):
    tracked = running.tracked()
    return tracked.schedule.task is None and tracked.last.held


@pytest.fixture
def world(world):
    """One whose namespace is there: nothing can be tried out in one that the sync makes."""
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    return world


def dry_runs(running):
    """How many creates were tried out so far."""
    (counts,) = running.call(running.controller.workers.request_counts).values()
    return counts["PATCH dry-run", 201]


def test_what_only_holds_data_is_not_tried_out_before_a_first_sync(world):
    sha = world.commit(settings=config_map("settings"), web=deployment(replicas=1))
    with Running(world) as running:
        running.until_synced(sha)
        assert dry_runs(running) == 1  # the Deployment


def test_a_service_before_which_nothing_acts_is_not_tried_out_either(world):
    sha = world.commit(settings=config_map("settings"), web=deployment(replicas=1), to_web=service(80))
    with Running(world) as running:
        running.until_synced(sha)
        assert dry_runs(running) == 1  # the Deployment


def test_of_several_services_none_is_made_where_one_is_refused(world):
    world.commit(good=service(80), bad={**service(0), "metadata": {"name": "bad"}}, web=deployment(replicas=1))
    with Running(world) as running:
        running.until(lambda: is_held(running))
        assert world.get("Service", "web") is None
        assert world.get("Deployment", "web", "apps") is None


@pytest.mark.parametrize("bad", [BAD_KEY, service(0)], ids=["data", "a Service"])
def test_a_refusal_of_what_comes_first_leaves_the_rest_unmade_and_is_found_before_anything_the_next_time(world, bad):
    world.commit(bad=bad, web=deployment(replicas=1))
    with Running(world, retry=Retry(backoff=Backoff(duration=0.2))) as running:
        running.until(lambda: is_held(running))
        assert WRONG.search(running.tracked().last.message)
        assert world.get("Deployment", "web", "apps") is None
        running.until(lambda: is_refused_before(running))
        assert any(WRONG.search(reason) for reason in running.tracked().last.held)
        sha = world.commit(bad=config_map("bad"), web=deployment(replicas=1))
        running.until_synced(sha)


@pytest.mark.parametrize(
    "more",
    [
        {"first": job("first", **{"gitops.dev/hook": "pre-sync"})},
        {"first": {**config_map("first"), "metadata": {"name": "first", "annotations": {"gitops.dev/wave": "-1"}}}},
    ],
    ids=["a hook", "an earlier wave"],
)
def test_where_anything_runs_before_it_everything_is_tried_out_first(world, more):
    world.commit(bad=BAD_KEY, **more)
    with Running(world) as running:
        running.until(lambda: is_refused_before(running))
        assert any("no/key" in reason for reason in running.tracked().last.held)
        assert world.get("Job", "first", "batch") is None
        assert world.get("ConfigMap", "first") is None


def test_where_something_of_the_set_is_there_already_everything_is_tried_out_first(world):
    maps = f"/api/v1/namespaces/{world.namespace}/configmaps"
    world.request("POST", maps, {"metadata": {"name": "there"}, "data": {"mine": "x"}}, "kubectl-create")
    world.commit(bad=BAD_KEY, there=config_map("there", a="1"))
    with Running(world) as running:
        running.until(lambda: is_refused_before(running))
        assert world.get("ConfigMap", "there")["data"] == {"mine": "x"}


def test_after_a_first_sync_everything_that_is_new_is_tried_out(world):
    sha = world.commit(one=config_map("one"))
    with Running(world) as running:
        running.until_synced(sha)
        world.commit(one=config_map("one", a="2"), bad=BAD_KEY)
        running.until(lambda: is_refused_before(running))
        assert world.get("ConfigMap", "one")["data"] == {"a": "1"}


def test_objects_of_others_are_left_alone_by_first_syncs_that_share_their_reads(world):
    maps = f"/api/v1/namespaces/{world.namespace}/configmaps"
    helms = {"name": "c7", "annotations": {"meta.helm.sh/release-name": "shop"}}
    helms["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    world.request("POST", maps, {"metadata": helms, "data": {"mine": "x"}}, "helm")
    for n in range(12):
        (world.repository / f"app{n}").mkdir()
    world.commit(**{f"app{n}/c": config_map(f"c{n}", a="1") for n in range(12)})
    app = replace(world.app, sync=replace(world.app.sync, automated=True), interval=0.3)
    apps = [replace(app, name=f"app{n}", source=replace(app.source, path=f"app{n}")) for n in range(12)]
    with Running(world, *apps) as running:
        for n in range(12):
            running.until(lambda n=n: is_done(running, f"gitops/app{n}"))
        assert "belongs to Helm (release shop)" in str(running.tracked("gitops/app7").last.held)
    assert world.get("ConfigMap", "c7")["data"] == {"mine": "x"}
    assert world.get("ConfigMap", "c8")["data"] == {"a": "1"}


def test_what_cannot_be_what_its_type_asks_for_is_found_before_anything_is_changed(world):
    """An API server answers such an apply with 500: that is no trouble of its own, which would pass."""
    sha = world.commit(one=config_map("one"))
    with Running(world) as running:
        running.until_synced(sha)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"key": "not base64!"}}
        world.commit(one=config_map("one", a="2"), key=secret)
        running.until(lambda: is_refused_before(running))
        assert any("illegal base64 data" in reason for reason in running.tracked().last.held)
        assert "not base64!" not in str(running.tracked().last.held)
        assert world.get("ConfigMap", "one")["data"] == {"a": "1"}
        (counts,) = running.call(running.controller.workers.request_counts).values()
        assert counts["PATCH dry-run", 500] == 1


def test_without_the_right_to_a_service_nothing_that_acts_is_made_and_the_next_try_is_refused_before(
    fresh_sandbox, tmp_path
):
    tokens = {"root": User("ada", ("system:masters",)), "limited": User("limited", ())}
    sandbox = fresh_sandbox(tokens=tokens)
    world = World(tmp_path, as_user(sandbox.kubeconfig(), "root"), "few-rights")
    make_namespace(world)
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}"
    rule = {"apiGroups": ["", "apps"], "resources": ["configmaps", "deployments"], "verbs": ["*"]}
    reads = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    world.request("POST", f"{rbac}/roles", {"metadata": {"name": "few"}, "rules": [rule, reads]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "few"}
    subject = {"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "few"}, "roleRef": reference, "subjects": [subject]}
    world.request("POST", f"{rbac}/rolebindings", binding)
    world.commit(settings=config_map("settings"), to_web=service(80), web=deployment(replicas=1))
    root, limited = world.kubeconfig, tmp_path / "limited"
    limited.write_text(as_user(sandbox.kubeconfig(), "limited"))
    world.kubeconfig = limited
    with Running(world, retry=Retry(backoff=Backoff(duration=0.2))) as running:
        running.until(lambda: is_held(running))
        assert "services" in running.tracked().last.message
        running.until(lambda: is_refused_before(running))
        assert any("services" in reason for reason in running.tracked().last.held)
    world.kubeconfig = root
    assert world.get("Deployment", "web", "apps") is None
