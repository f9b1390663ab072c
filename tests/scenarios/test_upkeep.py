"""Hand edits while a sync waits for health: of what it has applied, or found as it should be, none stands."""

from gitops.engine.drift import LOOP_COUNT
from tests.scenarios.running import Running
from tests.scenarios.test_outage import slow
from tests.scenarios.world import config_map, deployment


def replicas(world):
    return world.get("Deployment", "web", "apps")["spec"]["replicas"]


def data(world, name="settings"):
    return (world.get("ConfigMap", name) or {}).get("data")


def test_hand_edits_during_a_rollout_are_undone_at_once_and_the_rollout_goes_on(world):
    late = config_map("late")
    late["metadata"]["annotations"] = {"gitops.dev/wave": "1"}
    sha = world.commit(web=deployment(), settings=config_map("settings"), late=late)
    with Running(world, timeout=60.0) as running:
        running.until_synced(sha)
        newer = world.commit(web=slow(12, image="nginx:1.27"), late={**late, "data": {"a": "2"}})
        running.until(lambda: "1.27" in str(world.get("Deployment", "web", "apps")["spec"]))
        for name in ("late", "settings"):  # the sync has not come to the first
            world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/configmaps/{name}")
        assert running.until(lambda: data(world)) < 2
        world.edit("apps/deployments/web", {"spec": {"replicas": 5}})
        assert running.until(lambda: replicas(world) == 2) < 2
        assert running.tracked().schedule.task is not None
        assert data(world, "late") is None
        running.until_synced(newer, seconds=40)
        assert data(world, "late") == {"a": "2"}
    facts = [event.fact for event in world.check_audit()]
    assert (facts.count("sync.started"), facts.count("drift.detected")) == (2, 2)


def test_what_a_sync_waits_for_is_put_back_when_somebody_deletes_it_and_the_sync_goes_on(world):
    sha = world.commit(web=slow(4))
    with Running(world, timeout=60.0) as running:
        running.until(lambda: world.get("Deployment", "web", "apps"))
        running.until(lambda: running.tracked().schedule.task and running.tracked().live.edited == set())
        before = world.get("Deployment", "web", "apps")["metadata"]["uid"]
        world.request("DELETE", f"/apis/apps/v1/namespaces/{world.namespace}/deployments/web")
        assert running.until(lambda: world.get("Deployment", "web", "apps")) < 2
        assert world.get("Deployment", "web", "apps")["metadata"]["uid"] != before
        running.until_synced(sha, seconds=40)
    facts = [event.fact for event in world.check_audit()]
    assert facts.count("sync.started") == facts.count("sync.finished") == 1


def test_a_manager_that_keeps_writing_during_a_rollout_is_no_longer_fought(world):
    sha = world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    with Running(world, timeout=60.0, conflicts="force") as running:
        running.until_synced(sha)
        newer = world.commit(web=slow(20, image="nginx:1.27"))
        running.until(lambda: "1.27" in str(world.get("Deployment", "web", "apps")["spec"]))
        for number in range(LOOP_COUNT):
            world.edit("core/configmaps/settings", {"data": {"color": f"red-{number}"}}, manager="painter")
            running.until(lambda: data(world) == {"color": "blue"}, 2)
        running.until(lambda: running.tracked().drift.loops)
        world.edit("core/configmaps/settings", {"data": {"color": "red"}}, manager="painter")
        assert running.tracked().schedule.task is not None
        running.until_synced(newer, seconds=40)
        assert data(world) == {"color": "red"}


def test_a_hand_edit_of_what_a_later_wave_updates_is_taken_back_and_fails_nothing(world):
    late = config_map("late")
    late["metadata"]["annotations"] = {"gitops.dev/wave": "1"}
    sha = world.commit(web=deployment(), late=late)
    with Running(world, timeout=60.0) as running:
        running.until_synced(sha)
        newer = world.commit(web=slow(4, image="nginx:1.27"), late={**late, "data": {"a": "2"}})
        running.until(lambda: "1.27" in str(world.get("Deployment", "web", "apps")["spec"]))
        world.edit("core/configmaps/late", {"data": {"a": "by hand"}})
        running.until_synced(newer, seconds=40)
    assert data(world, "late") == {"a": "2"}
    assert world.inventory().quarantine is None
