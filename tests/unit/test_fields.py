"""Field sets: the published encoding, and the algebra on it."""

import pytest

from gitops.manifests import fields
from gitops.manifests.fields import Member, make


def test_a_set_is_written_as_managed_fields_write_it():
    containers = ("spec", "containers", {"name": "web"})
    made = make((*containers,), (*containers, "image"), ("metadata", "finalizers", Member("x")))
    assert made == {
        "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}},
        "f:metadata": {"f:finalizers": {'v:"x"': {}}},
    }


@pytest.mark.parametrize("element", ["replicas", {"containerPort": 80, "protocol": "TCP"}, Member("x"), Member(3), 0])
def test_an_element_survives_writing_and_reading(element):
    assert fields.decode(fields.encode(element)) == element


def test_an_unknown_element_is_refused():
    with pytest.raises(ValueError, match="not a field path element"):
        fields.decode("x:1")


def test_keys_are_written_in_order_and_escaped_as_go_escapes():
    assert fields.encode({"protocol": "TCP", "containerPort": 80}) == 'k:{"containerPort":80,"protocol":"TCP"}'
    assert fields.encode(Member("a<b>&c")) == 'v:"a\\u003cb\\u003e\\u0026c"'
    assert [fields.encode(Member(mark)) for mark in "<>&"] == ['v:"\\u003c"', 'v:"\\u003e"', 'v:"\\u0026"']


def test_a_removed_parent_leaves_its_children_in_the_set():
    assert fields.difference(make(("a",), ("a", "b")), make(("a",))) == make(("a", "b"))


def test_what_is_left_of_a_parent_that_is_a_member_too_are_the_children_that_do_not_go():
    whole = make(("a",), ("a", "b"), ("a", "c"))
    assert fields.difference(whole, make(("a",), ("a", "c"))) == make(("a", "b"))
    assert fields.difference(whole, make(("a", "c"))) == make(("a",), ("a", "b"))
    assert fields.intersection(whole, make(("a", "c"), ("a", "d"))) == make(("a", "c"))


def test_union_makes_a_parent_a_member_without_losing_its_children():
    assert fields.union(make(("a",)), make(("a", "b"))) == make(("a",), ("a", "b"))
    assert fields.union(make(("a", "b")), make(("a",))) == make(("a",), ("a", "b"))


def test_intersection_keeps_only_what_both_hold():
    assert fields.intersection(make(("a", "b"), ("a", "c"), ("d",)), make(("a", "c"), ("d", "e"))) == make(("a", "c"))


def test_difference_then_union_gives_the_whole_back():
    whole, part = make(("a",), ("a", "b"), ("c", "d")), make(("a",), ("c", "d"))
    assert fields.union(fields.difference(whole, part), fields.intersection(whole, part)) == whole


def test_subtrees_go_with_their_root():
    assert fields.without_subtrees(make(("status",), ("status", "x"), ("spec", "y")), make(("status",))) == make(
        ("spec", "y")
    )


def test_a_path_is_in_the_set_only_where_it_is_a_member():
    some = make(("a", "b"))
    assert fields.has(some, ("a", "b"))
    assert not fields.has(some, ("a",))
    assert not fields.has(some, ())


def test_leaves_are_the_deepest_members():
    assert list(fields.leaves(make(("a",), ("a", "b"), ("c",)))) == [("f:a", "f:b"), ("f:c",)]


def test_a_path_is_shown_as_conflict_messages_show_it():
    path = tuple(fields.encode(part) for part in ("spec", "containers", {"name": "web"}, "args", Member("x"), 0))
    assert fields.display(path) == '.spec.containers[name="web"].args[="x"][0]'


MANAGED = [
    {"manager": "gitops", "operation": "Apply", "apiVersion": "apps/v1", "time": "T1",
     "fieldsV1": {"f:spec": {"f:replicas": {}, "f:selector": {}}}},
    {"manager": "hpa", "operation": "Update", "apiVersion": "apps/v1", "time": "T2", "subresource": "scale",
     "fieldsV1": {"f:spec": {"f:replicas": {}}}},
]  # fmt: skip


def test_every_owner_of_a_field_is_named_with_its_time():
    owners = fields.owners_of(MANAGED, ("spec", "replicas"))
    assert [(owner.manager, owner.operation, owner.time, owner.subresource) for owner in owners] == [
        ("gitops", "Apply", "T1", ""),
        ("hpa", "Update", "T2", "scale"),
    ]


def test_a_field_inside_an_atomic_one_belongs_to_the_owner_of_the_whole():
    assert [owner.manager for owner in fields.owners_of(MANAGED, ("spec", "selector", "matchLabels", "app"))] == [
        "gitops"
    ]


def test_a_field_that_nobody_set_has_no_owner():
    assert fields.owners_of(MANAGED, ("spec", "paused")) == []
    assert fields.owners_of(MANAGED, ("status",)) == []
