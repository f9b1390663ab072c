"""Ownership that moves to us before an apply."""

from gitops.engine.takeover import owners_after_takeover, owners_again

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
