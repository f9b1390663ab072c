"""Strategic merge: items by key, directives, and the order of what comes out."""

import pytest

from gitops.manifests.schema import type_of
from gitops.manifests.strategic_merge import StrategicMergeError, strategic_merge

POD = type_of("v1", "Pod")


def names(items):
    return [item["name"] for item in items]


def merged(containers, patch):
    out = strategic_merge({"spec": {"containers": containers}}, {"spec": patch}, POD)
    return out["spec"]["containers"]


WEB = {"name": "web", "image": "a", "env": [{"name": "A", "value": "1"}]}
SIDE = {"name": "side", "image": "s"}


def test_an_item_merges_with_the_one_of_its_name():
    assert merged([WEB, SIDE], {"containers": [{"name": "web", "image": "b"}]})[0] == {**WEB, "image": "b"}


def test_lists_inside_of_an_item_merge_by_their_own_key():
    (web,) = merged([WEB], {"containers": [{"name": "web", "env": [{"name": "B", "value": "2"}]}]})
    assert web["env"] == [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]


def test_a_new_item_goes_first():
    assert names(merged([WEB, SIDE], {"containers": [{"name": "new", "image": "n"}]})) == ["new", "web", "side"]


def test_an_item_may_be_deleted():
    assert names(merged([WEB, SIDE], {"containers": [{"name": "web", "$patch": "delete"}]})) == ["side"]


def test_a_list_may_be_replaced():
    replaced = merged([WEB, SIDE], {"containers": [{"name": "only", "image": "o"}, {"$patch": "replace"}]})
    assert replaced == [{"name": "only", "image": "o"}]


def test_an_order_may_be_given():
    patch = {"$setElementOrder/containers": [{"name": "side"}, {"name": "web"}]}
    assert names(merged([WEB, SIDE], patch)) == ["side", "web"]


def test_an_order_that_contradicts_the_list_is_refused():
    patch = {"containers": [SIDE, WEB], "$setElementOrder/containers": [{"name": "web"}, {"name": "side"}]}
    with pytest.raises(StrategicMergeError, match="doesn't match"):
        merged([WEB, SIDE], patch)


def test_null_removes_and_plain_lists_are_replaced():
    web = {**WEB, "args": ["x"], "command": ["y"]}
    assert merged([web], {"containers": [{"name": "web", "args": None, "command": ["z"]}]}) == [
        {**WEB, "command": ["z"]}
    ]


def test_only_the_retained_keys_of_a_union_stay():
    original = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}}
    assert strategic_merge(original, patch, POD)["spec"]["volumes"] == [{"name": "v", "secret": {"secretName": "s"}}]


def test_members_of_a_primitive_list_may_be_deleted():
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic_merge({"metadata": {"finalizers": ["a", "b"]}}, patch, POD)["metadata"] == {"finalizers": ["b"]}


def test_a_map_may_be_replaced_or_emptied():
    labels = {"metadata": {"labels": {"a": "1"}}}
    assert strategic_merge(labels, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}, POD) == {
        "metadata": {"labels": {"b": "2"}}
    }
    assert strategic_merge(labels, {"metadata": {"labels": {"$patch": "delete"}}}, POD) == {"metadata": {"labels": {}}}


def test_an_unknown_directive_is_refused():
    with pytest.raises(StrategicMergeError, match="unknown patch type"):
        strategic_merge({}, {"$patch": "explode"}, POD)


def test_the_original_is_left_alone():
    original = {"spec": {"containers": [WEB]}}
    strategic_merge(original, {"spec": {"containers": [{"name": "web", "image": "b"}]}}, POD)
    assert original == {"spec": {"containers": [WEB]}}


def test_an_order_for_a_list_that_is_not_there_makes_none():
    patch = {"spec": {"$setElementOrder/containers": [{"name": "web"}], "hostNetwork": True}}
    assert strategic_merge({"spec": {}}, patch, POD) == {"spec": {"hostNetwork": True}}


def test_a_list_that_comes_with_its_order_stands_in_that_order():
    patch = {"$setElementOrder/containers": [{"name": "side"}, {"name": "web"}], "containers": [SIDE, WEB]}
    out = strategic_merge({"spec": {}}, {"spec": patch}, POD)
    assert names(out["spec"]["containers"]) == ["side", "web"]


def test_retained_keys_count_outside_of_a_list_too():
    original = {"spec": {"securityContext": {"runAsUser": 1, "fsGroup": 2}}}
    patch = {"spec": {"securityContext": {"$retainKeys": ["runAsUser", "runAsGroup"], "runAsGroup": 3}}}
    assert strategic_merge(original, patch, POD)["spec"]["securityContext"] == {"runAsUser": 1, "runAsGroup": 3}


def test_a_field_that_is_set_and_not_retained_is_refused():
    patch = {"spec": {"securityContext": {"$retainKeys": ["runAsUser"], "runAsGroup": 3}}}
    with pytest.raises(StrategicMergeError, match="invalid patch format of retainKeys"):
        strategic_merge({"spec": {"securityContext": {"runAsUser": 1}}}, patch, POD)


def test_an_item_without_its_key_and_a_list_of_two_types_are_refused():
    with pytest.raises(StrategicMergeError, match="does not contain declared merge key: name"):
        merged([WEB], {"containers": [{"image": "b"}]})
    with pytest.raises(StrategicMergeError, match="list element types are not identical"):
        merged([WEB], {"containers": ["web"]})


def test_a_patch_of_what_is_not_there_loses_its_directives_and_nulls():
    patch = {"spec": {"nodeSelector": {"$patch": "merge", "a": None, "b": "1"}, "volumes": [{"$patch": "replace"}]}}
    assert strategic_merge({}, patch, POD) == {"spec": {"nodeSelector": {"b": "1"}, "volumes": []}}


def test_members_of_a_primitive_list_are_added_once_and_first():
    patch = {"metadata": {"finalizers": ["c", "a"]}}
    assert strategic_merge({"metadata": {"finalizers": ["a", "b"]}}, patch, POD)["metadata"]["finalizers"] == [
        "c",
        "a",
        "b",
    ]


def test_a_map_that_is_not_there_cannot_be_deleted_and_is_empty():
    patch = {"spec": {"nodeSelector": {"$patch": "delete", "a": "1"}}}
    assert strategic_merge({}, patch, POD) == {"spec": {"nodeSelector": {}}}


def test_members_to_delete_from_a_primitive_list_are_a_list():
    with pytest.raises(StrategicMergeError, match="invalid patch format of primitive list"):
        strategic_merge({"metadata": {}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}, POD)
