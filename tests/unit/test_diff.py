"""Field by field: what differs, who set it, and what must not be seen."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.cli.field_lines import field_lines
from gitops.engine.diff import changes_between, is_same, steady_path
from gitops.model.plan import ABSENT, Manager, Unknown


def deployment(containers, replicas=3, managed=()):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "resourceVersion": "1", "managedFields": list(managed)},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
    }


def entry(manager, fields, time="2026-01-01T00:00:00Z", operation="Update", **more):
    return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields, **more}


def test_equal_bodies_have_no_changes_whatever_the_server_keeps_in_them():
    live = deployment([{"name": "web"}])
    other = {**live, "metadata": {"name": "web", "resourceVersion": "9"}, "status": {"replicas": 3}}
    assert is_same(live, other)
    assert changes_between(live, other) == ()


def test_a_container_is_named_by_its_name_not_by_its_place():
    live = deployment([{"name": "web", "image": "a:1"}, {"name": "side", "image": "b"}])
    desired = deployment([{"name": "side", "image": "b"}, {"name": "web", "image": "a:2"}])
    order, image = changes_between(live, desired)
    assert order.path == "spec.template.spec.containers (order)"
    assert image.path == "spec.template.spec.containers[name=web].image"
    assert (image.live, image.desired) == ("a:1", "a:2")


def test_an_item_that_only_one_side_has_is_one_change():
    live = deployment([{"name": "web"}])
    desired = deployment([{"name": "web"}, {"name": "side", "image": "b", "args": ["x"]}])
    (change,) = changes_between(live, desired)
    assert change.path == "spec.template.spec.containers[name=side]"
    assert change.live is ABSENT


def test_the_manager_of_the_live_value_is_its_owner():
    managed = [
        entry("gitops", {"f:spec": {"f:template": {}}}, operation="Apply"),
        entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale"),
    ]
    (change,) = changes_between(deployment([], 5, managed), deployment([], 3))
    assert change.owner == Manager("kubectl", "Update", "2026-01-01T00:00:00Z")


def test_the_owner_of_a_field_in_a_list_item_is_found_by_its_key():
    fields = {
        "f:spec": {
            "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}}}
        }
    }
    live = deployment([{"name": "web", "image": "a:1"}], managed=[entry("kubectl-set", fields)])
    (change,) = changes_between(live, deployment([{"name": "web", "image": "a:2"}]))
    assert isinstance(change.owner, Manager)
    assert change.owner.name == "kubectl-set"


def test_a_default_has_no_owner():
    (change,) = changes_between(deployment([], 1), deployment([], 2))
    assert change.owner == Unknown()


def test_the_values_of_secrets_are_never_in_a_change():
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "s",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"p":"aHVudGVyMg=="}}'},
        },
        "data": {"p": "aHVudGVyMg==", "gone": "aHVudGVyMg=="},
    }
    desired = {**live, "metadata": {"name": "s"}, "data": {"p": "c2VzYW1l"}}
    found = changes_between(live, desired)
    assert [change.path for change in found] == ["data.gone", "data.p", "metadata.annotations"]
    assert "aHVudGVyMg" not in str(found)
    assert "c2VzYW1l" not in str(found)


def test_names_with_dots_are_written_in_brackets():
    live = {"kind": "ConfigMap", "metadata": {"annotations": {"a.b/c": "1"}}}
    (change,) = changes_between(live, {"kind": "ConfigMap", "metadata": {"annotations": {"a.b/c": "2"}}})
    assert change.path == "metadata.annotations[a.b/c]"


def role(*rules, managed=()):
    return {"kind": "ClusterRole", "metadata": {"name": "r", "managedFields": list(managed)}, "rules": list(rules)}


def rule(*verbs, **more):
    return {"apiGroups": [""], "verbs": list(verbs), **more}


def test_items_without_a_key_are_compared_by_their_place():
    (change,) = changes_between(role(rule("list"), rule("get")), role(rule("list"), rule("*")))
    assert (change.path, change.live, change.desired) == ("rules[1].verbs", ["get"], ["*"])


def test_an_item_put_between_others_is_one_change():
    (change,) = changes_between(role(rule("a"), rule("b")), role(rule("a"), rule("x"), rule("b")))
    assert (change.path, change.live, change.desired) == ("rules[1]", ABSENT, rule("x"))
    (change,) = changes_between(role(rule("a"), rule("b"), rule("c")), role(rule("b"), rule("c")))
    assert (change.path, change.live, change.desired) == ("rules[0]", rule("a"), ABSENT)


def test_the_places_in_a_list_are_ordered_as_numbers():
    verbs = [f"verb-{number}" for number in range(12)]
    found = changes_between(role(*map(rule, verbs)), role(*(rule(verb, "watch") for verb in verbs)))
    assert [change.path for change in found] == [f"rules[{number}].verbs" for number in range(12)]


def test_a_list_that_was_empty_is_one_change():
    (change,) = changes_between(role(), role(rule("a"), rule("b")))
    assert (change.path, change.live) == ("rules", [])


def test_who_wrote_a_whole_list_wrote_also_what_is_not_in_it():
    managed = [entry("scaler", {"f:rules": {}})]
    live = role(rule("a"), managed=managed)
    for desired in (role(rule("a"), rule("b")), role(rule("a", extra="1"))):
        (change,) = changes_between(live, desired)
        assert isinstance(change.owner, Manager)
        assert change.owner.name == "scaler"


@pytest.mark.parametrize("path", ["rules", "rules[3]", "rules[3].http.paths[0].backend"])
def test_a_path_is_steady_up_to_the_first_place(path):
    assert steady_path(path) == "rules"
    assert steady_path("spec.containers[name=web].image") == "spec.containers[name=web].image"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b\n", "b\nc", "\\n", "1", "true"]),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["name", "x", "y"]), below),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_there_is_a_change_just_where_the_bodies_differ_and_it_can_be_seen(live, desired):
    one, other = ({"kind": "Any", "metadata": {}, "spec": value} for value in (live, desired))
    changes = changes_between(one, other)
    assert bool(changes) is not is_same(one, other)
    paths = [change.path for change in changes]
    assert len(paths) == len(set(paths))
    for change in changes:
        assert repr(change.live) != repr(change.desired)
        head, *lines = [click.unstyle(line) for line in field_lines(change)]
        _, _, pair = head.partition(": ")
        before, _, after = pair.partition(" → ")
        assert lines or before != after
