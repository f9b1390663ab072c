"""Field by field: what differs, who set it, and what must not be seen."""

from gitops.engine.diff import changes_between, is_same
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
