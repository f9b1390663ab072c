"""What is sent for a field that a user asked to ignore."""

import pytest

from gitops.engine.ignore import movable, without_ignored
from gitops.manifests.key import ResourceKey
from gitops.model.application import IgnoreRule

KEY = ResourceKey("apps", "Deployment", "shop", "web")


def body(*containers, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {**spec, "containers": list(containers)}}


def owned(live, fields, manager="gitops", operation="Apply"):
    entry = {"manager": manager, "operation": operation, "fieldsV1": fields}
    return {**live, "metadata": {"managedFields": [entry]}}


def sent(desired, live, *paths, **rule):
    return without_ignored(desired, live, KEY, (IgnoreRule(jqPathExpressions=paths, **rule),))["spec"]


def container(name, image="a:1"):
    return {"name": name, "image": image}


def test_items_are_found_by_name_and_not_by_place():
    live = body(container("side", "s:9"), container("web", "a:2"))
    desired = body(container("web"), container("side", "s:1"))
    spec = sent(desired, live, '.spec.containers[] | select(.name == "side") | .image')
    assert spec["containers"] == [container("web"), container("side", "s:9")]


def test_every_item_may_be_meant():
    spec = sent(
        body(container("a"), container("b")),
        body(container("b", "b:2"), container("a", "a:2")),
        ".spec.containers[].image",
    )
    assert spec["containers"] == [container("a", "a:2"), container("b", "b:2")]


def test_a_new_item_is_sent_as_it_is_written():
    spec = sent(body(container("a"), container("new")), body(container("a", "a:2")), ".spec.containers[].image")
    assert spec["containers"] == [container("a", "a:2"), container("new")]


def test_a_whole_item_that_is_ignored_stays_as_it_is_live():
    path = '.spec.containers[] | select(.name == "side")'
    live = body(container("web"), {**container("side", "s:9"), "tty": True})
    spec = sent(body(container("web"), container("side")), live, path)
    assert spec["containers"][1] == {**container("side", "s:9"), "tty": True}
    assert sent(body(container("web"), container("side")), body(container("web")), path)["containers"] == [
        container("web")
    ]


def test_an_ignored_item_that_left_the_manifest_is_sent_only_while_it_is_ours():
    path = '.spec.containers[] | select(.name == "side")'
    live = body(container("web"), container("side"))
    ours = {"f:spec": {"f:containers": {'k:{"name":"side"}': {".": {}, "f:image": {}}}}}
    assert sent(body(container("web")), owned(live, ours), path)["containers"] == [container("web"), container("side")]
    assert sent(body(container("web")), live, path)["containers"] == [container("web")]


def test_an_ignored_field_that_left_the_manifest_is_sent_only_while_it_is_ours():
    live = body(replicas=4)
    ours = {"f:spec": {"f:replicas": {}}}
    assert sent(body(), owned(live, ours), ".spec.replicas")["replicas"] == 4
    assert "replicas" not in sent(body(), live, ".spec.replicas")
    assert "replicas" not in sent(body(), owned(live, ours, "hpa", "Update"), ".spec.replicas")


def test_an_ignored_entry_of_data_that_left_the_manifest_is_sent_only_while_it_is_ours():
    key, metadata = ResourceKey("", "ConfigMap", "shop", "c"), {"name": "c"}
    desired = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    live = {**desired, "data": {"a": "1", "b": "2"}}
    rules = (IgnoreRule(jsonPointers=("/data/a",)),)
    ours = owned(live, {"f:data": {"f:a": {}, "f:b": {}}})
    assert without_ignored(desired, ours, key, rules) == {**desired, "data": {"a": "1"}}
    for others in (owned(live, {"f:data": {"f:b": {}}}), owned(live, {"f:data": {"f:a": {}}}, "hpa"), live):
        assert without_ignored(desired, others, key, rules) == desired


def finalizers(*names):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"finalizers": list(names)}}


@pytest.mark.parametrize(
    ("ours", "sent_names"), [(["a"], ["a"]), (["a", "b"], ["a", "b"]), (["b"], ["a", "b"]), ([], ["a"])]
)
def test_an_ignored_text_of_a_list_that_left_the_manifest_is_sent_only_while_it_is_ours(ours, sent_names):
    fields = {"f:metadata": {"f:finalizers": {".": {}, **{f'v:"{name}"': {} for name in ours}}}}
    live = finalizers("a", "b")
    live["metadata"]["managedFields"] = [{"manager": "gitops", "operation": "Apply", "fieldsV1": fields}]
    rules = (IgnoreRule(jqPathExpressions=(".metadata.finalizers[]",)),)
    assert without_ignored(finalizers("a"), live, KEY, rules)["metadata"]["finalizers"] == sent_names


def test_what_is_owned_as_one_stays_with_its_owner_as_one():
    live = body(selector={"matchLabels": {"app": "a", "tier": "b"}}, replicas=2)
    entry = {"fieldsV1": {"f:spec": {"f:selector": {}, "f:replicas": {}}}}
    rules = (IgnoreRule(jsonPointers=("/spec/selector/matchLabels/app",)),)
    assert movable(entry, live, KEY, rules) == {"f:spec": {"f:replicas": {}}}
    assert movable({"manager": "hpa", **entry}, live, KEY, (IgnoreRule(managers=("hpa",)),)) == {}
    assert movable({"manager": "hpa"}, live, KEY, rules) == {}
    others = IgnoreRule(kind="StatefulSet", jsonPointers=("/spec/replicas",))
    assert movable(entry, live, KEY, (others, *rules, others)) == {"f:spec": {"f:replicas": {}}}
    assert movable(entry, live, KEY, (*rules, IgnoreRule(jsonPointers=("/spec/replicas",)))) == {}


def test_a_pointer_may_go_through_a_list():
    rule = IgnoreRule(jsonPointers=("/spec/containers/0/image",))
    found = without_ignored(body(container("a")), body(container("a", "a:2")), KEY, (rule,))
    assert found["spec"]["containers"] == [container("a", "a:2")]


@pytest.mark.parametrize(
    "path",
    [
        "/spec/containers/1/image",
        "/spec/containers/7/image",
        "/spec/containers/x/image",
        "/spec/none/image",
        "/status/0",
    ],
)
def test_a_path_that_names_nothing_changes_nothing(path):
    rules = (IgnoreRule(jsonPointers=(path,)),)
    live = body(container("a", "a:2"), replicas=4)
    desired = body(container("a"), replicas=2)
    assert without_ignored(desired, live, KEY, rules) == desired
    entry = {"fieldsV1": {"f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"a"}': {"f:image": {}}}}}}
    assert movable(entry, live, KEY, rules) == entry["fieldsV1"]


def test_a_new_item_that_is_named_by_its_place_is_sent_as_it_is_written():
    rules = (IgnoreRule(jsonPointers=("/spec/containers/1/image",)),)
    desired = body(container("a"), container("new"))
    for live in (body(container("a", "a:2")), body(), {"spec": {}}, {"spec": {"containers": "none"}}):
        assert without_ignored(desired, live, KEY, rules) == desired
    gone = (IgnoreRule(jsonPointers=("/spec/containers/1",)),)
    assert without_ignored(desired, body(container("a")), KEY, gone) == body(container("a"))


def test_an_item_that_left_is_sent_where_all_conditions_fit_it():
    path = '.spec.containers[] | select(.name == "side") | select(.image == "a:1")'
    ours = {"f:spec": {"f:containers": {'k:{"name":"side"}': {"f:image": {}}}}}
    for image in ("a:1", "a:2"):
        live = owned(body(container("web"), container("side", image)), ours)
        names = [item["name"] for item in sent(body(container("web")), live, path)["containers"]]
        assert names == (["web", "side"] if image == "a:1" else ["web"])


def test_fields_of_a_manager_are_as_that_manager_left_them():
    fields = {"f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}}}
    live = owned(
        body({**container("web", "a:2"), "tty": True}, container("b", "b:2"), replicas=4), fields, "scaler", "Update"
    )
    spec = sent(body(container("b"), container("web"), replicas=2), live, managers=("scaler",))
    assert spec == {"replicas": 4, "containers": [container("b"), container("web", "a:2")]}
    assert sent(body(replicas=2), live, managers=("other",))["replicas"] == 2
    other_form = sent({**body(), "spec": {"replicas": [1], "containers": "none"}}, live, managers=("scaler",))
    assert other_form == {"replicas": 4, "containers": "none"}


def test_a_field_that_a_manager_is_said_to_have_and_that_is_not_there_is_sent_as_it_is_written():
    live = owned(body(container("web")), {"f:spec": {"f:replicas": {}}}, "scaler", "Update")
    assert sent(body(container("web"), replicas=2), live, managers=("scaler",))["replicas"] == 2


def test_items_of_another_form_than_their_owner_names_them_by_are_sent_as_they_are_written():
    fields = {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}}
    live = owned(body("odd", container("web", "a:2")), fields, "scaler", "Update")
    desired = body(container("web", "a:1"))
    rule = IgnoreRule(jqPathExpressions=(".spec.containers[].image",))
    assert movable(live["metadata"]["managedFields"][0], live, KEY, (rule,)) == {}
    assert sent(desired, live, managers=("scaler",))["containers"] == [container("web", "a:2")]


def test_of_what_an_owner_has_only_an_ignored_field_stays_with_it():
    """A map or item of which nothing else is owned is not taken as a whole."""
    side, web = 'k:{"name":"side"}', 'k:{"name":"web"}'
    live = body(container("web"), container("side"), replicas=4)
    entry = {"fieldsV1": {"f:spec": {"f:replicas": {}, "f:containers": {side: {"f:image": {}}}}}}
    rules = (IgnoreRule(jqPathExpressions=(".spec.replicas", PATH)),)
    assert movable(entry, live, KEY, ()) == entry["fieldsV1"]
    assert movable(entry, live, KEY, rules) == {}
    entry["fieldsV1"]["f:spec"]["f:containers"][web] = {"f:image": {}}
    assert movable(entry, live, KEY, rules) == {"f:spec": {"f:containers": {web: {"f:image": {}}}}}


def test_other_objects_are_not_meant():
    assert sent(body(replicas=2), body(replicas=4), ".spec.replicas", kind="StatefulSet")["replicas"] == 2


PATH = '.spec.containers[] | select(.name == "side") | .image'


@pytest.mark.parametrize(
    ("desired", "live", "sent_image"),
    [
        ("s:1", "s:9", "s:9"),  # both have it: as it is live
        ("s:1", "", None),  # not live: it is not ours to bring back
        ("", "s:9", None),  # not in the manifest, and not ours
        ("", "", None),
    ],
)
def test_a_field_of_a_list_item_that_is_ignored(desired, live, sent_image):
    def side(image):
        return {"name": "side", **({"image": image} if image else {})}

    spec = sent(body(container("web"), side(desired)), body(container("web"), side(live)), PATH)
    assert spec["containers"][1].get("image") == sent_image
    assert spec["containers"][0] == container("web")
