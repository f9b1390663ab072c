"""What a StatefulSet's Pods have written stays: its claims go only when a person says so."""

import time

import pytest

from gitops.model.result import Outcome
from tests.scenarios.test_answerable import stateful_set
from tests.scenarios.world import config_map, deployment

RECREATE = {"gitops.dev/recreate": "enabled"}


def with_claims(image="postgres:16", *, size="1Gi", when_deleted="Delete", **spec):
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": "standard",
        },
    }
    retention = {"whenDeleted": when_deleted, "whenScaled": "Retain"}
    body = stateful_set(
        image, volumeClaimTemplates=[claim], persistentVolumeClaimRetentionPolicy=retention, replicas=1, **spec
    )
    return {**body, "metadata": {"name": "db", "annotations": RECREATE}}


def uids(world):
    """Of the claim and of the Pod."""
    found = [world.get("PersistentVolumeClaim", "data-db-0"), world.get("Pod", "db-0")]
    return [body and not body["metadata"].get("deletionTimestamp") and body["metadata"]["uid"] for body in found]


def test_a_stateful_set_that_takes_its_claims_along_is_pruned_only_when_confirmed(world):
    world.commit(db=with_claims(), c=config_map("c"))
    world.sync()
    claim, _ = uids(world)
    world.commit(db=None)
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert "StatefulSet" in held.message
    assert "would be deleted with all that is in it; confirm with --confirm" in held.message
    assert uids(world)[0] == claim
    assert world.sync(confirm=True).outcome is Outcome.SYNCED


def test_a_stateful_set_that_keeps_its_claims_is_pruned_as_any_other(world):
    world.commit(db=with_claims(when_deleted="Retain"), c=config_map("c"))
    world.sync()
    claim, _ = uids(world)
    world.commit(db=None)
    assert world.sync().outcome is Outcome.SYNCED
    assert uids(world)[0] == claim


@pytest.mark.parametrize("when_deleted", ["Retain", "Delete"])
def test_a_recreation_leaves_the_pods_and_their_claims_to_the_new_stateful_set(world, when_deleted):
    world.commit(db=with_claims(when_deleted=when_deleted))
    world.sync()
    before = uids(world)
    world.commit(db=with_claims(size="2Gi", when_deleted=when_deleted))
    if when_deleted == "Delete":
        held = world.sync()
        assert held.outcome is Outcome.HELD
        assert "deleted with all that is in it and created again; confirm with --confirm" in held.message
    result = world.sync(confirm=True)
    assert [item.verb for item in result.changed] == ["recreated"]
    assert result.outcome is Outcome.SYNCED
    time.sleep(0.5)
    assert uids(world) == before, "neither a restart nor a new volume"
    (template,) = world.get("StatefulSet", "db", "apps")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "2Gi"
    owner = world.get("StatefulSet", "db", "apps")["metadata"]["uid"]
    assert [one["uid"] for one in world.get("Pod", "db-0")["metadata"]["ownerReferences"]] == [owner]
    owners = world.get("PersistentVolumeClaim", "data-db-0")["metadata"].get("ownerReferences") or []
    assert [one["uid"] for one in owners] == ([owner] if when_deleted == "Delete" else [])


def test_pods_that_the_new_stateful_set_could_not_take_over_are_made_again(world):
    """Another service: its name is part of a Pod, but of no revision."""
    world.commit(db=with_claims(when_deleted="Retain", serviceName="old"))
    world.sync()
    claim, pod = uids(world)
    world.commit(db=with_claims(when_deleted="Retain", serviceName="new"))
    assert world.sync().outcome is Outcome.SYNCED
    again = uids(world)
    assert again[0] == claim
    assert again[1] != pod
    assert world.get("Pod", "db-0")["spec"]["subdomain"] == "new"


def test_a_way_back_by_itself_leaves_what_would_take_claims_along(world):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:broken"), db=with_claims())
    assert world.sync(app=world.with_sync(timeout=6.0)).outcome is Outcome.ROLLED_BACK
    assert world.get("StatefulSet", "db", "apps")
    assert uids(world)[0]
