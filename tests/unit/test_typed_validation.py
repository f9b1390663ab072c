"""What is told of a value that does not fit its type: the words of an API server, to the letter."""

import pytest

from gitops.manifests.schema import type_of
from gitops.manifests.typed import TypedError
from gitops.manifests.typed_validation import validate


def told(spec):
    try:
        validate({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}, type_of("apps/v1", "Deployment"))
    except TypedError as error:
        return str(error)
    return ""


def containers(*items):
    return {"template": {"spec": {"containers": list(items)}}}


LIST = ".spec.template.spec.containers"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"replicas": 3, "paused": True, "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}, ""),
        ({"replicas": None, "template": None}, ""),
        ({"replicas": "3"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"replicas": True}, ".spec.replicas: expected numeric (int or float), got bool"),
        ({"replicas": [1]}, ".spec.replicas: expected numeric (int or float), got []interface {}"),
        ({"replicas": {"a": 1}}, ".spec.replicas: expected numeric (int or float), got map[string]interface {}"),
        ({"paused": "yes"}, ".spec.paused: expected boolean, got &{yes}"),
        ({"paused": 1}, ".spec.paused: expected boolean, got &{1}"),
        (True, ".spec: expected map, got &{true}"),
        ([], ".spec: expected map, got &{[]}"),
        (
            {"template": [{"b": [False, None, "x"], "a": 1}]},
            ".spec.template: expected map, got &{[map[a:1 b:[false <nil> x]]]}",
        ),
        ({"nope": 1}, ".spec.nope: field not declared in schema"),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": [1]}}},
            ".spec.strategy.rollingUpdate.maxSurge: expected any scalar, got &{[1]}",
        ),
        ({"template": {"spec": {"containers": {"name": "a"}}}}, f"{LIST}: expected list, got &{{map[name:a]}}"),
        (containers({"name": "a"}, {"name": "b"}), ""),
        (containers({"name": "a"}, {"name": "a"}), f'{LIST}: duplicate entries for key [name="a"]'),
        (containers(None), f"{LIST}: element 0: associative list with keys may not have a null element"),
        (
            containers({"name": "a"}, "x"),
            f"{LIST}: element 1: associative list with keys may not have non-map elements",
        ),
        (
            containers({"name": "a", "args": ["x", True]}),
            f'{LIST}[name="a"].args[1]: expected string, got &value.valueUnstructured{{Value:true}}',
        ),
        (
            containers({"name": "a", "image": {"b": [1, "é"], "a": True}}),
            f'{LIST}[name="a"].image: expected string, got &value.valueUnstructured{{Value:map[string]interface {{}}'
            '{"a":true, "b":[]interface {}{1, "é"}}}',
        ),
        (
            {"replicas": "3", "paused": "yes"},
            "errors:\n  .spec.replicas: expected numeric (int or float), got string\n"
            "  .spec.paused: expected boolean, got &{yes}",
        ),
    ],
)
def test_a_value_of_a_wrong_type_is_told_as_an_api_server_tells_it(spec, why):
    assert told(spec) == why
