"""Templates and what Helm 3.17 made of them, recorded: what they give, or what is said of them, word by word."""

import json
from typing import Any

import pytest

from tests.unit.helm_oracle import BATCH, DATA, differences, needs_helm, our_answer

RECORDED = json.loads((DATA / "expressions.json").read_text())
VALUES = (DATA / "expressions-values.yaml").read_text()


def named(case: dict[str, Any]) -> str:
    return str(case["template"][:60])


@pytest.mark.parametrize("case", [case for case in RECORDED if "gives" in case], ids=named)
def test_a_template_gives_what_helm_gives(case: dict[str, Any]) -> None:
    assert our_answer(case["template"], VALUES) == (case["gives"], None)


@pytest.mark.parametrize("case", [case for case in RECORDED if "fails" in case], ids=named)
def test_a_template_fails_as_helm_fails(case: dict[str, Any]) -> None:
    assert our_answer(case["template"], VALUES) == (None, case["fails"])


@needs_helm
def test_what_is_recorded_is_what_helm_says() -> None:
    assert differences([case["template"] for case in RECORDED if "gives" in case][:BATCH], VALUES) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@needs_helm
def test_all_that_is_recorded_is_what_helm_says() -> None:
    assert differences([case["template"] for case in RECORDED], VALUES) == []
