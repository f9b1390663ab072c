"""What is known of types: built-in, custom, and deduced."""

from gitops.manifests import schema
from gitops.manifests.schema import custom_type, scope_of, type_of


def walk(kind, *names):
    for name in names:
        kind = kind.element if name == "[]" else kind.child(name)
    return kind


def test_scopes_of_built_in_kinds_are_known():
    assert scope_of("apps", "Deployment") == "Namespaced"
    assert scope_of("", "Namespace") == "Cluster"
    assert scope_of("example.com", "Widget") is None


def test_containers_merge_by_name():
    containers = walk(type_of("apps/v1", "Deployment"), "spec", "template", "spec", "containers")
    assert containers.keys == ("name",)
    assert not containers.atomic


def test_a_port_without_protocol_is_a_tcp_port():
    ports = walk(type_of("v1", "Pod"), "spec", "containers", "[]", "ports")
    assert ports.keys == ("containerPort", "protocol")
    assert ports.element.fields["protocol"].default == "TCP"


def test_selectors_and_arguments_are_atomic():
    spec = walk(type_of("apps/v1", "Deployment"), "spec")
    assert spec.child("selector").atomic
    assert walk(spec, "template", "spec", "containers", "[]", "args").atomic


def test_finalizers_are_a_set():
    assert walk(type_of("v1", "ConfigMap"), "metadata", "finalizers").is_set


def test_patch_strategies_are_known():
    fields = walk(type_of("v1", "Pod"), "spec").fields
    assert fields["containers"].merge_key == "name"
    assert fields["volumes"].patch == ("merge", "retainKeys")


def test_a_type_may_contain_itself():
    props = walk(type_of("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "spec", "versions", "[]", "schema")
    inner = walk(props, "openAPIV3Schema", "properties")
    assert inner.element.child("properties").element is inner.element


def test_an_unknown_kind_is_deduced_from_its_values():
    assert type_of("example.com/v1", "Widget") is schema.DEDUCED


def test_a_custom_type_has_its_schemas_lists_and_the_usual_metadata():
    part = {"type": "object", "properties": {"id": {"type": "string"}}}
    parts = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": part}
    spec = {"type": "object", "properties": {"parts": parts, "free": {"x-kubernetes-preserve-unknown-fields": True}}}
    kind = custom_type({"type": "object", "properties": {"spec": spec}})
    assert walk(kind, "spec", "parts").keys == ("id",)
    assert walk(kind, "spec", "free") is schema.DEDUCED
    assert walk(kind, "metadata", "finalizers").is_set
    assert kind.child("bogus") is None


def test_a_custom_type_without_a_schema_takes_any_field():
    assert custom_type(None).child("anything") is schema.DEDUCED
