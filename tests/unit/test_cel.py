"""CEL as Kubernetes writes it."""

import pytest

from gitops.manifests.cel import CelError, check_bounded, compiled, evaluate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.size < 10 || self.color == 'blue'", True),
        ("has(self.color) && !has(self.weight)", True),
        ("self.parts.all(part, part.startsWith('a'))", True),
        ("self.parts.isSorted()", True),
        ("[1, 2].sum() == 3 && [1, 2].max() == 2", True),
        ("'abbc'.find('b+') == 'bb' && 'abab'.findAll('ab') == ['ab', 'ab']", True),
        ("isQuantity('1Gi') && !isQuantity('x') && isURL('https://a.example.com/x')", True),
        ("isIP('10.0.0.1') && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.1')", True),
        ("'Ab'.lowerAscii()", "ab"),
        ("self.size + 1", 10),
    ],
)
def test_an_expression_has_its_value(expression, value):
    assert evaluate(expression, {"self": {"size": 9, "color": "blue", "parts": ["a", "ab"]}}) == value


def test_an_expression_that_does_not_compile_says_where():
    with pytest.raises(CelError, match="Syntax error"):
        evaluate("self.(", {"self": {}})


def test_an_expression_that_fails_says_why():
    with pytest.raises(CelError, match="weight"):
        evaluate("self.weight > 1", {"self": {}})


@pytest.mark.parametrize(
    "expression",
    [
        "status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')",
        "status.parents.all(p, p.conditions.exists(c, c.type == 'Accepted' && c.status == 'True'))",
        "has(status.phase) && status.phase in ['Done', 'map of it'] && status.ready + 1 > spec.replicas",
        "status.message.matches('^(done|ready) .+$')",
    ],
)
def test_a_rule_that_only_looks_at_its_object_is_bounded(expression):
    check_bounded(expression)
    compiled(expression, ("metadata", "object", "spec", "status"))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("['x']" + ".map(a, a + a)" * 20 + ".size() > 0", "map can make values of any size"),
        ("['x'].map // a comment\n (a, [a, a]).size() > 0", "map can make"),
        ("'x'" + ".replace('x', 'xxxxxxxxxx')" * 9 + " == ''", "replace can make"),
        ("cel.bind(a, 'x', a) == ''", "bind can make"),
        ("status.a.all(a, (spec.b + spec.b).size() > 0)", r"a \+ in all"),
        ("true" + " && status.a.all(a, a)" * 5, "expected at most 4 of filter, all, exists and exists_one, got 5"),
    ],
)
def test_a_rule_that_can_make_much_of_little_is_refused(expression, reason):
    with pytest.raises(CelError, match=reason):
        check_bounded(expression)
