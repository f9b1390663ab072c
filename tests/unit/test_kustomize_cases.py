"""Builds that a person can read: a folder of `tests/cases/kustomize` each, with what Kustomize 5.8 makes of it."""

from pathlib import Path

import pytest

from gitops.adapters.folder import folder_tree
from gitops.manifests.yaml_write import write_manifests
from renderers.kustomize.render import render_bodies
from renderers.result import Context

CASES = sorted((Path(__file__).parents[1] / "cases" / "kustomize").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_build_is_what_kustomize_makes_of_it(case: Path) -> None:
    tree, path = folder_tree(str(case / "input"))
    assert write_manifests(render_bodies(tree, path, Context())) == (case / "expected.yaml").read_text()
