"""The way back, by itself and by hand: under the Application's own rules, and over recreated objects."""

from dataclasses import replace

import pytest

from gitops.model.application import IgnoreRule, PolicyOptions
from gitops.model.result import Outcome
from tests.scenarios.world import config_map, deployment, job

HELD, DONE = 3, 0


def by_hand(world, *options):
    """`gitops rollback` as a person calls it, who has no Application at hand; its exit code and what it says."""
    done = world.gitops("rollback", "app", "-n", world.namespace, *options)
    return done.returncode, done.stdout + done.stderr


def test_a_rollback_by_hand_leaves_what_the_application_ignores(world):
    rule = IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",))
    app = replace(world.app, ignoreDifferences=(rule,))
    world.commit(web=deployment(replicas=2))
    world.sync(app)
    world.edit("apps/deployments/web/scale", {"spec": {"replicas": 4}}, manager="kubectl")
    world.commit(web=deployment(image="nginx:1.27", replicas=2))
    world.sync(app)
    assert by_hand(world)[0] == DONE
    spec = world.get("Deployment", "web", "apps")["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"] == "nginx:1.26"
    assert spec["replicas"] == 4


def test_a_rollback_by_hand_says_what_it_keeps_and_deletes_it_where_that_is_asked_for(world):
    world.commit(a=config_map("a"))
    world.sync(world.with_sync(prune=False))
    world.commit(b=config_map("b"))
    world.sync(world.with_sync(prune=False))
    code, said = by_hand(world)
    assert code == DONE
    kept = f"kept ConfigMap {world.namespace}/b although the release does not have it: pruning is off (--prune, "
    assert kept in said
    assert world.get("ConfigMap", "b")
    code, said = by_hand(world, "1", "--prune", "--confirm")
    assert (code, "kept" in said) == (DONE, False)
    assert world.get("ConfigMap", "b") is None


def test_a_rule_that_came_after_the_last_change_counts_in_a_rollback(world):
    world.commit(web=deployment(replicas=2))
    world.sync()
    world.commit(web=deployment(image="nginx:1.27", replicas=2))
    world.sync()
    app = replace(world.app, ignoreDifferences=(IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",)),))
    world.edit("apps/deployments/web/scale", {"spec": {"replicas": 4}}, manager="kubectl")
    assert world.sync(app).outcome is Outcome.IN_SYNC
    assert by_hand(world)[0] == DONE
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 4


def test_a_rollback_by_hand_is_held_by_the_applications_policies(world):
    world.commit(web=deployment(image="nginx"))
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"))
    app = replace(world.app, policies=PolicyOptions(enforce=("no-latest-tag",)))
    assert world.sync(app).outcome is Outcome.SYNCED
    code, said = by_hand(world)
    assert code == HELD
    assert "so it means latest" in said


@pytest.mark.parametrize("automatic", [True, False], ids=["by itself", "by hand"])
def test_what_was_recreated_goes_back_although_the_old_manifest_does_not_ask_for_it(world, automatic):
    world.commit(run=job("run"), web=config_map("web"))
    world.sync()
    bad = {"web": deployment(image="nginx:broken", **{"gitops.dev/wave": "1"})} if automatic else {}
    world.commit(run=job("run", "busybox:2", **{"gitops.dev/recreate": "enabled"}), **bad)
    result = world.sync(world.with_sync(timeout=3.0) if automatic else None)
    if automatic:
        assert result.outcome is Outcome.ROLLED_BACK, result.message
    else:
        assert by_hand(world)[0] == DONE
    template = world.get("Job", "run", "batch")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "busybox"


def test_a_sync_that_was_killed_while_it_waited_is_rolled_back_by_the_next(world):
    world.commit(web=deployment())
    world.sync()
    bad = world.commit(web=deployment(image="nginx:broken"))
    world.sync_killed_after(2)  # the claim, and the write
    assert (
        world.get("Deployment", "web", "apps")["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:broken"
    )
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK, result.message
    assert world.get("Deployment", "web", "apps")["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.26"
    assert world.inventory().quarantine.revision == bad


def test_a_claim_that_was_recreated_is_not_deleted_again_by_itself(world):
    """A person agreed to lose its data once, not twice."""
    spec = {"storageClassName": "standard", "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    world.commit(data={**claim, "spec": {**spec, "accessModes": ["ReadWriteOnce"]}})
    world.sync()
    marked = {"name": "data", "annotations": {"gitops.dev/recreate": "enabled"}}
    changed = {**claim, "metadata": marked, "spec": {**spec, "accessModes": ["ReadWriteMany"]}}
    world.commit(data=changed, web=deployment(image="nginx:broken", **{"gitops.dev/wave": "1"}))
    result = world.sync(world.with_sync(timeout=3.0), confirm=True)
    assert result.outcome is Outcome.FAILED
    assert "rolling back failed" in result.message
    assert "would be deleted with all that is in it" in result.message
    assert world.get("PersistentVolumeClaim", "data")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_release_that_a_person_left_can_be_gone_to_again_by_its_number(world):
    world.commit(settings=config_map("settings", a="1"))
    world.sync()
    world.commit(settings=config_map("settings", a="2"))
    world.sync()
    assert by_hand(world)[0] == DONE
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
    code, said = by_hand(world, "2")
    assert code == DONE, said
    assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}
