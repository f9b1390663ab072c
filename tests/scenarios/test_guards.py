"""What is not deleted without a person's word: each guard holds the whole sync, says what would go, and lets it go."""

from dataclasses import replace

import pytest

from gitops.model.application import PruneLimit
from gitops.model.result import Outcome
from tests.scenarios.world import config_map

ARGO = {"argocd.argoproj.io/sync-options": "Prune=false"}
FLUX = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}


def annotated(body, notes):
    return {**body, "metadata": {**body["metadata"], "annotations": notes}}


def numbered(count, first=0):
    return [config_map(f"c{number}") for number in range(first, count)]


def names(world):
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    found = {item["metadata"]["name"] for item in world.request("GET", path)["items"]}
    return found - {"gitops-app", "kube-root-ca.crt"}


def held_then_confirmed(world, *said, app=None):
    """The sync is held with each of the words, nothing changes; then it goes through with --confirm."""
    before = names(world)
    parent = world.get("ConfigMap", "gitops-app")["data"]
    held = world.sync(app)
    assert held.outcome is Outcome.HELD
    for text in (*said, "--confirm"):
        assert text in held.message
    assert names(world) == before
    now = world.get("ConfigMap", "gitops-app")["data"]
    told = {"audit": "", "seal": ""}
    assert {**now, **told} == {**parent, **told}, "the inventory is as it was, but for the anchor of the audit log"
    assert world.sync(app, confirm=True).outcome is Outcome.SYNCED


def test_a_source_that_renders_to_nothing_is_held(world):
    world.commit(all=numbered(2), kustomization="resources: [all.yaml]\n")
    world.sync()
    world.commit(all="# nothing is left\n")
    held_then_confirmed(world, "renders to nothing at all while 2 objects are owned")
    assert names(world) == set()


def test_more_than_a_share_of_the_objects_is_held(world):
    world.commit(all=numbered(10))
    world.sync()
    world.commit(all=numbered(10, 3))
    assert world.sync().outcome is Outcome.SYNCED, "30 % is allowed"
    world.commit(all=numbered(13, 3))
    world.sync()
    world.commit(all=numbered(13, 7))
    held_then_confirmed(world, "4 of 10 objects would be deleted", "pruneLimit.percent 30")


def test_a_share_of_a_handful_says_nothing(world):
    world.commit(all=numbered(5))
    world.sync()
    world.commit(all=numbered(1))
    assert world.sync().outcome is Outcome.SYNCED


def test_more_than_a_count_of_objects_is_held(world):
    app = world.with_sync(pruneLimit=PruneLimit(count=2, percent=100))
    world.commit(all=numbered(6))
    world.sync(app)
    world.commit(all=numbered(6, 2))
    assert world.sync(app).outcome is Outcome.SYNCED, "2 are allowed"
    world.commit(all=numbered(6, 5))
    held_then_confirmed(world, "3 objects would be deleted", "pruneLimit.count 2", app=app)


def test_a_limit_of_none_holds_every_prune(world):
    app = world.with_sync(pruneLimit=PruneLimit(count=0))
    world.commit(all=numbered(2))
    world.sync(app)
    world.commit(all=numbered(1))
    held_then_confirmed(world, "1 objects would be deleted", app=app)


def _namespace(world):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{world.namespace}-extra"}}


def _claim(world):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "standard",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}


def _volume(world):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": "/data"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": world.namespace}, "spec": spec}


def _definition(world):
    group = f"{world.namespace}.example.com"
    names = {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gears.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }


def _is_live(world, body):
    scoped = None if body["kind"] == "PersistentVolumeClaim" else ""
    group = body["apiVersion"].rpartition("/")[0]
    found = world.get(body["kind"], body["metadata"]["name"], group, scoped)
    return found is not None and not found["metadata"].get("deletionTimestamp")


@pytest.mark.parametrize("make", [_namespace, _claim, _volume, _definition])
def test_what_takes_data_or_other_objects_along_is_held(world, make):
    body = make(world)
    world.commit(thing=body, web=config_map("web"))
    world.sync(wait=False)
    world.commit(thing=None)
    held = world.sync(wait=False)
    assert held.outcome is Outcome.HELD
    assert f"{body['kind']} " in held.message
    assert body["metadata"]["name"] in held.message
    assert "would be deleted with all that is in it; confirm with --confirm" in held.message
    assert _is_live(world, body)
    assert world.sync(wait=False, confirm=True).outcome is Outcome.SYNCED
    assert not _is_live(world, body)


def test_a_definition_is_not_taken_from_under_objects_that_others_made(world):
    body = _definition(world)
    world.commit(thing=body, web=config_map("web"))
    world.sync()
    group = body["spec"]["group"]
    gear = {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "theirs"}}
    world.request("POST", f"/apis/{group}/v1/namespaces/{world.namespace}/gears", gear, "somebody")
    world.commit(thing=None)
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert world.get("Gear", "theirs", group)
    told = world.gitops("sync", "gitops/app", "-n", world.namespace)
    assert (told.returncode, f"held: {held.message.splitlines()[0]}" in told.stderr) == (3, True), told.stderr


@pytest.mark.parametrize("notes", [{"gitops.dev/prune": "disabled"}, ARGO, FLUX], ids=["ours", "Argo CD's", "Flux's"])
def test_an_object_that_says_so_is_kept_even_when_confirmed(world, notes):
    world.commit(keep=annotated(config_map("keep"), notes), web=config_map("web"))
    world.sync()
    world.commit(keep=None)
    result = world.sync(confirm=True)
    assert [(kept.key.name, kept.reason) for kept in result.plan.kept] == [("keep", "it is annotated not to be pruned")]
    assert names(world) == {"keep", "web"}
    assert "keep" in {key.name for key in world.inventory().keys}, "it stays known as ours"
    told = world.gitops("sync", "gitops/app", "-n", world.namespace).stderr
    assert "keep although it left the source: it is annotated not to be pruned" in told


def test_an_object_that_asks_for_it_is_deleted_only_when_confirmed(world):
    world.commit(ask=annotated(config_map("ask"), {"gitops.dev/prune": "confirm"}), web=config_map("web"))
    world.sync()
    world.commit(ask=None)
    held_then_confirmed(world, "ask would be deleted")
    assert names(world) == {"web"}


def test_a_word_that_was_taken_off_the_live_object_holds_no_more(world):
    """The live object's word counts, since its manifest is gone."""
    world.commit(keep=annotated(config_map("keep"), {"gitops.dev/prune": "disabled"}), web=config_map("web"))
    world.sync()
    world.commit(keep=None)
    world.edit("core/configmaps/keep", {"metadata": {"annotations": {"gitops.dev/prune": None}}})
    assert world.sync().outcome is Outcome.SYNCED
    assert names(world) == {"web"}


def test_an_object_that_another_application_took_over_is_not_pruned(world):
    world.commit(shared=config_map("shared"), web=config_map("web"))
    world.sync()
    (world.repository / "other").mkdir()
    world.commit(**{"other/shared": config_map("shared")})
    other = replace(world.app, name="other", source=replace(world.app.source, path="other"))
    assert world.sync(other, adopt=True).outcome is Outcome.SYNCED
    world.commit(shared=None)
    own = replace(world.app.source.plain, exclude="other/**")
    mine = replace(world.app, source=replace(world.app.source, plain=own))
    assert world.sync(mine).outcome is Outcome.SYNCED
    assert "shared" in names(world)


def test_what_is_of_a_kind_that_is_not_served_now_stays_known_as_ours(world):
    """Its API may only be down: not seen is not the same as gone."""
    body = _definition(world)
    group = body["spec"]["group"]
    gear = {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "ours"}}
    world.commit(thing=body, gear=gear, web=config_map("web"))
    world.sync()
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    world.request("DELETE", f"{path}/{body['metadata']['name']}")
    world.commit(thing=None, gear=None)
    assert world.sync(confirm=True).outcome is Outcome.SYNCED
    assert {key.name for key in world.inventory().keys} == {"ours", "web"}
    world.request("POST", path, body, "somebody")
    gone = f"/apis/{group}/v1/namespaces/{world.namespace}/gears"
    tracking = f"gitops/app:{group}/Gear:{world.namespace}/ours"
    back = {**gear, "metadata": {"name": "ours", "annotations": {"gitops.dev/tracking": tracking}}}
    world.request("POST", gone, back, "gitops")
    world.commit(web=config_map("web", a="2"))
    assert ("pruned", "ours") in [(item.verb, item.key.name) for item in world.sync().changed]
    assert {key.name for key in world.inventory().keys} == {"web"}


@pytest.mark.parametrize(
    "word", [{"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}, {"gitops.dev/apply": "ignore"}]
)
def test_what_asks_to_be_left_alone_is_neither_updated_nor_pruned(world, word):
    world.commit(a=config_map("a"), b=config_map("b"))
    world.sync()
    world.edit("core/configmaps/a", {"data": {"a": "by hand"}, "metadata": {"annotations": word}})
    assert world.sync(prune=True).outcome is Outcome.IN_SYNC
    said = config_map("b", a="new")
    said["metadata"]["annotations"] = word
    world.commit(a=None, b=said, c=config_map("c"))
    assert world.sync(prune=True).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "a")["data"] == {"a": "by hand"}
    assert world.get("ConfigMap", "b")["data"] == {"a": "1"}
