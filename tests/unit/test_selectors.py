"""Label and field selectors of the embedded cluster."""

import pytest

from gitops.sandbox.resources import Registry
from gitops.sandbox.selectors import field_matcher, label_matcher, selects
from gitops.sandbox.statuses import ApiFailure

LABELS = {"app": "web", "tier": "2"}
POD = {"metadata": {"name": "p", "labels": LABELS}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("app=web", True),
        ("app==web,tier!=3", True),
        ("app in (web, api)", True),
        ("app notin (web)", False),
        ("app", True),
        ("!app", False),
        ("missing!=x", True),
        ("tier>1,tier<3", True),
        ("tier>2", False),
        ("app=", False),
        ("", True),
    ],
)
def test_a_label_selector_matches(text, holds):
    matcher = label_matcher(text)
    assert (matcher is None or matcher(POD)) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a,", "found '', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a>x", "for 'Gt', 'Lt' operators, the value must be an integer"),
    ],
)
def test_a_selector_that_cannot_be_read_is_told_as_kubernetes_tells_it(text, message):
    with pytest.raises(ApiFailure) as refused:
        label_matcher(text)
    assert message in refused.value.status["message"]


def test_a_field_selector_knows_the_fields_of_its_kind():
    pods = Registry().get("", "pods")
    matcher = field_matcher("spec.nodeName=n,status.phase!=Pending", pods)
    assert matcher is not None
    assert matcher(POD)
    with pytest.raises(ApiFailure, match=r"field label not supported: spec.color"):
        field_matcher("spec.color=red", pods)


def test_a_label_selector_object_may_hold_expressions():
    expressions = [{"key": "app", "operator": "In", "values": ["web"]}, {"key": "x", "operator": "DoesNotExist"}]
    assert selects({"matchExpressions": expressions}, LABELS)
    assert selects({}, LABELS)
    assert not selects(None, LABELS)
