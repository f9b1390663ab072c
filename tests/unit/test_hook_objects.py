"""A hook's Job is kept as long as its sync may be gone on with, and gets its own TTL back afterwards."""

import pytest

from gitops.engine.hooks import body_to_run, body_when_ended
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Origin
from gitops.model.plan import Phase, RunHook

LIVE = {"metadata": {"name": "hook", "uid": "u1"}}


def hook(kind, spec):
    api = "batch/v1" if kind == "Job" else "v1"
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": "hook", "namespace": "shop"}, "spec": spec}
    return RunHook(key_of(body), body, Origin("a.yaml", 1), frozenset(), Phase.PRE_SYNC)


def test_a_job_gets_its_own_ttl_back_when_the_sync_has_ended():
    job = hook("Job", {"ttlSecondsAfterFinished": 60})
    assert body_to_run(job, "s1")["spec"]["ttlSecondsAfterFinished"] == 7 * 24 * 3600
    ended = body_when_ended(job, LIVE, "s1")
    assert (ended["spec"], ended["metadata"]["uid"]) == ({"ttlSecondsAfterFinished": 60}, "u1")


@pytest.mark.parametrize(("kind", "spec"), [("Job", {}), ("Pod", {"ttlSecondsAfterFinished": 60})])
def test_what_has_no_ttl_is_left_as_it_ran(kind, spec):
    assert body_to_run(hook(kind, spec), "s1")["spec"] == spec
    assert body_when_ended(hook(kind, spec), LIVE, "s1") is None
