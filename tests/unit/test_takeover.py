"""Ownership that moves to us before an apply."""

from gitops.engine.takeover import at_served_versions, is_at_another_version, owners_after_takeover, owners_again

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
