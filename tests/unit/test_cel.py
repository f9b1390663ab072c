"""CEL as Kubernetes writes it."""

import pytest

from gitops.manifests.cel import CelError, evaluate


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
