"""Jobs that remove themselves once they have run: gone is what they should be, until their manifest changes."""

import pytest

from gitops.model.health import HealthWord
from gitops.model.result import Outcome
from gitops.sync.inventories import find_applications
from gitops.sync.standing import standing_of
from tests.scenarios.running import Running
from tests.scenarios.test_outage import slow
from tests.scenarios.world import config_map, job


def migration(**env):
    body = job("migrate")
    body["spec"]["ttlSecondsAfterFinished"] = 0
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    return body


def standing(world):
    async def look(context):
        (inventory,) = await find_applications(context.cluster, "app", world.namespace)
        return await standing_of(context.cluster, inventory)

    return world._context(look)


def made(result):
    return [item.key.name for item in result.changed if item.verb == "created"]


def test_one_that_has_run_is_in_sync_and_runs_again_when_its_manifest_changes(world):
    world.commit(migrate=migration(), settings=config_map("settings"))
    assert {"migrate", "settings"} <= set(made(world.sync()))
    assert world.get("Job", "migrate", "batch") is None
    assert world.plan().plan.changes == ()
    assert world.sync().outcome is Outcome.IN_SYNC
    assert standing(world).health.word is HealthWord.HEALTHY
    world.commit(settings=config_map("settings", a="2"))
    assert made(world.sync()) == []
    world.commit(migrate=migration(VERSION="2"))
    assert made(world.sync()) == ["migrate"]
    assert world.sync().outcome is Outcome.IN_SYNC


def test_one_that_failed_is_made_again_by_the_next_sync(world):
    world.commit(settings=config_map("settings"))
    world.sync()
    failing = migration()
    failing["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox:fail"
    world.commit(migrate=failing)
    for _ in range(2):
        result = world.sync(world.with_sync(rollback="never"))
        assert (result.outcome, made(result)) == (Outcome.FAILED, ["migrate"])


def test_one_without_a_ttl_is_missed(world):
    body = migration()
    del body["spec"]["ttlSecondsAfterFinished"]
    world.commit(migrate=body)
    world.sync()
    world.request("DELETE", f"/apis/batch/v1/namespaces/{world.namespace}/jobs/migrate")
    assert [change.key.name for change in world.plan().plan.changes] == ["migrate"]


def test_one_that_left_the_source_and_has_removed_itself_is_forgotten(world):
    world.commit(migrate=migration(), settings=config_map("settings"))
    world.sync()
    world.commit(migrate=None)
    assert world.sync().outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    assert "migrate" not in {key.name for key in world.inventory().keys}


@pytest.mark.parametrize("drift", ["correct", "report"])
def test_a_controller_runs_it_once_whatever_else_the_sync_waits_for(world, drift):
    sha = world.commit(migrate=migration(), web=slow(12))
    with Running(world, drift=drift, timeout=60.0) as running:
        running.until_synced(sha)
        running.until(lambda: running.tracked().health.word is HealthWord.HEALTHY)
        world.edit("apps/deployments/web", {"spec": {"replicas": 3}})
        running.until(lambda: running.tracked().drift.seen and running.tracked().schedule.task is None)
    created = [
        change
        for event in world.check_audit()
        if event.fact == "step.finished"
        for change in event.detail["changed"]
        if "Job" in change
    ]
    assert len(created) == 1
