"""The installed command's short way to a plain render gives what the long way gives."""

import subprocess
import sys
from pathlib import Path

import pytest

from gitops.cli.entry import PlainRender, read_plain_render


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["render", "dir"], PlainRender("dir", False, False)),
        (["render", "--enable-helm", "dir"], PlainRender("dir", False, True)),
        (["render", "dir", "--load-restrictor", "LoadRestrictionsNone"], PlainRender("dir", True, False)),
        (["render", "--load-restrictor=LoadRestrictionsNone", "dir"], PlainRender("dir", True, False)),
        (["render", "--load-restrictor", "none", "dir"], None),
        (["render", "dir", "-o", "json"], None),
        (["render", "-f", "app.yaml"], None),
        (["render", "a", "b"], None),
        (["render"], None),
        (["-v", "render", "dir"], None),
        (["sync", "dir"], None),
        ([], None),
    ],
)
def test_only_a_plain_render_takes_the_short_way(arguments: list[str], expected: PlainRender | None) -> None:
    assert read_plain_render(arguments) == expected


def run(module: str, *arguments: str) -> tuple[int, bytes, bytes]:
    command = [sys.executable, "-c", f"from gitops.cli.{module} import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("kustomization", ["resources: [c.yaml]\nnamePrefix: a-\n", "resources: [none.yaml]\n", None])
def test_both_ways_print_the_same(tmp_path: Path, kustomization: str | None) -> None:
    (tmp_path / "c.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata: {a: 'é'}\n")
    if kustomization is not None:
        (tmp_path / "kustomization.yaml").write_text(kustomization)
    assert run("entry", "render", str(tmp_path)) == run("main", "render", str(tmp_path))


def test_a_chart_is_printed_as_helm_prints_it_on_both_ways(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 0.1.0\n")
    (tmp_path / "templates/c.yaml").write_text("kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\n")
    code, printed, _ = run("entry", "render", str(tmp_path))
    assert (code, printed) == run("main", "render", str(tmp_path))[:2]
    assert printed.startswith(b"---\n# Source: c/templates/c.yaml\nkind: ConfigMap\n")


_LOADED = """
import os, sys
from gitops.cli import entry
code = entry._render(entry.PlainRender(sys.argv[1], False, False))
heavy = {"asyncio", "dis", "hashlib", "json", "subprocess", "tempfile", "urllib.request", "yaml.reader"}
print(code, *sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


def test_a_plain_render_loads_nothing_that_it_does_not_use(tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [r.yaml]\nnamePrefix: a-\n")
    (tmp_path / "r.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    done = subprocess.run([sys.executable, "-c", _LOADED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("name: a-c\n")
    assert done.stderr == "0\n"


def test_what_is_loaded_later_is_there_once_it_is_used():
    text = "from gitops.cli.entry import _load_later as later; later('inspect'); import inspect; inspect.signature(len)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
