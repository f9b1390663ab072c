"""Ownership that moves to us before an apply."""

import pytest

from gitops.engine.inventory import Inventory, parent_key
from gitops.engine.new_owners import holders_of, new_owners
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.engine.takeover import (
    at_served_versions,
    is_at_another_version,
    is_of_kubectl_apply,
    is_of_other_tool,
    owners_after_takeover,
    owners_again,
)
from gitops.manifests.key import key_of
from gitops.model.application import Application, Destination, SyncOptions
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision

OURS = {"manager": "gitops", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}
THEIRS = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}}
STATUS = {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}


def live(*entries):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "managedFields": list(entries)}}


def test_fields_that_move_become_ours_and_the_rest_stays():
    moved = owners_after_takeover(
        live(OURS, THEIRS, STATUS), lambda entry: entry["fieldsV1"] if entry["manager"] == "kubectl-edit" else {}, {}
    )
    assert moved == [{**OURS, "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}, STATUS]


def test_without_anything_to_move_there_is_nothing_to_write():
    assert owners_after_takeover(live(OURS, THEIRS), lambda _: {}, {}) is None


def test_a_status_that_moved_on_meanwhile_does_not_spoil_what_was_planned():
    newer = {**STATUS, "time": "later"}
    assert owners_again([OURS], live(OURS, THEIRS, STATUS), live(OURS, THEIRS, newer)) == [OURS, newer]


def test_a_manager_who_came_in_between_does():
    other = {**THEIRS, "manager": "other"}
    assert owners_again([OURS], live(OURS, THEIRS), live(OURS, THEIRS, other)) is None


def test_an_entry_keeps_what_does_not_move_and_one_that_is_left_alone_stays_whole():
    two = {**THEIRS, "fieldsV1": {"f:data": {"f:b": {}, "f:c": {}}}}
    unlisted = {**THEIRS, "manager": "some-script", "fieldsV1": {"f:data": {"f:d": {}}}}
    moves = {"kubectl-edit": {"f:data": {"f:b": {}}}}
    moved = owners_after_takeover(live(OURS, two, unlisted), lambda entry: moves.get(entry["manager"], {}), {})
    assert moved == [
        {**OURS, "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}},
        {**two, "fieldsV1": {"f:data": {"f:c": {}}}},
        unlisted,
    ]


def test_a_restart_by_hand_is_not_taken_over():
    stamp = {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}
    restart = {**THEIRS, "fieldsV1": {"f:spec": {"f:template": stamp}}}
    assert owners_after_takeover(live(OURS, restart), lambda entry: entry["fieldsV1"], {}) is None


def test_where_nothing_is_ours_yet_an_entry_of_ours_is_made():
    (ours,) = owners_after_takeover(live(THEIRS), lambda entry: entry["fieldsV1"], {})
    assert ours == {**THEIRS, "manager": "gitops", "operation": "Apply"}
    more = owners_after_takeover(live(), lambda _: {}, {"f:data": {"f:x": {}}})
    assert [(entry["manager"], entry["operation"], entry["fieldsV1"]) for entry in more] == [
        ("gitops", "Apply", {"f:data": {"f:x": {}}})
    ]


def test_an_entry_at_a_version_that_is_not_served_moves_to_that_of_the_manifest():
    gone, there = {**OURS, "apiVersion": "example.com/v1alpha1"}, {**THEIRS, "apiVersion": "example.com/v1"}
    found = at_served_versions(live(gone, there), frozenset({"v1"}), "example.com/v1")
    assert [entry["apiVersion"] for entry in found["metadata"]["managedFields"]] == ["example.com/v1"] * 2
    same = live(there)
    assert at_served_versions(same, frozenset({"v1"}), "example.com/v1") is same


def test_an_entry_of_ours_at_another_served_version_is_told():
    before = live({**OURS, "apiVersion": "example.com/v1"}, {**THEIRS, "apiVersion": "example.com/v3"})
    assert is_at_another_version(before, "example.com/v2") == "example.com/v1"
    assert is_at_another_version(before, "example.com/v1") == ""
    assert is_at_another_version(live(THEIRS), "example.com/v2") == ""


def before_an_apply(api, kind, wanted, there, *entries, served=(), options=PlanOptions(), sync=SyncOptions(), **more):  # noqa: B008 - frozen
    """Whose the fields of a live object have to be before `wanted` is applied."""
    rendered = RenderedSet(Revision("a" * 40, "main"), (), "d")
    app = Application("app", destination=Destination(namespace="shop"), sync=sync)
    inventory = Inventory("gitops/app", parent_key("app", "shop"))
    metadata = {"name": "x", "namespace": "shop"}
    desired = {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": wanted}
    key = key_of(desired)
    known = {(key.group, key.kind): frozenset(served)}
    at = PlanInput(app, rendered, {}, inventory, options, served=known)
    owned = {"managedFields": list(entries)} if entries else {}
    return new_owners(at, key, desired, {**desired, "metadata": metadata | owned, "spec": there}, **more)


@pytest.mark.parametrize(
    ("group", "kind", "served", "moves"),
    [
        ("example.com", "Widget", ["v1"], True),
        ("example.com", "Widget", ["v1", "v1beta1"], False),
        ("example.com", "Widget", [], False),
        ("autoscaling", "HorizontalPodAutoscaler", ["v1"], False),
    ],
)
def test_an_entry_at_a_version_that_a_definition_dropped_moves_and_of_a_built_in_kind_stays(group, kind, served, moves):
    entry = {"manager": "gitops", "operation": "Apply", "apiVersion": f"{group}/v1beta1"}
    entry["fieldsV1"] = {"f:spec": {"f:maxReplicas": {}}}
    found = before_an_apply(f"{group}/v1", kind, {"maxReplicas": 2}, {"maxReplicas": 2}, entry, served=served)
    assert found == ([{**entry, "apiVersion": f"{group}/v1"}] if moves else None)


def test_what_cannot_stay_is_ours_to_take_away_where_nobody_owns_anything():
    (entry,) = before_an_apply("policy/v1", "PodDisruptionBudget", {"minAvailable": 1}, {"maxUnavailable": 1})
    assert (entry["manager"], entry["operation"]) == ("gitops", "Apply")
    assert entry["fieldsV1"] == {"f:spec": {"f:maxUnavailable": {}}}


@pytest.mark.parametrize("manager", ["helm-controller", "kubectl-edit"])
def test_what_cannot_stay_is_taken_from_a_person_and_left_to_automation(manager):
    entry = {"manager": manager, "operation": "Update", "apiVersion": "policy/v1"}
    entry["fieldsV1"] = {"f:spec": {"f:maxUnavailable": {}}}
    found = before_an_apply("policy/v1", "PodDisruptionBudget", {"minAvailable": 1}, {"maxUnavailable": 1}, entry)
    if manager == "helm-controller":
        assert found is None
    else:
        assert [(one["manager"], one["fieldsV1"]) for one in found] == [("gitops", entry["fieldsV1"])]


@pytest.mark.parametrize(
    ("manager", "operation", "of_kubectl", "of_other"),
    [
        ("kubectl-client-side-apply", "Update", True, False),
        ("kubectl-client-side-apply", "Apply", False, False),
        ("before-first-apply", "Update", True, False),
        ("kubectl", "Apply", True, False),
        ("kubectl", "Update", False, False),
        ("kubectl-edit", "Update", False, False),
        ("argocd-controller", "Apply", False, True),
        ("kustomize-controller", "Apply", False, True),
        ("helm", "Update", False, True),
        ("gitops", "Apply", False, False),
        (None, None, False, False),
    ],
)
def test_a_tool_that_gave_an_object_up_is_known_by_its_name_and_kubectl_by_what_it_did(
    manager, operation, of_kubectl, of_other
):
    entry = {"manager": manager, "operation": operation}
    assert (is_of_kubectl_apply(entry), is_of_other_tool(entry)) == (of_kubectl, of_other)


def test_neither_a_status_nor_what_is_ours_moves_whatever_is_asked():
    ours_by_update = {**OURS, "operation": "Update", "fieldsV1": {"f:data": {"f:u": {}}}}
    bare = {"manager": "nobody", "operation": "Update"}
    found = owners_after_takeover(live(STATUS, OURS, bare), lambda entry: entry.get("fieldsV1") or {}, {})
    assert found is None
    found = owners_after_takeover(live(STATUS, OURS, ours_by_update), lambda entry: entry["fieldsV1"], {})
    assert found == [{**OURS, "fieldsV1": {"f:data": {"f:a": {}, "f:u": {}}}}, STATUS]
    empty = {"manager": "gitops", "operation": "Apply"}
    found = owners_after_takeover(live(empty, THEIRS), lambda entry: entry["fieldsV1"], {})
    assert found == [{**empty, "fieldsV1": THEIRS["fieldsV1"]}]


WORDS = {
    "none": {"sync": SyncOptions(takeOverKubectl=False)},
    "adopt": {"options": PlanOptions(adopt=True), "sync": SyncOptions(takeOverKubectl=False)},
    "by hand": {"by_hand": True, "sync": SyncOptions(takeOverKubectl=False)},
    "kubectl": {"sync": SyncOptions(takeOverKubectl=True)},
    "strict": {"sync": SyncOptions(takeOverKubectl=False, strict=True)},
}


@pytest.mark.parametrize(
    ("manager", "operation", "moves_by"),
    [
        ("helm", "Update", {"adopt"}),
        ("argocd-controller", "Apply", {"adopt"}),
        ("kubectl-edit", "Update", {"by hand", "strict"}),
        ("kubectl", "Apply", {"kubectl", "strict"}),
        ("before-first-apply", "Update", {"kubectl"}),
        ("hpa-controller", "Update", set()),
    ],
)
def test_what_another_owns_moves_by_the_word_that_is_about_it_alone(manager, operation, moves_by):
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "fieldsV1": {"f:spec": {"f:paused": {}}},
    }
    paused, none = {"paused": True}, {}
    moved = {
        word for word, said in WORDS.items() if before_an_apply("apps/v1", "Deployment", none, paused, entry, **said)
    }
    assert moved == moves_by


def test_who_goes_on_owning_what_cannot_stay_is_named():
    excluded = {"f:spec": {"f:maxUnavailable": {}}}
    both = {"f:spec": {"f:maxUnavailable": {}, "f:selector": {}}}
    ours = {"manager": "gitops", "operation": "Apply", "fieldsV1": both}
    entries = [
        ours,
        {**ours, "operation": "Update"},
        {**ours, "manager": "other"},
        {**ours, "manager": "elsewhere", "fieldsV1": {"f:spec": {"f:selector": {}}}},
        {**ours, "manager": "gives", "operation": "Update"},
        {"manager": "empty", "operation": "Update"},
    ]
    found = holders_of(excluded, live(*entries), lambda entry: excluded if entry["manager"] == "gives" else {})
    assert found == ["gitops", "other"]
    assert holders_of(excluded, live(), lambda _: {}) == []
    assert holders_of(excluded, live(ours), lambda _: {}) == []


def test_a_manager_who_owns_nothing_keeps_nothing_from_going():
    empty = {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "policy/v1"}
    found = before_an_apply("policy/v1", "PodDisruptionBudget", {"minAvailable": 1}, {"maxUnavailable": 1}, empty)
    assert [one["manager"] for one in found] == ["gitops", "kubectl-edit"]
