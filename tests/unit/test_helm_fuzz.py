"""Templates out of a grammar, rendered by us and by the real Helm: the same text, or the same words of refusal."""

import pytest

from tests.soak import examples
from tests.unit.helm_grammar import Grammar
from tests.unit.helm_oracle import differences, needs_helm

AT_ONCE = 250


def compare(count: int, first_seed: int) -> None:
    """Each seed makes one values.yaml and the templates that are rendered with it."""
    for seed in range(first_seed, first_seed + -(-count // AT_ONCE)):
        grammar = Grammar(seed)
        values = grammar.values()
        found = differences([grammar.template() for _ in range(AT_ONCE)], values)
        assert found == [], f"seed {seed}, values {values!r}"


@needs_helm
def test_random_templates_render_as_helm_renders_them() -> None:
    compare(AT_ONCE, 1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@needs_helm
def test_twenty_thousand_random_templates_render_as_helm_renders_them() -> None:
    compare(examples(20_000), 1000)
