"""Files of values by their names and by globs: in the order of their names, and none is left out in silence."""

import json
from typing import Any

import pytest

from gitops.model.errors import RenderError, SourceError
from gitops.model.helm_options import HelmOptions
from gitops.model.revision import Tree
from renderers.helm.render import render_output
from renderers.helm.template import Output
from renderers.result import Context

FILES = {
    "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    "c/templates/x.yaml": "seen: {{ .Values.seen }}\nall: {{ keys .Values | sortAlpha | join `,` }}\n",
    "c/values.yaml": "seen: own\n",
    "c/a.yaml": "seen: a\na: 1\n",
    "c/envs/b.yaml": "seen: b\nb: 1\n",
    "c/envs/c.yml": "seen: c\nc: 1\n",
    "c/envs/deep/d.yaml": "seen: d\nd: 1\n",
    "c/envs/[x].yaml": "seen: x\nx: 1\n",
    "shared/e.yaml": "seen: e\ne: 1\n",
    "$values/envs/f.yaml": "seen: f\nf: 1\n",
}


def text(*names: str, missing: bool = False, **more: Any) -> str:
    options = HelmOptions(valueFiles=names, ignoreMissingValueFiles=missing, **more)
    answer = render_output(Tree.of_files(FILES), "c", options, Context())
    assert isinstance(answer, Output)
    return " ".join(
        line.partition(": ")[2] for line in answer.text.split("\n") if ": " in line and "Source" not in line
    )


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        (("a.yaml",), "a a,seen"),
        (("*.yaml",), "own a,apiVersion,name,seen,version"),
        (("envs/*.yaml",), "b b,seen,x"),
        (("envs/*",), "c b,c,seen,x"),
        (("envs/**/*.yaml",), "d b,d,seen,x"),
        (("envs/*/d.yaml", "a.yaml"), "a a,d,seen"),
        (("envs/[x].yaml",), "x seen,x"),
        (("../shared/?.yaml",), "e e,seen"),
        (("$values/envs/*.yaml",), "f f,seen"),
    ],
)
def test_a_glob_gives_its_files_in_order(names: tuple[str, ...], seen: str) -> None:
    assert text(*names) == seen


@pytest.mark.parametrize("name", ["none.yaml", "none/*.yaml", "envs/*.json", "$values/*/g.yaml"])
def test_what_is_missing_is_named_unless_it_may_be(name: str) -> None:
    assert text(name, missing=True) == "own seen"
    with pytest.raises((SourceError, RenderError), match=r"none|json|g\.yaml"):
        text(name)


def test_no_glob_leads_out_of_the_source() -> None:
    with pytest.raises(SourceError, match="leads out of"):
        text("../../*.yaml")


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        ((), "own seen"),
        (("envs/b.yaml",), "b b,seen"),
        (("values.yaml", "envs/b.yaml"), "b b,seen"),
        (("envs/b.yaml", "values.yaml"), "own b,seen"),
        (("none.yaml",), ""),
    ],
)
def test_files_take_the_place_of_the_charts_own_values(names: tuple[str, ...], seen: str) -> None:
    assert text(*names, missing=True, replaceValues=True) == seen


@pytest.mark.parametrize(
    ("own", "given", "seen"),
    [
        ({"b": {"c": 1}}, {"b": "text"}, {"b": "text"}),
        ({"b": "text"}, {"b": {"c": 1}}, {"b": {"c": 1}}),
        ({"b": {"c": 1, "d": 2}}, {"b": {"c": 3}}, {"b": {"c": 3, "d": 2}}),
        ({"b": {"c": 1}, "d": 2}, {"b": None}, {"d": 2}),
    ],
)
def test_a_value_takes_the_place_of_another_and_a_map_is_laid_over_a_map(
    own: dict[str, Any], given: dict[str, Any], seen: dict[str, Any]
) -> None:
    files = {
        **FILES,
        "c/values.yaml": json.dumps({"a": {"b": own}}),
        "c/templates/x.yaml": "seen: {{ .Values.a.b | toJson }}\n",
    }
    answer = render_output(Tree.of_files(files), "c", HelmOptions(values={"a": {"b": given}}), Context())
    assert isinstance(answer, Output)
    assert json.loads(answer.text.partition("seen: ")[2]) == seen
