"""`helmCharts` of a kustomization: what kubectl 1.37 (Kustomize 5.8.1) with helm 3.17.2 made of them, recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.application import KustomizeOptions, SourceSpec
from gitops.model.revision import Tree
from renderers.registry import render
from renderers.result import Context, Needs, Remote, Rendered

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "helm" / "kustomize-charts.json").read_text())
CHARTS = "helmCharts: [{name: far, releaseName: rel, version: 1.x, repo: 'https://charts.example.com/'}]"


def built(kustomizations: dict[str, str], context: Context | None = None) -> Rendered | Needs:
    named = {f"{folder}kustomization.yaml": text for folder, text in kustomizations.items()}
    return render(Tree.of_files({**RECORDED["files"], **named}), SourceSpec(), context or Context(enable_helm=True))


@pytest.mark.parametrize("case", RECORDED["builds"], ids=lambda case: case["kustomizations"][""][:60])
def test_a_build_with_charts_is_what_kubectl_prints(case: dict[str, Any]) -> None:
    answer = built(case["kustomizations"])
    assert isinstance(answer, Rendered)
    assert answer.text == case["gives"]


@pytest.mark.parametrize("kustomization", RECORDED["fails"])
def test_a_build_that_fails_in_kubectl_fails_here(kustomization: str) -> None:
    with pytest.raises(GitopsError, match="helmCharts"):
        built({"": kustomization})


def test_charts_are_rendered_only_where_that_is_allowed() -> None:
    charts = {"": RECORDED["builds"][0]["kustomizations"][""]}
    with pytest.raises(GitopsError, match="only where Helm is enabled"):
        built(charts, Context())
    tree = Tree.of_files({**RECORDED["files"], "kustomization.yaml": charts[""]})
    assert render(tree, SourceSpec(kustomize=KustomizeOptions(enableHelm=True)), Context())


def test_a_chart_of_a_repository_is_asked_for_and_named_in_its_origin() -> None:
    remote = Remote("https://charts.example.com", "1.x", "chart", "far")
    assert built({"": CHARTS}) == Needs((remote,))
    far = Tree.of_files(
        {
            "Chart.yaml": "apiVersion: v2\nname: far\nversion: 1.2.3\n",
            "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n",
        }
    )
    answer = built({"": CHARTS}, Context(enable_helm=True, remotes={remote: far}))
    assert isinstance(answer, Rendered)
    assert [(one.key.name, one.origin.path) for one in answer.manifests] == [("far", "far/templates/a.yaml")]
