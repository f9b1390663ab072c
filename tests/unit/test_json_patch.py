"""JSON patch and merge patch."""

import json

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.manifests.json_patch import PatchError, json_patch, merge_patch

DOCUMENT = {"a": {"b": [1, 2]}, "x/y": 1}


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ({"op": "add", "path": "/a/b/-", "value": 3}, {"a": {"b": [1, 2, 3]}, "x/y": 1}),
        ({"op": "add", "path": "/a/b/0", "value": 0}, {"a": {"b": [0, 1, 2]}, "x/y": 1}),
        ({"op": "remove", "path": "/x~1y"}, {"a": {"b": [1, 2]}}),
        ({"op": "replace", "path": "/a/b", "value": None}, {"a": {"b": None}, "x/y": 1}),
        ({"op": "move", "from": "/a/b", "path": "/c"}, {"a": {}, "x/y": 1, "c": [1, 2]}),
        ({"op": "copy", "from": "/x~1y", "path": "/a/c"}, {"a": {"b": [1, 2], "c": 1}, "x/y": 1}),
        ({"op": "test", "path": "/a/missing", "value": None}, DOCUMENT),
        ({"op": "add", "path": "/a/b/-1", "value": 3}, {"a": {"b": [1, 2, 3]}, "x/y": 1}),
        ({"op": "add", "path": "/a/b/-3", "value": 0}, {"a": {"b": [0, 1, 2]}, "x/y": 1}),
        ({"op": "replace", "path": "/a/b/-1", "value": 0}, {"a": {"b": [1, 0]}, "x/y": 1}),
        ({"op": "replace", "path": "/a/new", "value": 1}, {"a": {"b": [1, 2], "new": 1}, "x/y": 1}),
        ({"op": "copy", "from": "/a/missing", "path": "/c"}, {**DOCUMENT, "c": None}),
        ({"op": "add", "path": "/c"}, {**DOCUMENT, "c": None}),
        ({"op": "add", "path": "not/a/c", "value": 1}, {"a": {"b": [1, 2], "c": 1}, "x/y": 1}),
        ({"op": "replace", "path": "", "value": {"all": 1}}, {"all": 1}),
    ],
)
def test_an_operation_changes_a_copy(operation, result):
    assert json_patch(DOCUMENT, [operation]) == result
    assert DOCUMENT == {"a": {"b": [1, 2]}, "x/y": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/nope/a", "value": 1},
        {"op": "replace", "path": "/a/b/2", "value": 1},
        {"op": "move", "from": "/a/nope", "path": "/c"},
        {"op": "add", "path": "", "value": {}},
        {"op": "copy", "from": "", "path": "/c"},
        {"op": "add", "path": "/a/b/-4", "value": 1},
        {"op": "test", "path": "/x~1y", "value": True},
        {"op": "add", "path": "/a/b/9", "value": 1},
        {"op": "explode", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
    ],
)
def test_what_does_not_apply_is_an_error(operation):
    with pytest.raises(PatchError):
        json_patch(DOCUMENT, [operation])


def test_a_merge_patch_removes_nulls_and_replaces_lists():
    assert merge_patch(DOCUMENT, {"a": {"b": [9], "c": {"d": None}}, "x/y": None}) == {"a": {"b": [9], "c": {}}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(st.text("ab/~", max_size=2), json_values, max_size=4)


@settings(deadline=None)
@given(documents, documents)
def test_a_patch_that_another_library_makes_leads_from_one_document_to_the_other(before, after):
    copy = json.loads(json.dumps(before))
    assert json_patch(before, jsonpatch.make_patch(before, after).patch) == after
    assert before == copy
