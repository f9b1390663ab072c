"""`gitops render`: which of its options go together."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gitops.cli.main import main

APPLICATION = """apiVersion: gitops.dev/v1alpha1
kind: Application
metadata: {name: shop, namespace: gitops}
spec: {source: {repoURL: REPOSITORY, path: k8s}, destination: {namespace: shop}}
"""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-f", "app.yaml", "-f", "app.yaml"], "-f: name one file that holds an Application"),
        (["-f", "app.yaml", "--kustomize-version", "5.8"], "--kustomize-version is for a PATH"),
        (["-f", "app.yaml", "--set", "a=1"], "--set is for the PATH of a Helm chart; an Application says it"),
        (["k8s", "--set", "a=1"], "--set is for the PATH of a Helm chart"),
        (["chart", "--set", "a=1", "--revision", "HEAD"], "--set is for the PATH of a Helm chart"),
        (["chart", "--version", "1.0.0"], "--version is for a chart of a repository: name that with --repo URL"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.yaml").write_text(APPLICATION)
    Path("k8s").mkdir()
    Path("k8s/a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    Path("chart").mkdir()
    Path("chart/Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    done = CliRunner().invoke(main, ["render", *words])
    assert (done.exit_code, done.stdout, why in done.stderr) == (2, "", True), done.stderr


def test_a_chart_that_draws_by_chance_is_warned_of_and_another_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("templates").mkdir()
    Path("Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {drawn: %s}\n"
    for value, warned in (("{{ randAlphaNum 8 }}", True), ("same", False)):
        Path("templates/a.yaml").write_text(body % value)
        done = CliRunner().invoke(main, ["render", "."])
        assert (done.exit_code, "Warning: randAlphaNum made this another" in done.stderr) == (0, warned), done.stderr
