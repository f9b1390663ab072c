"""A sync waits for what it has applied, and somebody else has other plans: it is no release of the commit then."""

import threading
import time
from dataclasses import replace

import pytest

from gitops.model.application import IgnoreRule
from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.test_rollback import DONE, by_hand
from tests.scenarios.world import config_map, deployment, job

BROKEN = "nginx:broken"


class Waiting:
    """A sync that runs beside the test; `result` when it has ended."""

    def __init__(self, world, app=None):
        self._world = world
        self.result = None
        self._thread = threading.Thread(target=self._run, args=(app,), daemon=True)
        self._thread.start()

    def _run(self, app):
        self.result = self._world.sync(app)

    def until(self, holds, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def end(self, seconds=40.0):
        self._thread.join(seconds)
        assert self.result is not None, "the sync has not ended"
        return self.result


def image(world):
    found = world.get("Deployment", "web", "apps")
    return found and found["spec"]["template"]["spec"]["containers"][0]["image"]


def undo(world, to="nginx:1.26", manager="kubectl-rollout"):
    """What `kubectl rollout undo` does."""
    containers = [{"name": "web", "image": to}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web"
    world.request("PATCH", path, patch, manager, "application/strategic-merge-patch+json")


@pytest.fixture
def released(world):
    sha = world.commit(web=deployment(), settings=config_map("settings"))
    assert world.sync().outcome is Outcome.SYNCED
    return sha


def test_a_rollout_that_somebody_undid_is_no_release_of_the_commit(world, released):
    bad = world.commit(web=deployment(image=BROKEN))
    waiting = Waiting(world)
    waiting.until(lambda: image(world) == BROKEN)
    undo(world)
    result = waiting.end()
    assert result.outcome is Outcome.OVERTAKEN
    assert "image was changed by kubectl-rollout at" in result.message
    assert world.inventory().healthy.revision == released
    assert [one.revision for one in world.inventory().releases] == [released]
    assert world.check_audit()[-1].fact == "sync.overtaken"
    assert world.check_audit()[-1].revision == bad
    assert image(world) == "nginx:1.26"  # nothing was rolled back over it


def test_a_rollback_in_between_is_no_release_of_the_commit_that_it_left(world, released):
    bad = world.commit(web=deployment(image=BROKEN))
    waiting = Waiting(world)
    waiting.until(lambda: image(world) == BROKEN)
    code, *said = by_hand(world)
    assert code == DONE, said
    result = waiting.end()
    assert result.outcome is Outcome.OVERTAKEN
    assert world.inventory().healthy.revision == released
    assert world.inventory().quarantine.revision == bad
    assert bad not in {one.revision for one in world.inventory().releases}


def test_a_rollback_that_leaves_every_object_as_it_is_is_seen_in_the_inventory(world, released):
    sha = world.commit(web=deployment(replicas=12))
    waiting = Waiting(world)
    waiting.until(lambda: world.inventory().partially_applied)
    world.edit("core/configmaps/gitops-app", {"data": {"synced": "0" * 64, "unfinished": None}}, "gitops")
    result = waiting.end()
    assert result.outcome is Outcome.OVERTAKEN
    assert "another revision was synced" in result.message
    assert sha not in {one.revision for one in world.inventory().releases}


@pytest.mark.parametrize("manager", ["kubectl-edit", "deploy-script"])
def test_a_setting_that_was_changed_before_the_rest_was_healthy_is_told(world, released, manager):
    world.commit(web=deployment(image="nginx:1.27", replicas=8), settings=config_map("settings", a="2"))
    waiting = Waiting(world)
    waiting.until(lambda: (world.get("ConfigMap", "settings")["data"], image(world)) == ({"a": "2"}, "nginx:1.27"))
    world.edit("core/configmaps/settings", {"data": {"a": "3"}}, manager)
    result = waiting.end()
    assert result.outcome is Outcome.OVERTAKEN
    assert (
        f"ConfigMap {world.namespace}/settings is not what was applied any more: data.a was changed by {manager}"
        in (result.message)
    )


def test_an_object_that_somebody_deleted_when_it_was_healthy_is_told(world, released):
    world.commit(web=deployment(image="nginx:1.27", replicas=8), settings=config_map("settings", a="2"))
    waiting = Waiting(world)
    waiting.until(lambda: (world.get("ConfigMap", "settings")["data"], image(world)) == ({"a": "2"}, "nginx:1.27"))
    world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/configmaps/settings")
    assert "it was deleted" in waiting.end().message


@pytest.mark.parametrize(
    "change",
    [{"metadata": {"labels": {"team": "a"}}}, {"spec": {"revisionHistoryLimit": 3}}, {"spec": {"paused": False}}],
    ids=str,
)
def test_what_others_add_beside_it_overtakes_no_sync(world, released, change):
    sha = world.commit(web=deployment(image="nginx:1.27", replicas=8))
    waiting = Waiting(world)
    waiting.until(lambda: image(world) == "nginx:1.27")
    world.edit("apps/deployments/web", change, "some-operator")
    assert waiting.end().outcome is Outcome.SYNCED
    assert world.inventory().healthy.revision == sha


@pytest.mark.parametrize("way", ["", "/scale"], ids=["into the object", "by /scale"])
@pytest.mark.parametrize("ignored", [True, False])
def test_an_autoscaler_overtakes_no_sync(world, released, ignored, way):
    rule = IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",))
    app = replace(world.app, ignoreDifferences=(rule,) if ignored else ())
    sha = world.commit(web=deployment(image="nginx:1.27", replicas=8))
    waiting = Waiting(world, app)
    waiting.until(lambda: image(world) == "nginx:1.27")
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web{way}"
    patch = {"spec": {"replicas": 3}}
    world.request("PATCH", path, patch, "keda", "application/merge-patch+json")
    assert waiting.end().outcome is Outcome.SYNCED
    assert world.inventory().healthy.revision == sha


def test_two_syncs_of_one_commit_overtake_neither(world, released):
    sha = world.commit(web=deployment(image="nginx:1.27", replicas=8))
    waiting = Waiting(world)
    waiting.until(lambda: image(world) == "nginx:1.27")
    assert world.sync().outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    assert waiting.end().outcome is Outcome.SYNCED
    assert world.inventory().healthy.revision == sha


def test_a_job_that_removes_itself_was_not_deleted_by_somebody(world):
    once = job("once")
    once["spec"]["ttlSecondsAfterFinished"] = 0
    world.commit(once=once, web=deployment())
    assert world.sync().outcome is Outcome.SYNCED


def test_a_correction_of_drift_calls_nothing_healthy_that_it_has_not_seen(world):
    sha = world.commit(web=deployment())
    with Running(world) as running:
        running.until_synced(sha)
        undo(world, BROKEN, "kubectl-edit")
        running.until(lambda: image(world) == "nginx:1.26")
        running.until(lambda: running.tracked().schedule.task is None)
    found = [event for event in world.check_audit() if event.fact == "sync.finished"]
    assert found[0].detail["health"] == "Healthy"
    assert "health" not in found[-1].detail


def test_what_a_controller_puts_back_overtakes_no_sync_of_its_own(world, released):
    with Running(world) as running:
        running.until_synced(released)
        sha = world.commit(web=deployment(image="nginx:1.27", replicas=4))
        running.until(lambda: image(world) == "nginx:1.27")
        undo(world, "nginx:1.25", "kubectl-edit")
        running.until_synced(sha)
        assert image(world) == "nginx:1.27"
    assert world.inventory().healthy.revision == sha
    assert "sync.overtaken" not in {event.fact for event in world.check_audit()}


def patched(world, kind, patch, manager="kubectl-patch"):
    path = f"/apis/apps/v1/namespaces/{world.namespace}/{kind}/web"
    world.request("PATCH", path, patch, manager, "application/merge-patch+json")


STOPS = {
    "scaled to zero": {"spec": {"replicas": 0}},
    "paused": {"spec": {"paused": True}},
}


@pytest.mark.parametrize("stop", STOPS)
def test_what_somebody_stopped_before_it_ran_is_no_release(world, stop):
    web = deployment()
    del web["spec"]["replicas"]
    world.commit(web=web)
    assert world.sync().outcome is Outcome.SYNCED
    bad = deployment(image=BROKEN)
    del bad["spec"]["replicas"]
    world.commit(web=bad)
    sync = Waiting(world, world.with_sync(timeout=15.0))
    sync.until(lambda: image(world) == BROKEN)
    patched(world, "deployments", STOPS[stop])
    result = sync.end()
    assert result.outcome is not Outcome.SYNCED
    assert "was changed by kubectl-patch" in result.message
    assert len(world.inventory().releases) == 1


def test_a_daemon_set_that_fits_no_node_any_more_has_not_run_the_commit(world):
    def daemons(image):
        body = deployment(image=image)
        spec = {name: value for name, value in body["spec"].items() if name in ("selector", "template")}
        return {**body, "kind": "DaemonSet", "spec": spec}

    world.commit(web=daemons("nginx:1.26"))
    assert world.sync().outcome is Outcome.SYNCED
    world.commit(web=daemons(BROKEN))
    sync = Waiting(world, world.with_sync(timeout=15.0))
    sync.until(lambda: BROKEN in str(world.get("DaemonSet", "web", "apps")["spec"]))
    patched(world, "daemonsets", {"spec": {"template": {"spec": {"nodeSelector": {"no": "such"}}}}})
    result = sync.end()
    assert result.outcome is not Outcome.SYNCED
    assert len(world.inventory().releases) == 1


def test_what_somebody_made_anew_is_not_called_deleted(world, released):
    world.commit(web=deployment(image=BROKEN), settings=config_map("settings"))
    sync = Waiting(world, world.with_sync(timeout=20.0))
    sync.until(lambda: image(world) == BROKEN)
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments"
    world.request("DELETE", f"{path}/web")
    world.request("POST", path, deployment())
    result = sync.end()
    assert "deleted" not in result.message
    assert "is not what was applied any more" in result.message
    assert image(world) == "nginx:1.26"
