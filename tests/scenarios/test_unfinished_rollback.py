"""A rollback ends although whoever began it is gone: the next pass goes on with it, and tries nothing again."""

import time

import pytest

from gitops.engine.states import Response
from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.test_rollback import DONE, by_hand
from tests.scenarios.world import config_map, deployment, refused
from tests.soak import at_leisure


def image(world):
    return world.get("Deployment", "web", "apps")["spec"]["template"]["spec"]["containers"][0]["image"]


def settings(world, name="settings"):
    body = world.get("ConfigMap", name)
    return body and body["data"]


def bad(world):
    """A commit that updates two objects, makes one, and fails in its second wave."""
    return world.commit(
        web=deployment(image="nginx:1.27"),
        settings=config_map("settings", color="red"),
        new=[config_map("new"), *refused(**{"gitops.dev/wave": "1"})],
    )


@pytest.mark.parametrize("writes", at_leisure(range(1, 12)))
def test_wherever_it_is_killed_the_next_sync_ends_the_rollback(world, writes):
    world.app = world.with_sync(prune=False)
    good = world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    failed = bad(world)
    world.sync_killed_after(writes)
    result = world.sync()
    assert result.outcome in (Outcome.ROLLED_BACK, Outcome.HELD), result.message
    assert (image(world), settings(world), settings(world, "new")) == ("nginx:1.26", {"color": "blue"}, None)
    inventory = world.inventory()
    assert (inventory.healthy.revision, inventory.quarantine.revision) == (good, failed)
    assert inventory.rollback_target is None
    assert not inventory.being_created
    assert world.sync().outcome is Outcome.HELD
    assert world.check_audit()


def test_a_rollback_that_was_killed_is_gone_on_with_and_its_revision_not_tried_again(world):
    world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    bad(world)
    world.sync_killed_after(7)  # a claim, four writes and the refused one, then the claim of the way back
    assert world.inventory().rollback_target
    assert image(world) == "nginx:1.27"
    before = world.get("Deployment", "web", "apps")["metadata"]["generation"]
    assert world.sync().outcome is Outcome.ROLLED_BACK
    assert world.get("Deployment", "web", "apps")["metadata"]["generation"] == before + 1
    assert settings(world, "new") is None


def test_a_new_commit_goes_forward_from_a_rollback_that_was_killed(world):
    world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    bad(world)
    world.sync_killed_after(7)
    mended = world.commit(web=deployment(image="nginx:1.28"), new=config_map("new", is_="kept"))
    assert world.sync().outcome is Outcome.SYNCED
    inventory = world.inventory()
    assert (inventory.healthy.revision, inventory.rollback_target, inventory.quarantine) == (mended, None, None)
    assert settings(world, "new") == {"is_": "kept"}


def test_a_controller_goes_on_with_a_rollback_that_was_killed(world):
    world.app = world.with_sync(prune=False)
    world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    bad(world)
    world.sync_killed_after(7)
    with Running(world, prune=False) as running:
        running.until(lambda: world.inventory().rollback_target is None and running.tracked().schedule.task is None)
        assert (image(world), settings(world), settings(world, "new")) == ("nginx:1.26", {"color": "blue"}, None)


def test_what_is_refused_before_the_first_write_quarantines_nothing_although_something_drifted(world):
    world.commit(web=deployment(), settings=config_map("settings", color="blue"))
    world.sync()
    world.edit("core/configmaps/settings", {"data": {"color": "red"}})
    wrong = {**config_map("x"), "metadata": {"name": "Not-A-Name"}}
    world.commit(web=deployment(), settings=config_map("settings", color="blue"), wrong=wrong)
    result = world.sync()
    assert (result.outcome, result.changed) == (Outcome.HELD, ()), result.message
    assert world.inventory().quarantine is None


def test_a_running_controller_goes_along_with_a_rollback_by_hand(world):
    first = world.commit(web=deployment())
    with Running(world) as running:
        running.until_synced(first)
        second = world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings"))
        running.until_synced(second)
        code, said = by_hand(world, "--prune")
        assert code == DONE, said
        running.until(lambda: image(world) == "nginx:1.26" and running.tracked().schedule.task is None)
        time.sleep(0.5)
        assert image(world) == "nginx:1.26"
    assert world.inventory().quarantine.revision == second
    assert settings(world) is None
    facts = [event for event in world.check_audit() if event.fact == "sync.started"]
    assert [event.revision for event in facts].count(second) == 1


def test_after_a_rollback_that_failed_too_nothing_more_is_changed(world):
    """What was agreed to once, that a claim is recreated, is in the way back: a person has to look."""
    spec = {"storageClassName": "standard", "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    old = {**claim, "spec": {**spec, "accessModes": ["ReadWriteOnce"]}}
    world.commit(data=old, settings=config_map("settings", color="blue"))
    world.sync()
    changed = {**claim, "metadata": {"name": "data", "annotations": {"gitops.dev/recreate": "enabled"}}}
    changed["spec"] = {**spec, "accessModes": ["ReadWriteMany"]}
    broken = deployment(image="nginx:broken", **{"gitops.dev/wave": "1"})
    world.commit(data=changed, settings=config_map("settings", color="red"), web=broken)
    assert "rolling back failed" in world.sync(world.with_sync(timeout=3.0), confirm=True).message
    with Running(world) as running:
        running.until(lambda: "could not be rolled back" in running.tracked().last.message)
        world.edit("core/configmaps/settings", {"data": {"color": "green"}})
        running.until(lambda: running.tracked().schedule.task is None)
        time.sleep(0.5)
        assert running.tracked().last.response is Response.HELD
    assert settings(world) == {"color": "green"}
