"""Charts of public repositories and what `helm template rel CHART` of Helm 3.17 printed of them, recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitops.adapters.folder import folder_tree
from gitops.manifests.errors import GitopsError
from gitops.model.helm_options import HelmOptions
from gitops.model.revision import Tree
from renderers.helm.chart_load import read_values
from renderers.helm.render import render_output
from renderers.result import Context

DATA = Path(__file__).parent.parent / "data" / "helm"
CASES = json.loads((DATA / "charts.json").read_text())


def printed(case: dict[str, Any]) -> bytes:
    folder = DATA / "charts" / case["chart"]
    tree, path = folder_tree(folder)
    values = read_values((folder / case["values"]).read_bytes(), case["values"]) if "values" in case else {}
    output = render_output(tree, path, HelmOptions(releaseName="rel", skipCRDs=True), Context(), values)
    return output.text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("case", [case for case in CASES if "expected" in case], ids=lambda case: case["expected"])
def test_a_chart_renders_as_helm_renders_it(case: dict[str, Any]) -> None:
    assert printed(case) == (DATA / "expected" / case["expected"]).read_bytes()


@pytest.mark.parametrize("case", [case for case in CASES if "expected" not in case], ids=lambda case: case["chart"])
def test_a_chart_that_helm_refuses_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(GitopsError):
        printed(case)


def lines_of(files: dict[str, str]) -> list[str]:
    """What the template `a.yaml` of chart `c` prints."""
    output = render_output(
        Tree.of_files({f"c/{name}": text for name, text in files.items()}), "c", HelmOptions(), Context()
    )
    return output.text.strip().split("\n")[2:]


def test_a_file_of_a_chart_is_bytes_to_a_template() -> None:
    template = '{{ range $name, $data := .Files }}a: is {{ $data }} {{ printf "%s %v" $data $data }}{{ end }}'
    files = {"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "b.txt": "hi", "templates/a.yaml": template}
    assert lines_of(files) == ["a: is [104 105] hi [104 105]"]


def test_a_template_sees_the_dependencies_that_are_left() -> None:
    chart = "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n" + "".join(
        f"- {{name: d, version: 1.0.0, alias: {alias}, condition: {alias}.enabled, tags: [a, b]}}\n"
        for alias in ("one", "two")
    )
    shown = "{{ .Name }} {{ .Alias }} {{ .Tags }} {{ .Condition }}"
    files = {
        "Chart.yaml": chart,
        "values.yaml": "one: {enabled: false}\n",
        "charts/d/Chart.yaml": "apiVersion: v2\nname: d\nversion: 1.0.0\n",
        "templates/a.yaml": "{{ range .Chart.Dependencies }}a: " + shown + "{{ end }}",
    }
    assert lines_of(files) == ["a: d two [a b] two.enabled"]


@pytest.mark.parametrize(
    ("written", "text"),
    [("10000000", "10000000"), ("1.10", "1.1"), ("1e21", "1e+21"), ("true", "true"), ('"1.10"', "1.10")],
)
def test_a_number_where_a_chart_has_to_have_text_is_what_go_makes_of_it(written: str, text: str) -> None:
    chart = f"apiVersion: v2\nname: c\nversion: 1.0.0\nappVersion: {written}\n"
    tree = Tree.of_files({"c/Chart.yaml": chart, "c/templates/a.yaml": "a: {{ .Chart.AppVersion | quote }}"})
    assert render_output(tree, "c", HelmOptions(), Context()).text.endswith(f'a: "{text}"\n')
