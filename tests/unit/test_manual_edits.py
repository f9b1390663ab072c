"""What a person's tool did, told from what automation did."""

import pytest

from gitops.engine.manual_edits import hand_edits_only, is_by_hand, is_edit_by_hand, without_edits
from gitops.engine.plan_input import PlanOptions
from gitops.model.errors import ApiError


def entry(manager, operation="Update", **more):
    return {"manager": manager, "operation": operation, **more}


def live(*entries):
    return {"metadata": {"name": "a", "managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("manager", "by_hand"),
    [
        ("kubectl-edit", True),
        ("kubectl-client-side-apply", True),
        ("K9s", True),
        ("Mozilla", True),
        ("gitops-act", True),
        ("gitops", False),
        ("kube-controller-manager", False),
        ("", False),
    ],
)
def test_a_persons_tool_is_known_by_its_name(manager, by_hand):
    assert is_by_hand(entry(manager)) is by_hand


@pytest.mark.parametrize(
    ("found", "is_edit"),
    [
        (entry("kubectl-edit"), True),
        (entry("kubectl-edit", "Apply"), False),
        (entry("kubectl-edit", subresource="scale"), False),
        (entry("operator"), False),
    ],
)
def test_an_edit_is_what_was_changed_and_not_applied_nor_scaled(found, is_edit):
    assert is_edit_by_hand(found) is is_edit


def test_all_that_people_changed_is_taken_out_of_the_owners_and_nothing_else():
    applied, scaled, operator = entry("kubectl", "Apply"), entry("kubectl", subresource="scale"), entry("operator")
    left = without_edits(live(entry("kubectl-edit"), applied, scaled, operator))
    assert left["metadata"]["managedFields"] == [applied, operator]
    same = live(operator)
    assert without_edits(same) is same


@pytest.mark.parametrize(
    ("messages", "only"),
    [
        (['conflict with "kubectl-edit" using apps/v1'], True),
        (['conflict with "kubectl-edit" using apps/v1', 'conflict with "operator" using apps/v1'], False),
        (['conflict with "kubectl-edit"'], False),  # one that applied it
        (['conflict with "kubectl-other" using v1'], False),
        ([], False),
    ],
)
def test_a_refusal_is_of_hand_edits_only_where_every_conflict_is(messages, only):
    status = {"details": {"causes": [{"message": message} for message in messages]}}
    refused = ApiError(409, "Conflict", "", status)
    assert hand_edits_only(refused, live(entry("kubectl-edit"), entry("operator"))) is only


def test_a_person_confirms_what_was_shown_and_no_more():
    assert not PlanOptions().confirms("anything")
    assert PlanOptions(confirm=True).confirms("anything")
    shown = PlanOptions(confirm=True, shown=frozenset({"this"}))
    assert (shown.confirms("this"), shown.confirms("that")) == (True, False)
    assert not PlanOptions(shown=frozenset({"this"})).confirms("this")
