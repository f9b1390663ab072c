"""`gitops import flux --out`: every Application is a file of its own, or nothing is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gitops.cli.main import main

OBJECTS = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: repo, namespace: flux-system}
spec: {interval: 1m, url: "https://git.example.com/fleet", ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {interval: 10m, prune: true, path: ./apps, sourceRef: {kind: GitRepository, name: repo}}
"""


def test_two_clusters_with_an_application_of_one_name_are_not_written_over_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for cluster in ("east", "west"):
        Path("clusters", cluster).mkdir(parents=True)
        Path("clusters", cluster, "all.yaml").write_text(OBJECTS)
    done = CliRunner().invoke(main, ["import", "flux", "clusters", "--out", "made"])
    assert done.exit_code == 2
    assert "east/all.yaml" in done.stderr, done.output
    assert "west/all.yaml" in done.stderr
    assert "would both be it" in done.stderr
    assert not Path("made").exists()
    assert CliRunner().invoke(main, ["import", "flux", "clusters/east", "--out", "made"]).exit_code == 0
    assert Path("made/flux-system/apps.yaml").exists()
