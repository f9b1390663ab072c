"""What becomes of a sync's hooks when it is over."""

import asyncio

import pytest

from gitops.engine.hooks import body_to_run
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Origin
from gitops.model.errors import ApiError
from gitops.model.plan import HookDelete, Phase, RunHook
from gitops.sync.hook_cleanup import clean_up_hooks
from gitops.testing.cluster import MemoryCluster

BOTH = (HookDelete.SUCCEEDED, HookDelete.FAILED)


def hook(name, *delete, kind="Job", **spec):
    api = "batch/v1" if kind == "Job" else "v1"
    metadata = {"name": name, "namespace": "shop"}
    body = {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}
    return RunHook(key_of(body), body, Origin("a.yaml", 1), frozenset(delete), Phase.PRE_SYNC)


def ended(made, sync="s1", condition="Complete"):
    """The hook's Job as the sync ran it, with a condition that says how it ended."""
    run = body_to_run(made, sync)
    return {**run, "status": {"conditions": [{"type": condition, "status": "True"}]}}


def cleaned(cluster, *hooks, sync="s1"):
    return asyncio.run(clean_up_hooks(cluster, hooks, sync, ()))


@pytest.mark.parametrize("condition", ["Complete", "Failed"])
@pytest.mark.parametrize("policy", BOTH)
def test_a_hook_goes_when_it_ended_as_its_policy_says_and_stays_otherwise(condition, policy):
    made = hook("a", policy)
    cluster = MemoryCluster([ended(made, condition=condition)])
    goes = (condition == "Complete") == (policy is HookDelete.SUCCEEDED)
    assert cleaned(cluster, made) == ({made.key} if goes else set())
    assert (cluster.body(made.key) is None) is goes


def test_what_another_sync_made_or_nobody_has_made_is_left_alone():
    made = hook("a", *BOTH)
    cluster = MemoryCluster([ended(made, sync="s2")])
    assert cleaned(cluster, made, hook("b", *BOTH)) == set()
    assert cluster.calls == []


def test_a_hook_without_a_policy_is_not_even_asked_for():
    made = hook("a", HookDelete.BEFORE_CREATION)
    cluster = MemoryCluster([ended(made)])
    assert cleaned(cluster, made) == set()
    assert cluster.requests == (0, 0)


def test_a_claim_with_data_is_never_deleted_as_a_hook():
    made = hook("data", *BOTH, kind="PersistentVolumeClaim")
    cluster = MemoryCluster([{**body_to_run(made, "s1"), "status": {"phase": "Bound"}}])
    assert cleaned(cluster, made) == set()
    assert cluster.body(made.key) is not None


def test_a_job_that_stays_is_given_its_ttl_and_goes_by_itself():
    made = hook("a", ttlSecondsAfterFinished=60)
    cluster = MemoryCluster()
    asyncio.run(cluster.apply(made.key, body_to_run(made, "s1")))
    assert cleaned(cluster, made) == {made.key}
    assert cluster.body(made.key)["spec"]["ttlSecondsAfterFinished"] == 60


@pytest.mark.parametrize("code", [404, 409])
def test_a_job_that_went_meanwhile_is_no_failure_and_is_gone(code):
    made = hook("a", ttlSecondsAfterFinished=60)
    cluster = MemoryCluster([body_to_run(made, "s1")])
    cluster.refuse("apply", made.key, code)
    assert cleaned(cluster, made) == {made.key}


def test_another_object_of_that_name_keeps_its_own_ttl():
    made = hook("a", ttlSecondsAfterFinished=60)
    cluster = Replacing([body_to_run(made, "s1")])
    assert cleaned(cluster, made) == {made.key}
    assert cluster.body(made.key)["spec"] == {"ttlSecondsAfterFinished": 7 * 24 * 3600}


class Replacing(MemoryCluster):
    """Where somebody makes an object anew once it has been read."""

    async def get(self, key, version="", *, fresh=False):
        found = await super().get(key, version, fresh=fresh)
        await self.delete(key)
        self.put(found)
        return found


def test_any_other_refusal_of_its_ttl_is_told():
    made = hook("a", ttlSecondsAfterFinished=60)
    cluster = MemoryCluster([body_to_run(made, "s1")])
    cluster.refuse("apply", made.key, 403, message="no right")
    with pytest.raises(ApiError, match="no right"):
        cleaned(cluster, made)
