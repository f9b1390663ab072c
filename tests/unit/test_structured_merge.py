"""Server-side apply as pure functions: ownership, conflicts, removal, and doing nothing."""

import pytest

from gitops.manifests import structured_merge
from gitops.manifests.structured_merge import Endpoint, apply, conflict_message, update
from gitops.manifests.typed import TypedError

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"


def config(data=None, **metadata):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    return {**body, "data": data} if data is not None else body


def deployment(*containers, replicas=None):
    spec = {"template": {"spec": {"containers": list(containers)}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def applied(live, desired, manager="gitops", force=False, now=NOW):
    outcome = apply(live, desired, manager=manager, now=now, force=force)
    assert not outcome.conflicts
    return outcome.body


def managers(body):
    return [(entry["manager"], entry["operation"]) for entry in body["metadata"]["managedFields"]]


def test_a_first_apply_owns_what_it_sets():
    body = applied(None, config({"k": "v"}))
    assert body["data"] == {"k": "v"}
    assert body["metadata"]["managedFields"] == [
        {"manager": "gitops", "operation": "Apply", "apiVersion": "v1", "time": NOW, "fieldsType": "FieldsV1",
         "fieldsV1": {"f:data": {"f:k": {}}}}
    ]  # fmt: skip


def test_the_same_apply_again_gives_back_the_live_object_itself():
    live = applied(None, config({"k": "v"}))
    assert applied(live, config({"k": "v"}), now=LATER) is live


def test_a_field_that_is_applied_no_more_is_removed():
    live = applied(None, config({"k": "v", "x": "y"}))
    assert applied(live, config({"k": "v"}))["data"] == {"k": "v"}


def test_a_field_that_another_manager_owns_too_stays():
    live = applied(applied(None, config({"k": "v", "x": "y"})), config({"x": "y"}), manager="other")
    body = applied(live, config({"k": "v"}))
    assert body["data"] == {"k": "v", "x": "y"}
    assert set(managers(body)) == {("gitops", "Apply"), ("other", "Apply")}


def test_a_different_value_of_anothers_field_is_a_conflict_that_names_its_manager():
    live = applied(None, config({"k": "v"}), manager="other")
    outcome = apply(live, config({"k": "w"}), manager="gitops", now=NOW)
    assert outcome.body is live
    assert conflict_message(outcome.conflicts) == 'Apply failed with 1 conflict: conflict with "other": .data.k'


def test_force_takes_the_field_over():
    live = applied(None, config({"k": "v"}), manager="other")
    body = applied(live, config({"k": "w"}), force=True)
    assert body["data"] == {"k": "w"}
    assert managers(body) == [("gitops", "Apply")]


def test_several_conflicts_are_listed_by_manager():
    live = applied(applied(None, config({"a": "1"}), manager="one"), config({"b": "1"}), manager="two")
    outcome = apply(live, config({"a": "2", "b": "2"}), manager="gitops", now=NOW)
    assert conflict_message(outcome.conflicts) == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\nconflicts with "two":\n- .data.b'
    )


def test_agreeing_with_what_is_there_leaves_no_time():
    live = applied(None, config({"k": "v"}), manager="other")
    entry = next(e for e in applied(live, config({"k": "v"}))["metadata"]["managedFields"] if e["manager"] == "gitops")
    assert "time" not in entry


def test_list_items_merge_by_key_and_keep_others_items():
    live = applied(None, deployment({"name": "web", "image": "a"}))
    live = applied(live, deployment({"name": "proxy", "image": "p"}), manager="injector")
    body = applied(live, deployment({"name": "web", "image": "b"}))
    containers = body["spec"]["template"]["spec"]["containers"]
    assert containers == [{"name": "web", "image": "b"}, {"name": "proxy", "image": "p"}]


def test_an_item_that_is_applied_no_more_goes_unless_somebody_holds_a_part_of_it():
    live = applied(None, deployment({"name": "web", "image": "a"}, {"name": "side", "image": "s"}))
    env = {"name": "side", "env": [{"name": "A", "value": "1"}]}
    live = applied(live, deployment(env), manager="injector")
    containers = applied(live, deployment({"name": "web", "image": "a"}))["spec"]["template"]["spec"]["containers"]
    assert containers == [{"name": "web", "image": "a"}, {"name": "side", "env": [{"name": "A", "value": "1"}]}]


@pytest.mark.parametrize(
    ("live", "desired", "merged"),
    [
        ("a b c", "b a", "b c a"),
        ("a b c", "c a", "b c a"),
        ("a b c", "d x a c", "d x a b c"),
        ("a b c", "d x b a", "d x b c a"),
        ("a b", "a x b", "a x b"),
    ],
)
def test_items_of_others_keep_their_place_between_those_that_are_applied(live, desired, merged):
    before = applied(None, deployment(*({"name": name, "image": "1"} for name in live.split())), manager="injector")
    after = applied(before, deployment(*({"name": name, "image": "1"} for name in desired.split())))
    assert [item["name"] for item in after["spec"]["template"]["spec"]["containers"]] == merged.split()


def test_the_order_of_the_applied_list_wins():
    live = applied(None, deployment({"name": "a", "image": "1"}, {"name": "b", "image": "1"}))
    containers = applied(live, deployment({"name": "b", "image": "1"}, {"name": "a", "image": "1"}))
    assert [item["name"] for item in containers["spec"]["template"]["spec"]["containers"]] == ["b", "a"]


def test_a_field_that_the_type_does_not_have_is_refused_with_its_path():
    with pytest.raises(TypedError, match=r"^\.spec\.bogus: field not declared in schema$"):
        apply(None, {**deployment(), "spec": {"bogus": 1}}, manager="gitops", now=NOW)


def test_a_wrong_type_is_refused_with_its_path():
    message = r"^\.spec\.replicas: expected numeric \(int or float\), got string$"
    with pytest.raises(TypedError, match=message):
        apply(None, deployment(replicas="two"), manager="gitops", now=NOW)


def test_an_update_takes_the_changed_fields_from_their_owner():
    live = applied(
        None,
        deployment(
            {"name": "web", "image": "a"},
        ),
        manager="gitops",
    )
    live = applied(live, deployment({"name": "web", "image": "a"}, replicas=2))
    body = update(live, {**live, "spec": {**live["spec"], "replicas": 5}}, manager="scaler", now=LATER)
    entries = {entry["manager"]: entry for entry in body["metadata"]["managedFields"]}
    assert entries["scaler"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in entries["gitops"]["fieldsV1"]["f:spec"]


def test_an_update_that_changes_nothing_leaves_every_entry_as_it_was():
    live = applied(None, config({"k": "v"}))
    assert update(live, live, manager="other", now=LATER) == live


def test_a_subresource_has_an_entry_of_its_own():
    live = applied(None, deployment({"name": "web", "image": "a"}, replicas=1))
    body = update(
        live, {**live, "status": {"replicas": 1}}, manager="gitops", now=NOW, at=Endpoint(subresource="status")
    )
    assert [entry.get("subresource") for entry in body["metadata"]["managedFields"]] == [None, "status"]


def test_an_empty_entry_asks_to_forget_all_managers():
    live = applied(None, config({"k": "v"}))
    reset = {**live, "metadata": {**live["metadata"], "managedFields": [{}]}}
    assert "managedFields" not in update(live, reset, manager="other", now=NOW)["metadata"]


def test_only_so_many_updaters_are_remembered():
    live = config({"k": "0"})
    for number in range(15):
        live = update(
            live, {**live, "data": {**live["data"], f"k{number}": "v"}}, manager=f"m{number:02}", now=f"{number:02}"
        )
    names = [entry["manager"] for entry in live["metadata"]["managedFields"]]
    assert len(names) == 10
    assert "ancient-changes" in names


def test_nothing_that_goes_in_is_changed():
    live = applied(None, config({"k": "v"}), manager="other")
    desired = config({"k": "w", "x": "y"})
    before = structured_merge.orjson.dumps([live, desired])
    applied(live, desired, force=True)
    assert structured_merge.orjson.dumps([live, desired]) == before


def test_an_empty_map_that_is_applied_takes_nothing_from_what_others_own():
    live = applied(None, config({"k": "v"}), manager="other")
    assert applied(live, config({}))["data"] == {"k": "v"}


def test_between_null_and_a_map_of_a_custom_object_the_fields_are_what_changes():
    def widget(value):
        return {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"part": value}}

    def owned_by(manager, body):
        entries = body["metadata"]["managedFields"]
        return [entry["fieldsV1"]["f:spec"] for entry in entries if entry["manager"] == manager]

    null, whole = applied(None, widget(None)), applied(None, widget({"size": 1}))
    filled = update(null, {**null, "spec": {"part": {"size": 1}}}, manager="kubectl", now=LATER)
    assert owned_by("kubectl", filled) == [{"f:part": {"f:size": {}}}]
    emptied = update(whole, {**whole, "spec": {"part": None}}, manager="kubectl", now=LATER)
    assert (owned_by("kubectl", emptied), owned_by("gitops", emptied)) == ([], [{".": {}, "f:part": {}}])


@pytest.mark.parametrize(
    ("before", "after", "owned"),
    [
        (["1", "2"], ["1", "2"], None),
        (["1", "2"], ["1", "3"], {}),
        (["1"], ["1", "2"], {}),
        (["1", "2"], ["1"], {".": {}, "f:name": {}, "f:value": {}}),
        ([], ["1", "2"], {}),
        (["1", "2"], [], None),
    ],
)
def test_items_that_share_a_key_are_owned_as_one(before, after, owned):
    """The API server takes a variable twice from an update."""

    def variables(values):
        return deployment({"name": "a", "image": "x", "env": [{"name": "A", "value": value} for value in values]})

    body = update(variables(before), variables(after), manager="kubectl", now=NOW)
    node = next((entry["fieldsV1"] for entry in body["metadata"].get("managedFields", [])), {})
    for step in ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"a"}', "f:env"):
        node = node.get(step, {})
    assert node.get('k:{"name":"A"}') == owned


def test_an_empty_map_or_null_is_owned_and_an_empty_list_is_not():
    body = applied(None, config(labels={}, finalizers=[], annotations=None))
    (entry,) = body["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:metadata": {"f:annotations": {}, "f:labels": {}}}


@pytest.mark.parametrize("gone", [None, []])
def test_a_list_that_is_emptied_takes_its_items_from_their_owners(gone):
    live = applied(None, config({"k": "v"}, finalizers=["a.example/x"]))
    emptied = update(live, {**live, "metadata": {**live["metadata"], "finalizers": gone}}, manager="kubectl", now=LATER)
    (entry,) = emptied["metadata"]["managedFields"]
    assert (entry["manager"], entry["fieldsV1"]) == ("gitops", {"f:data": {"f:k": {}}})


def test_a_new_list_with_items_that_share_a_key_owns_them_as_one():
    env = [{"name": name, "value": value} for name, value in (("A", "1"), ("A", "2"), ("B", "3"))]
    body = update(deployment(), deployment({"name": "a", "env": env}), manager="kubectl", now=NOW)
    node = body["metadata"]["managedFields"][0]["fieldsV1"]
    for step in ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"a"}', "f:env"):
        node = node[step]
    assert (node['k:{"name":"A"}'], node['k:{"name":"B"}']) == ({}, {".": {}, "f:name": {}, "f:value": {}})


@pytest.mark.parametrize(
    ("before", "after", "owned"),
    [
        ({"a": 1}, [1], {"f:part": {}}),
        ([1], {"a": 1}, {"f:part": {".": {}, "f:a": {}}}),
        ("text", {"a": 1}, {"f:part": {".": {}, "f:a": {}}}),
        (None, {"a": 1}, {"f:part": {"f:a": {}}}),
        ({"a": 1}, None, None),
        ({"a": 1}, {"a": 2, "b": 1}, {"f:part": {"f:a": {}, "f:b": {}}}),
        ([1], [1, 2], {"f:part": {}}),
    ],
)
def test_what_no_definition_tells_is_owned_by_its_form_and_whole_where_that_changes(before, after, owned):
    def widget(value):
        return {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"part": value}}

    body = update(widget(before), widget(after), manager="kubectl", now=NOW)
    entries = body["metadata"].get("managedFields", [])
    assert [entry["fieldsV1"]["f:spec"] for entry in entries] == ([owned] if owned else [])


def test_an_entry_that_means_nothing_is_left_out_and_the_others_stay():
    whole = applied(None, config({"k": "v"}))
    (entry,) = whole["metadata"]["managedFields"]
    nothing = [{**entry, "operation": "Patch"}, {**entry, "apiVersion": ""}, {"manager": "x"}]
    live = {**whole, "metadata": {**whole["metadata"], "managedFields": [*nothing, entry]}}
    changed = update(live, {**live, "data": {"k": "v", "x": "y"}}, manager="kubectl", now=LATER)
    assert managers(changed) == [("gitops", "Apply"), ("kubectl", "Update")]


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        ({"a": 1}, [1], {"f:x": {}}),
        ({"a": {"b": 1}}, "text", {"f:x": {}}),
        ([1], {"a": 1}, {"f:x": {".": {}, "f:a": {}}}),
        ("text", {}, {"f:x": {}}),
    ],
)
def test_a_value_without_a_schema_that_becomes_another_kind_of_value_leaves_nothing_to_its_owner(before, after, taken):
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}
    live = applied(None, {**thing, "spec": {"x": before, "keep": 1}})
    body = update(live, {**live, "spec": {"x": after, "keep": 1}}, manager="other", now=LATER)
    owned = {entry["manager"]: entry["fieldsV1"]["f:spec"] for entry in body["metadata"]["managedFields"]}
    assert owned == {"gitops": {".": {}, "f:keep": {}}, "other": taken}
