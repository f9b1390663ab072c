"""Scalars through a build: blocks that are printed and read once, and random ones compared with the venv's kubectl."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitops.manifests.errors import GitopsError
from gitops.manifests.yaml_write import write_manifests
from gitops.model.revision import Tree
from renderers.kustomize.render import render_bodies
from renderers.result import Context
from tests.soak import examples
from tests.unit.kustomize_scalars import Files, Scalars, build_of

_BESIDE = Path(sys.executable).parent / "kubectl"
KUBECTL = str(_BESIDE) if _BESIDE.exists() else shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

HEAD = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: a\n"


def build(files: Files) -> list[dict]:
    return render_bodies(Tree.of_files(files), "", Context())


def spec_of(resource: str, **more: str) -> dict:
    (body,) = build({"r.yaml": HEAD + resource, "kustomization.yaml": "resources: [r.yaml]\n" + "".join(more.values())})
    return body["spec"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (">\n    x\n      y\n    z\n", "x\n\n  y\nz\n"),
        (">\n    x\n\n    y\n", "x\ny\n"),
        (">-\n    x\n\n     y\n", "x\n\n\n y"),
        (">+\n    x\n\n\n", "x\n\n\n\n"),
        # Once a text begins with a space no break is doubled any more.
        (">1\n     x\n   y\n\n   z\n", "  x\ny z\n"),
        (">\n    x \n      y\n", "x \n  y\n"),
        ("|\n    x\n      y\n", "x\n  y\n"),
        ('"x\\n  y\\n"\n', "x\n  y\n"),
    ],
)
def test_a_folded_block_is_as_kustomize_reads_it_after_it_has_printed_it(written: str, read: str) -> None:
    assert spec_of(f"spec:\n  a: {written}")["a"] == read


def test_a_folded_block_is_printed_and_read_but_once() -> None:
    patch = 'patches:\n- patch: \'[{"op": "add", "path": "/spec/b", "value": "c"}]\'\n  target: {kind: Thing}\n'
    assert spec_of("spec:\n  a: >\n    x\n      y\n", patch=patch) == {"a": "x\n\n  y\n", "b": "c"}


def test_a_folded_value_of_a_json_patch_is_taken_as_it_was_read() -> None:
    patch = (
        "patches:\n- patch: |\n    - op: add\n      path: /spec/a\n      value: >\n        x\n          y\n        z\n"
    )
    assert spec_of("spec: {}\n", patch=patch + "  target: {kind: Thing}\n")["a"] == "x\n  y\nz"


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_json_patch_ends_as_its_file_does(end: str) -> None:
    files = {
        "r.yaml": HEAD + "spec: {}\n",
        "p.yaml": "- op: add\n  path: /spec/a\n  value: |\n    x\n    y" + end,
        "kustomization.yaml": "resources: [r.yaml]\npatches:\n- path: p.yaml\n  target: {kind: Thing}\n",
    }
    assert build(files)[0]["spec"]["a"] == "x\ny" + end


def test_a_block_that_begins_with_a_tab_is_refused_where_it_could_not_be_read_again() -> None:
    with pytest.raises(GitopsError, match="begins with a tab, which cannot be read back"):
        spec_of("spec:\n  a: |1\n   \tx\n   y\n")
    assert spec_of('spec:\n  a: "\\tx\\ny"\n')["a"] == "\tx\ny"
    operation = '[{"op": "add", "path": "/spec/a", "value": "\\tx\\ny"}]'
    with pytest.raises(GitopsError, match="begins with a tab, which cannot be read back"):
        spec_of("spec: {}\n", patch=f"patches:\n- patch: '{operation}'\n  target: {{kind: Thing}}\n")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\ufeffa b", '"\\uFEFF\\x61\\x20\\x62"'),
        ("a \u2028", '"a \\L"'),
        ("\u2028 ", '"\\L "'),
        ("x\u2028", "'x\u2028'"),
    ],
)
def test_odd_characters_are_written_as_go_yaml_writes_them(text: str, written: str) -> None:
    assert write_manifests([{"a": text}]) == f"a: {written}\n"


def test_a_next_line_character_is_folded_by_the_last_reading() -> None:
    assert spec_of('spec:\n  a: "x \\N\\N y"\n  b: "x\\N"\n') == {"a": "x\ny", "b": "x "}


# --- against kubectl ----------------------------------------------------------------------------------------------


def outcomes(files: Files, folder: Path) -> tuple[str | None, str | None]:
    """What kubectl prints and what we do; None for an error."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", str(folder)], capture_output=True, check=False, timeout=120)
    try:
        ours = write_manifests(build(files))
    except GitopsError:
        ours = None
    return (done.stdout.decode() if done.returncode == 0 else None), ours


def differing(units: list[tuple[Files, dict[str, str]]], folder: Path) -> list[Files]:
    """The builds that differ, one unit each; one that is refused is looked for by halves."""
    wanted, ours = outcomes(build_of(units), folder)
    if wanted == ours and wanted is not None:
        return []
    if len(units) == 1:
        return [] if wanted == ours else [build_of(units)]
    middle = len(units) // 2
    return [*differing(units[:middle], folder), *differing(units[middle:], folder)]


def compare(count: int, seed: int, folder: Path) -> None:
    """Eight scalars to a plain object, two or three to one that is changed."""
    scalars, number = Scalars(seed), 0
    while number * 5 < count:
        size = min(300, max(1, count // 5 - number))
        units = [
            scalars.changed(each) if each % 2 else ({f"r{each}.yaml": scalars.thing(f"n{each}")}, {})
            for each in range(size)
        ]
        assert differing(units, folder) == []
        number += size


@needs_kubectl
def test_random_scalars_agree_with_kubectl(tmp_path: Path) -> None:
    compare(1500, 1, tmp_path / "build")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@needs_kubectl
def test_fifty_thousand_random_scalars_agree_with_kubectl(tmp_path: Path) -> None:
    compare(examples(50_000), 2, tmp_path / "build")
