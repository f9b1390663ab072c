"""What becomes of an object that is ours and left the source: pruned, kept with a reason, or in need of a word."""

from dataclasses import replace

import pytest

from gitops.engine.inventory import PART_OF, Inventory, parent_key
from gitops.engine.plan_input import PlanOptions
from gitops.engine.prune_candidates import find_prune_candidates
from gitops.manifests.key import key_of
from tests.unit.test_plan import INVENTORY, config, situation, stored

PRUNE = PlanOptions(prune=True)
OLD = stored(config("old"), INVENTORY)
CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}}
SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}


def found(live, options=PRUNE, desired=(), **more):
    """Each object's name and what becomes of it."""
    at = replace(situation(desired, [live], [key_of(live)], options), **more)
    candidates = find_prune_candidates(at)
    said = [(prune.key.name, "pruned") for prune in candidates.prunes]
    said += [(kept.key.name, kept.reason) for kept in candidates.kept]
    return said + [(one.key.name, f"asked: {one.reason}") for one in candidates.guarded]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PlanOptions(), [("old", "pruning is off (--prune, or sync.prune: true)")]),
        (PRUNE, [("old", "pruned")]),
        (PlanOptions(prune=True, resources=("ConfigMap/new",)), []),
        (PlanOptions(resources=("ConfigMap/new",)), []),
        (PlanOptions(prune_only=frozenset({key_of(OLD)})), [("old", "pruned")]),
        (PlanOptions(prune=True, prune_only=frozenset()), [("old", "it was there before this sync")]),
        (PlanOptions(resources=("ConfigMap/new",), prune_only=frozenset({key_of(OLD)})), [("old", "pruned")]),
    ],
)
def test_what_left_is_pruned_where_that_is_asked_for_and_not_beside_a_part(options, expected):
    assert found(OLD, options) == expected


def test_what_is_not_there_or_still_wanted_is_not_spoken_of():
    at = situation([config("new")], [], [key_of(OLD)], PRUNE)
    assert find_prune_candidates(at).kept == []
    assert found(OLD, desired=[config("old")]) == []


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({"gitops.dev/prune": "disabled"}, "it is annotated not to be pruned"),
        ({"helm.sh/resource-policy": " Keep "}, "it is annotated not to be pruned"),
        ({"argocd.argoproj.io/sync-options": "Prune=false"}, "it is annotated not to be pruned"),
        ({"kustomize.toolkit.fluxcd.io/prune": "disabled"}, "it is annotated not to be pruned"),
        ({"gitops.dev/prune": "enabled"}, "pruned"),
        ({"helm.sh/resource-policy": "delete"}, "pruned"),
        ({"argocd.argoproj.io/sync-options": "Delete=false"}, "pruned"),
    ],
)
def test_an_object_says_itself_whether_it_is_pruned(annotations, said):
    live = stored(config("old", **annotations), INVENTORY)
    assert found(live) == [("old", said)]


@pytest.mark.parametrize(
    "annotations",
    [{"gitops.dev/prune": "confirm"}, {"gitops.dev/prune": "no"}, {"argocd.argoproj.io/sync-options": "Prune=confirm"}],
)
def test_an_object_that_wants_a_word_or_says_what_nobody_understands_is_asked_about(annotations):
    live = stored(config("old", **annotations), INVENTORY)
    asked = "asked: ConfigMap shop/old would be deleted with all that is in it; confirm with --confirm"
    assert found(live) == [("old", "pruned"), ("old", asked)]
    assert found(live, PlanOptions(prune=True, confirm=True)) == [("old", "pruned")]


def test_an_application_that_is_deleted_asks_what_only_that_is_about():
    for word, said in (("Delete=false", "it is annotated not to be pruned"), ("Delete=confirm", "pruned")):
        live = stored(config("old", **{"argocd.argoproj.io/sync-options": word}), INVENTORY)
        names = found(live, PlanOptions(prune=True, leaving=True))
        assert names[0] == ("old", said)
        assert len(names) == (2 if word == "Delete=confirm" else 1)
        assert found(live) == [("old", "pruned")]


def test_what_holds_data_is_asked_about_and_a_way_back_leaves_it():
    live = stored(CLAIM, INVENTORY)
    asked = "asked: PersistentVolumeClaim shop/data would be deleted with all that is in it; confirm with --confirm"
    assert found(live) == [("data", "pruned"), ("data", asked)]
    assert found(live, PlanOptions(prune=True, confirm=True)) == [("data", "pruned")]
    back = PlanOptions(confirm=True, prune_only=frozenset({key_of(CLAIM)}))
    assert found(live, back) == [("data", "it may hold data, so a way back leaves it")]


def test_a_namespace_goes_only_empty_of_what_is_wanted_whoever_confirms_it():
    live, confirmed = stored(SPACE, INVENTORY), PlanOptions(prune=True, confirm=True)
    assert found(live, confirmed) == [("other", "pruned")]
    assert found(live)[1][1].startswith("asked: Namespace other would be deleted with all that is in it")
    inside = [config("b", namespace="other"), config("a", namespace="other"), config("c")]
    (_, (_, reason)) = found(live, confirmed, inside)
    assert reason.startswith("asked: Namespace other left the source, and ConfigMap other/a and 1 more of the source")
    (_, (_, reason)) = found(live, confirmed, inside[:1])
    assert reason.startswith("asked: Namespace other left the source, and ConfigMap other/b of the source are in it")
    (_, (_, reason)) = found(live, confirmed, tenants={"other": ("gitops/shop", "gitops/tenant")})
    assert reason.endswith("with what Application gitops/tenant has in it; delete that Application first")
    assert found(live, confirmed, tenants={"other": ("gitops/shop",)}) == [("other", "pruned")]


def test_what_is_going_or_is_to_be_left_alone_is_kept():
    going = stored(config("old"), INVENTORY, deletionTimestamp="2026-01-01T00:00:00Z")
    assert found(going) == [("old", "it is being deleted")]
    at = situation([], [OLD], [key_of(OLD)], PRUNE)
    at = replace(at, rendered=replace(at.rendered, left_alone=frozenset({key_of(OLD)})))
    assert [one.reason for one in find_prune_candidates(at).kept] == ["its manifest says to leave it alone"]


def test_an_inventory_of_ours_is_not_pruned_as_an_object():
    labels = {"applyset.kubernetes.io/id": "applyset-x", "app.kubernetes.io/managed-by": "gitops"}
    live = stored({**config("old"), "metadata": {"name": "old", "namespace": "shop", "labels": labels}}, INVENTORY)
    assert found(live) == [("old", "it is the inventory of an Application")]


def test_what_lost_our_marks_or_has_anothers_is_kept_and_what_another_owns_is_not_ours_to_tell():
    far = stored(config("old", namespace="far"), INVENTORY)
    bare = {
        **far,
        "metadata": {name: value for name, value in far["metadata"].items() if name not in ("labels", "annotations")},
    }
    ((_, reason),) = found(bare)
    assert "does not bear our marks any more" in reason
    label = {PART_OF: "applyset-other-v1"}
    ((_, reason),) = found({**bare, "metadata": {**bare["metadata"], "labels": label}})
    assert reason == "it belongs to another inventory, as its label applyset.kubernetes.io/part-of says"
    assert found(stored(config("old"), Inventory("team/other", parent_key("other", "shop")))) == []


def test_whatever_becomes_of_one_object_the_others_are_looked_at():
    inventory = {"applyset.kubernetes.io/id": "applyset-x", "app.kubernetes.io/managed-by": "gitops"}
    far = {**config("b", namespace="far"), "metadata": {"name": "b", "namespace": "far", "uid": "u"}}
    bodies = [config(name) for name in "cdefgz"]
    bodies[1]["metadata"]["labels"] = inventory
    bodies[2]["metadata"]["annotations"] = {"gitops.dev/prune": "disabled"}
    live = [far, *(stored(body, INVENTORY) for body in bodies), stored(SPACE, INVENTORY)]
    live[4]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    live[5] = stored(bodies[4], Inventory("team/other", parent_key("other", "shop")))
    owned = [key_of(config("a")), *map(key_of, live)]
    at = replace(situation([], live, owned, PRUNE), tenants={"other": ("gitops/tenant",)})
    at = replace(at, rendered=replace(at.rendered, left_alone=frozenset({key_of(bodies[0])})))
    candidates = find_prune_candidates(at)
    assert [one.key.name for one in candidates.kept] == ["b", "c", "d", "e", "f"]
    assert [one.key.name for one in candidates.prunes] == ["z", "other"]
    later = {**config("0"), "kind": "Secret"}
    at = replace(at, live={**at.live, key_of(later): stored(later, INVENTORY)})
    at = replace(at, inventory=replace(at.inventory, keys=at.inventory.keys | {key_of(later)}))
    assert [one.key.name for one in find_prune_candidates(at).prunes] == ["z", "other", "0"]
