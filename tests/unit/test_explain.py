"""Why an Application is as it is: the facts, each object that is not well, and how live state left what was synced."""

import re
from dataclasses import replace

import pytest

from gitops.engine.inventory_parent import parent_body
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.errors import SourceError
from gitops.model.release import Quarantine
from gitops.model.revision import short
from gitops.views.explain import drift_of, explained
from gitops.views.status import status_of
from tests.unit.desk import Desk, config_map
from tests.unit.test_status import AT, SHA, WEB, A, B, begun, broken, running, setting, tell

NOW = "2026-01-01T00:10:00Z"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "key", "namespace": "shop"},
    "stringData": {"word": "sesame-open"},
}


@pytest.fixture
def rolling(tmp_path):
    """A Deployment that runs, and a ConfigMap."""
    return running(tmp_path)


def explain(desk):
    async def story(context):
        told = await status_of(context, "app")
        return await explained(context, told, desk.app if told.standing else None)

    return desk.run(story)


def drifted(desk):
    inventory = desk.inventory()
    return desk.run(lambda context: drift_of(context, inventory, desk.app))


def timeless(facts):
    """Facts without the times of what a pass wrote, which depend on how often it looked."""
    return [re.sub(r"2026-01-01T00:0\d:\d\d\.\d{3}Z", "NOW", fact) for fact in facts]


def test_of_one_that_is_well_the_facts_are_told_and_nothing_is_to_be_done(rolling):
    assert {**explain(rolling), "facts": timeless(explain(rolling)["facts"])} == {
        "application": "gitops/app",
        "headline": "gitops/app is Healthy",
        "health": "Healthy",
        "sync": "Unknown",
        "facts": [
            f"the last healthy revision is {short(rolling.good)}, since NOW",
            "the last thing recorded is sync.finished at NOW by ada",
            "all that it owns is healthy",
        ],
        "objects": [],
        "next": "",
    }


def test_what_somebody_changed_is_drift_and_who_it_was(rolling):
    rolling.cluster.put({**rolling.live(A), "data": {"x": "2", "y": "1"}})
    rolling.cluster.take(key_of(WEB))
    told = explain(rolling)
    assert told["facts"][2:] == [
        "it has drifted: ConfigMap shop/a data.x (set by kubectl-edit)",
        "it has drifted: apps/Deployment shop/web (create)",
    ]
    missing = {"object": "apps/Deployment shop/web", "health": "Missing", "reason": "Missing: not in the cluster"}
    assert told["objects"] == [missing]
    assert told["next"] == "mend it at its source, and sync again"


def test_a_rollback_is_explained_by_what_is_quarantined(rolling):
    sha = broken(rolling)
    told = explain(rolling)
    reason = "apps/Deployment shop/web: not healthy in time: Progressing: 0 of 1 new replicas have been updated"
    assert timeless(told["facts"]) == [
        f"the last healthy revision is {short(rolling.good)}, since NOW",
        f"revision {short(sha)} is quarantined since NOW: {reason}",
        "the last thing recorded is sync.finished at NOW by ada",
        "all that it owns is healthy",
    ]


def test_a_failed_sync_is_told_with_what_is_not_well_and_is_not_under_way(rolling):
    broken(rolling, rolling.with_sync(rollback="never"))
    told = explain(rolling)
    image = "apps/Deployment shop/web spec.template.spec.containers[name=web].image"
    assert timeless(told["facts"])[1:] == [
        "the last thing recorded is sync.failed at NOW by ada",
        f"it has drifted: {image} (set by gitops)",
    ]
    assert [(one["object"], one["health"]) for one in told["objects"]] == [("apps/Deployment shop/web", "Progressing")]
    assert told["next"] == "the way back: gitops rollback gitops/app -n shop"


def test_what_never_was_healthy_is_told(tmp_path):
    desk = Desk(tmp_path)
    desk.commit(A)
    desk.sync(wait=False)
    assert explain(desk)["facts"][0] == "no revision of it has been healthy yet"
    desk.cluster.put(parent_body(replace(desk.inventory(), keys=frozenset()), "test"))
    assert explain(desk)["facts"][-1] == "it owns nothing"


def test_what_was_synced_after_the_last_healthy_is_told_as_unhealthy(rolling):
    rolling.commit(WEB, config_map("a", x="2"))
    rolling.sync(wait=False)
    assert explain(rolling)["facts"][1] == "what was synced last has not become healthy"


def test_of_one_that_the_cluster_has_nothing_of_the_controller_tells(tmp_path):
    desk = Desk(tmp_path)
    tell(desk, sync="OutOfSync", health="Healthy", head=SHA, plan="f" * 64, reason="it waits", at=AT)
    told = explain(desk)
    assert told["facts"] == [
        "the cluster has nothing of it",
        f"the controller sees it OutOfSync, since {AT}: {short(SHA)}: it waits",
        f"plan {'f' * 12} waits for a word: gitops approve gitops/app --plan {'f' * 12}",
    ]
    assert (told["objects"], told["next"].startswith("gitops diff -f FILE")) == ([], True)
    tell(desk, sync="Unknown", health="Healthy", cluster="eu")
    assert explain(desk)["facts"] == [
        "it goes to cluster eu; ask with --context, where that is one, for more",
        "the controller sees it Unknown",
    ]


def test_a_controller_that_is_gone_and_a_suspension_are_facts(rolling):
    tell(rolling, sync="Synced", health="Healthy", head=rolling.good, at=AT)
    setting(rolling, "", "controller-seen", "2025-12-31T23:00:00Z")
    setting(rolling, "gitops/app", "suspended", "by ada")
    facts = explain(rolling)["facts"]
    assert facts[1] == f"no controller has been seen since 2025-12-31T23:00:00Z; that one saw it Synced, since {AT}"
    assert facts[2] == "it is suspended by ada; gitops resume lets the controller go on"


def test_no_value_of_a_secret_is_in_a_fact(rolling):
    rolling.commit(WEB, A, SECRET)
    rolling.sync()
    left = Quarantine(SHA, "d" * 64, "it said sesame-open", AT)
    begun(rolling, quarantine=left)
    facts = explain(rolling)["facts"]
    assert not any("sesame" in fact for fact in facts)
    assert any(fact.startswith(f"revision {short(SHA)} is quarantined since {AT}: it said ") for fact in facts)


# ── drift ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drift_is_from_what_was_synced_and_not_from_the_newest_commit(rolling):
    assert (drifted(rolling).changes, drifted(rolling).under_way) == ([], "")
    rolling.commit(WEB, config_map("a", x="2"))
    assert drifted(rolling).changes == []


def test_while_an_unknown_sync_is_under_way_no_drift_can_be_told(rolling):
    begun(rolling)
    rolling.cluster.put({**rolling.live(A), "data": {"x": "9"}})
    found = drifted(rolling)
    assert (found.plan, found.changes, found.under_way) == (None, [], "a sync to another revision is under way")
    assert explain(rolling)["facts"][2:] == [
        "a sync to another revision is under way",
        "all that it owns is healthy",
    ]


def going_on(desk, *bodies):
    """A sync of a commit has begun, and nothing of it is there yet; its revision."""
    sha = desk.commit(*bodies)
    rendered = desk.plan().at.rendered
    desk.run(lambda context: context.store.save_rendered(rendered))
    begun(desk, digest=rendered.digest)
    return sha


def test_while_a_sync_is_under_way_only_what_others_set_is_drift(rolling):
    sha = going_on(rolling, WEB, config_map("a", x="2"), B)
    found = drifted(rolling)
    assert (found.changes, found.under_way) == ([], f"a sync to main@{short(sha)} is under way")
    rolling.cluster.put({**rolling.live(A), "data": {"x": "9"}})
    (change,) = drifted(rolling).changes
    assert [(item.path, item.owner.name) for item in change.fields] == [("data.x", "kubectl-edit")]


def test_of_an_object_whose_fields_two_have_set_only_the_strangers_are_drift(rolling):
    rolling.commit(WEB, config_map("a", x="1", z="1"))
    rolling.sync()
    going_on(rolling, WEB, config_map("a", x="2", z="2"))
    rolling.cluster.put({**rolling.live(A), "data": {"x": "9", "z": "1"}})
    (change,) = drifted(rolling).changes
    assert [item.path for item in change.fields] == ["data.x"]


def test_a_rollback_under_way_is_told_as_one(rolling):
    healthy = rolling.inventory().healthy
    begun(rolling, rollback_target=healthy)
    found = drifted(rolling)
    assert (found.under_way, found.changes) == (f"a rollback to {short(rolling.good)} is under way", [])


def test_a_sync_that_has_ended_in_any_way_is_not_under_way(rolling):
    sha = going_on(rolling, WEB, config_map("a", x="2"))
    assert drifted(rolling).under_way == f"a sync to main@{short(sha)} is under way"
    inventory = rolling.inventory()
    ended = replace(inventory, last=replace(inventory.last, outcome="failed"))
    assert rolling.run(lambda context: drift_of(context, ended, rolling.app)).under_way == ""


def test_what_cannot_be_had_any_more_is_said(rolling, tmp_path):
    rolling.folder = tmp_path / "another"
    rolling.source.is_away = True
    with pytest.raises(SourceError, match="the source is away"):
        drifted(rolling)
    said = [fact for fact in explain(rolling)["facts"] if fact.startswith("whether it has drifted cannot be told: ")]
    assert len(said) == 1
    assert said[0].endswith("the source is away")


# ── why an object is not well ────────────────────────────────────────────────────────────────────────────────────────


def test_an_objects_reason_goes_down_to_the_container(rolling):
    live = rolling.live(WEB)
    labels = {"app": "web"}
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": labels},
        "status": {"containerStatuses": [{"name": "web", "state": waiting}]},
    }
    rolling.cluster.put(pod)
    status = {**live["status"], "readyReplicas": 0, "availableReplicas": 0}
    rolling.passing = lambda: None
    rolling.cluster.put({**live, "status": status}, "controllers")
    (found,) = explain(rolling)["objects"]
    assert found["object"] == "apps/Deployment shop/web"
    assert found["reason"].endswith("pod web-1: container web: ImagePullBackOff: no such image")
    rolling.cluster.refuse("list", ResourceKey("", "Pod", "shop", ""), 403, "Forbidden", "no right to see pods")
    assert explain(rolling)["objects"][0]["reason"].endswith("its pods could not be read: no right to see pods")
