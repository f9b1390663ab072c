"""Nulls in manifests: which mean nothing, and which are values."""

from hypothesis import given
from hypothesis import strategies as st

from gitops.manifests.nulls import without_nulls

NOTHING = st.none()
PORT = st.fixed_dictionaries({"port": st.just(80)}, optional={"protocol": NOTHING, "targetPort": NOTHING})
SPEC = st.fixed_dictionaries({}, optional={"type": NOTHING, "ports": st.lists(PORT), "selector": NOTHING})


def test_a_body_without_nulls_is_given_back_as_it_is():
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": ""}}
    assert without_nulls(body) is body


def test_a_null_stays_where_it_may_be_a_value():
    """In a free map, in a list, in a field of any type, and in a kind that Kubernetes does not have."""
    maps = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"a": None}}}
    maps["data"] = {"a": None}
    lists = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "finalizers": [None]}}
    free = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}, "data": {"a": None}}
    custom = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": None}}
    for body in (maps, lists, free, custom):
        assert without_nulls(body) == body


def test_a_null_in_a_field_that_no_type_has_is_the_servers_to_judge():
    metadata = {"name": "w"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"tempalte": {"spec": None}}}
    assert without_nulls(body) == body
    assert without_nulls({**body, "metadata": {**metadata, "labels": None}}) == body


def test_the_metadata_of_a_custom_kind_is_that_of_any_other():
    custom = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "labels": None}}
    assert without_nulls(custom) == {**custom, "metadata": {"name": "w"}}


@given(SPEC)
def test_what_is_left_has_no_null_field_and_all_else(spec):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    found = without_nulls(body)
    assert without_nulls(found) is found
    assert "None" not in repr(found)
    assert len(found["spec"].get("ports", ())) == len(spec.get("ports") or ())
