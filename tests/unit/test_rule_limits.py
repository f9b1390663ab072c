"""Which definitions are refused because their CEL rules would cost too much, and how that is said."""

import pytest

from gitops.sandbox.rule_cost.limits import cost_errors, rule_costs
from gitops.sandbox.validation.definitions import definition

AT = "spec.versions[0].schema.openAPIV3Schema"
ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


def of(kind: str, *rules: str, **more: object) -> dict:
    extra = {"x-kubernetes-validations": [{"rule": rule} for rule in rules]} if rules else {}
    return {"type": kind, **more, **extra}


def root(**properties: dict) -> dict:
    return {"type": "object", "properties": properties}


def costs(schema: dict) -> list[int]:
    return [each.cost for each in rule_costs(schema, "S")]


def told(schema: dict, **more: bool) -> list[str]:
    return [f"{error.field}: {error}".removeprefix(f"{error.field}: ") for error in cost_errors(schema, AT, **more)]


def test_a_schema_whose_rules_together_cost_too_much_names_the_largest_and_each_that_is_too_large():
    text = of("string", "self.contains('keyword')", maxLength=5000)
    schema = root(
        list=of("array", maxItems=100_000, items=text),
        map=of("object", maxProperties=1000, additionalProperties=text),
        field=of("integer", "self > 50 && self < 100"),
    )
    rule = "x-kubernetes-validations[0].rule: Forbidden:"
    part = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
    whole = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    assert told(schema) == [
        f"{AT}.properties[list].items.{rule} estimated rule cost exceeds budget by factor of 20.0x {ADVICE}",
        f"{AT}.properties[list].items.{rule} {part}",
        f"{AT}.properties[map].additionalProperties.{rule} {part}",
        f"{AT}: Forbidden: {whole} exceeds budget by factor of 2.0x {ADVICE}",
    ]


@pytest.mark.parametrize(
    ("expression", "factor"),
    [
        (" + ".join(f"self[{index}]" for index in range(8)), "1.101006x"),
        ("string(self[0]) + string(self[1]) + string(self[2])", "more than 100x"),
    ],
)
def test_a_message_that_costs_too_much_is_told_at_its_expression(expression, factor):
    rule = {"rule": "true", "messageExpression": expression}
    schema = root(f=of("array", items=of("string"), **{"x-kubernetes-validations": [rule]}))
    at = f"{AT}.properties[f].x-kubernetes-validations[0].messageExpression"
    assert told(schema)[0] == (
        f"{at}: Forbidden: estimated messageExpression cost exceeds budget by factor of {factor} {ADVICE}"
    )


def test_what_an_update_leaves_as_it_is_may_stay_above_the_limit_of_one_expression_but_not_of_all():
    dear = of("array", "self.all(x, self.all(y, x == y))", maxItems=3000, items=of("integer"))
    assert len(told(root(a=dear))) == 1
    assert told(root(a=dear), unchanged=True) == []
    many = root(a=dear, b=dear, c=dear, d=dear)
    assert any("for entire OpenAPIv3 schema" in text for text in told(many, unchanged=True))


def test_a_rule_runs_as_often_as_the_lists_and_maps_around_it_may_hold_its_value():
    inner = of("string", "self != 'a'", maxLength=10)
    assert costs(root(a=inner)) == [2]
    assert costs(root(a=of("array", maxItems=7, items=inner))) == [14]
    assert costs(root(a=of("array", maxItems=7, items=of("object", maxProperties=3, additionalProperties=inner)))) == [
        42
    ]
    # without a bound: as often as it fits into the largest request
    assert costs(root(a=of("array", items=inner))) == [2 * (3 * 1024 * 1024 // 3)]
    assert costs(root(a=of("array", maxItems=7, items=of("array", items=inner)))) == [2 * (3 * 1024 * 1024 // 3)]


def test_what_must_be_there_makes_a_value_larger_and_rarer():
    def runs(**more: object) -> int:
        item = of("object", "true || self.name == ''", properties={"name": of("string", maxLength=1)}, **more)
        return costs(root(a=of("array", items=item)))[0]

    assert runs() == runs(required=["other"]) > runs(required=["name"])


def test_a_field_is_found_by_its_escaped_name():
    names = {"x-y": 3, "namespace": 5, "a__b": 7, "p/q.r": 9}
    properties = {name: of("string", maxLength=most) for name, most in names.items()}
    escaped = {"x__dash__y": 3, "__namespace__": 5, "a__underscores__b": 7, "p__slash__q__dot__r": 9}
    for name, most in escaped.items():
        schema = root(a={**of("object", f"self.{name}.contains('{'x' * 10}')"), "properties": properties})
        assert costs(schema) == [2 + -(-most * 4 // 10)]


def test_a_rule_of_a_whole_object_may_read_its_name():
    largest = -(-(3 * 1024 * 1024 - 2) // 10)
    rule = "self.metadata.name.contains('x')"
    assert costs({**of("object", rule)}) == [3 + largest]
    embedded = of("object", rule, **{"x-kubernetes-embedded-resource": True})
    assert costs(root(template=embedded)) == [3 + largest]


def test_an_old_value_that_may_be_absent_costs_nothing_more():
    rule = {"rule": "!oldSelf.hasValue() || self == oldSelf.value()", "optionalOldSelf": True}
    assert costs(root(a={"type": "string", "maxLength": 25, "x-kubernetes-validations": [rule]})) == [16]


def test_a_rule_that_cannot_be_compiled_and_a_value_that_cel_does_not_see_have_no_cost():
    free = {"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [{"rule": "true"}]}
    assert costs(root(a=of("string", "self.unheard('x')", "format.named('x').hasValue()"), b=free)) == []


def test_an_extended_path_is_overwritten_where_cel_go_shares_its_memory():
    """self.spec.a.b.all(x, x.c.all(y, x.d == '' && y == y)): the size of y is that of an item of x.d."""

    def schema(most_c: int, most_d: int) -> dict:
        texts = {name: of("string", maxLength=most) for name, most in (("long", most_c), ("short", most_d))}
        item = of(
            "object",
            properties={
                "c": of("array", maxItems=1, items=texts["long"]),
                "d": of("array", maxItems=1, items=texts["short"]),
            },
        )
        rule = "self.spec.a.b.all(x, x.c.all(y, x.d == [] || y == y))"
        lists = of("object", properties={"b": of("array", maxItems=1, items=item)})
        return {**of("object", rule), "properties": {"spec": of("object", properties={"a": lists})}}

    assert costs(schema(1000, 10)) == costs(schema(10, 10))
    assert costs(schema(10, 1000)) > costs(schema(10, 10))


def test_a_definition_with_a_schema_that_is_wrong_is_not_estimated():
    dear = of("array", "self.all(x, self.all(y, self.all(z, true)))", items=of("integer"))
    schema = root(a=dear)
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "doors", "singular": "door", "kind": "Door", "listKind": "DoorList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"metadata": {"name": "doors.example.com"}, "spec": spec}
    assert [error.reason for error in definition(body, None)] == ["FieldValueForbidden"] * 3
    schema["properties"]["b"] = {}
    assert [str(error) for error in definition(body, None)] == [
        f"{AT}.properties[b].type: Required value: must not be empty for specified object fields"
    ]
