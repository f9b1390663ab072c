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
entry._be_quick()
code = entry._render(entry.read_plain_render(["render", sys.argv[1]]))
heavy = {
    "asyncio", "click", "dis", "gitops.model.application", "hashlib", "json", "re2", "renderers.helm.functions_crypto",
    "renderers.helm.go_time", "subprocess", "tarfile", "tempfile", "tomllib", "urllib.request", "uuid", "yaml.reader",
}
loaded = {name for name in heavy & sys.modules.keys() if sys.modules[name].__spec__}
print(code, *sorted(loaded), file=sys.stderr)
"""


def chart(folder: Path, template: str) -> str:
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("a: 1\nb: {c: x}\n")
    (folder / ".helmignore").write_text(".git/\n*.swp\nREADME.md\n")
    (folder / "templates/c.yaml").write_text(template)
    return str(folder)


@pytest.mark.parametrize(
    "options",
    [
        ["--release-name", "r", "-n", "space"],
        ["--release-name=r", "--namespace=space", "--set", "a=2,b.c=y", "--set-string=a=3", "--set-json", "d=[1]"],
        ["-f", "FILE", "--values", "FILE", "--set-file", "d=FILE"],
        ["--kube-version", "1.27", "--api-versions", "a/v1", "--api-versions=b/v1"],
        ["--include-crds", "--skip-tests", "--skip-schema-validation"],
        ["--set", "a=[1"],
        ["--release-name", "A_B"],
        ["--values", "nowhere.yaml"],
        ["--set"],
        ["--release-name", ""],
        ["--include-crds=yes"],
        ["--nope", "x"],
        ["-n=space"],
        ["-nspace"],
        ["--version", "1"],
    ],
)
def test_a_chart_is_rendered_alike_on_both_ways_whatever_is_asked(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "values.yaml").write_text("a: 5\n")
    (tmp_path / "chart").mkdir()
    text = "kind: A\nrelease: {{ toJson .Release }}\nvalues: {{ toJson .Values }}\n"
    text += "has: {{ .Capabilities.APIVersions.Has `a/v1` }}\nversion: {{ .Capabilities.KubeVersion }}\n"
    path = chart(tmp_path / "chart", text)
    given = [word.replace("FILE", str(tmp_path / "values.yaml")) for word in options]
    code, printed, told = run("entry", "render", path, *given)
    assert (code, printed, told) == run("main", "render", path, *given)
    assert (code == 0) == printed.startswith(b"---\n# Source: c/templates/c.yaml\n")


def test_a_plain_chart_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    path = chart(tmp_path, "kind: A\nname: {{ .Values.b.c | quote }}\ncopy: {{ toYaml .Values | nindent 2 }}\n")
    done = subprocess.run([sys.executable, "-c", _LOADED, path], capture_output=True, text=True, check=True)
    assert 'name: "x"\n' in done.stdout
    assert done.stderr == "0 json\n"  # templates read and write JSON


def test_a_plain_render_loads_nothing_that_it_does_not_use(tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [r.yaml]\nnamePrefix: a-\n")
    (tmp_path / "r.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    done = subprocess.run([sys.executable, "-c", _LOADED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("name: a-c\n")
    assert done.stderr == "0\n"


_AT_ONCE = """
import sys, threading
from gitops.cli.entry import _load_later
_load_later("hashlib", "ipaddress")
import hashlib, ipaddress
sys.setswitchinterval(1e-6)
together, wrong = threading.Barrier(8), []
def use():
    together.wait()
    try:
        hashlib.sha256(b""), ipaddress.ip_address("::1")
    except BaseException as error:
        wrong.append(repr(error))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(wrong)
"""


def test_what_is_loaded_later_may_be_used_by_many_threads_at_once():
    done = subprocess.run([sys.executable, "-c", _AT_ONCE], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_loaded_later_is_there_once_it_is_used():
    text = "from gitops.cli.entry import _load_later as later; later('inspect'); import inspect; inspect.signature(len)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
