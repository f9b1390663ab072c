"""Templates and what Helm 3.17 made of them, recorded: what they give, or what is said of them, word by word."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.helm_oracle import BATCH, DATA, differences, needs_helm, our_answer

RECORDED = json.loads((DATA / "expressions.json").read_text())
VALUES = (DATA / "expressions-values.yaml").read_text()


Case = dict[str, Any]


def hundreds(answer: str) -> list[Any]:
    """The cases that have this answer; by the hundred, as a test of its own takes longer than what it tests."""
    cases = [case for case in RECORDED if answer in case]
    return [pytest.param(cases[at : at + 100], id=f"{at}-{at + 99}") for at in range(0, len(cases), 100)]


def otherwise(cases: list[Case], answer_of: Callable[[Case], Any]) -> list[Any]:
    """Each template that has another answer here, with that and the recorded one."""
    answers = [(case["template"], our_answer(case["template"], VALUES), answer_of(case)) for case in cases]
    return [answer for answer in answers if answer[1] != answer[2]]


@pytest.mark.parametrize("cases", hundreds("gives"))
def test_a_template_gives_what_helm_gives(cases: list[Case]) -> None:
    assert otherwise(cases, lambda case: (case["gives"], None)) == []


@pytest.mark.parametrize("cases", hundreds("fails"))
def test_a_template_fails_as_helm_fails(cases: list[Case]) -> None:
    assert otherwise(cases, lambda case: (None, case["fails"])) == []


@needs_helm
def test_what_is_recorded_is_what_helm_says() -> None:
    assert differences([case["template"] for case in RECORDED if "gives" in case][:BATCH], VALUES) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@needs_helm
def test_all_that_is_recorded_is_what_helm_says() -> None:
    assert differences([case["template"] for case in RECORDED], VALUES) == []
