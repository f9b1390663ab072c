"""Templates and what Helm 3.17 made of them, recorded: what they give, or how they fail."""

import json
from pathlib import Path
from typing import Any

import pytest

from renderers.helm.encoders import from_yaml
from renderers.helm.functions import function_table
from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.state import Budget
from renderers.helm.gotemplate.templates import TemplateSet

DATA = Path(__file__).parent.parent / "data" / "helm"
RECORDED = json.loads((DATA / "expressions.json").read_text())
VALUES = (DATA / "expressions-values.yaml").read_text()


def given_by(template: str) -> str:
    found = TemplateSet(function_table())
    found.add("x", template)
    text = found.execute("x", {"Values": from_yaml(VALUES)}, Budget())
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@pytest.mark.parametrize("case", [case for case in RECORDED if "gives" in case], ids=lambda case: case["template"][:60])
def test_a_template_gives_what_helm_gives(case: dict[str, Any]) -> None:
    assert given_by(case["template"]).replace("<no value>", "") == case["gives"].replace("<no value>", "")


@pytest.mark.parametrize("case", [case for case in RECORDED if "fails" in case], ids=lambda case: case["template"][:60])
def test_a_template_fails_as_helm_fails(case: dict[str, Any]) -> None:
    with pytest.raises(TemplateError) as caught:
        given_by(case["template"])
    said = case["fails"].rpartition("): ")[2] if case["fails"].startswith("Error: ") else case["fails"]
    assert said in str(caught.value)  # "" where only that it fails is kept to
