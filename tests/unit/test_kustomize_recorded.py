"""Builds recorded from `kubectl kustomize`, and random ones compared with it where it is installed."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from gitops.adapters.folder import folder_tree
from gitops.manifests.errors import GitopsError
from gitops.manifests.yaml_write import write_manifests
from gitops.model.revision import Tree
from renderers.kustomize.loader import RemoteNeeded
from renderers.kustomize.render import render_bodies
from renderers.result import Context
from tests.soak import IS_SHARE, examples
from tests.unit.kustomize_grammar import Files, projects

ARCHIVE = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "kustomize" / "cases.tar.xz"
KUBECTL = shutil.which("kubectl")
needs_cases = pytest.mark.skipif(not ARCHIVE.exists(), reason="the recorded builds are not beside the repository")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

Case = tuple[str, Path, list[str], Path | None]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="fully_trusted")
    return folder


def distilled(root: Path) -> Iterator[Case]:
    for case in json.loads((root / "distilled/cases.json").read_text()):
        folder = root / "distilled" / case["id"]
        expected = folder / "expected.yaml" if case["output"] else None
        yield case["id"], folder / "input" / case["dir"], case["flags"], expected


def real(root: Path) -> Iterator[Case]:
    for case in json.loads((root / "real/cases.json").read_text()):
        expected = root / "real/expected" / case["expected"] if "expected" in case else None
        yield case["id"], root / "real/tree" / case["id"], case["flags"], expected


def built(tree: Tree, path: str, flags: list[str]) -> bytes | None:
    """What comes out, None for an error; any other exception than ours fails the test."""
    restrictor = "none" if "LoadRestrictionsNone" in flags else "root"
    try:
        return write_manifests(render_bodies(tree, path, Context(load_restrictor=restrictor))).encode()  # type: ignore[arg-type]
    except (GitopsError, RemoteNeeded):
        return None


def wrong(cases: Iterator[Case]) -> list[str]:
    return [
        name
        for name, directory, flags, expected in cases
        if built(*folder_tree(directory), flags) != (expected.read_bytes() if expected else None)
    ]


@needs_cases
def test_every_distilled_build_is_equal_to_the_byte(recorded: Path) -> None:
    assert wrong(distilled(recorded)) == []


@needs_cases
def test_real_builds_are_equal_to_the_byte(recorded: Path) -> None:
    assert wrong(case for number, case in enumerate(real(recorded)) if number % 6 == 0) == []


def hashes_a_changed_kind(files: Files) -> bool:
    """Whether a generated object may get another kind, whose hash is refused here (Kustomize hashes its own memory)."""
    text = "".join(files.values())
    return '"allowKindChange": true' in text and 'Generator"' in text


def agrees(files: Files, folder: Path) -> None:
    assume(not hashes_a_changed_kind(files))
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", str(folder / "overlay")], capture_output=True, check=False, timeout=60)
    expected = done.stdout if done.returncode == 0 else None
    assert built(Tree.of_files(files), "overlay", []) == expected


_FAST = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@needs_kubectl
@_FAST
@given(files=projects())
def test_random_builds_agree_with_kubectl(files: Files, tmp_path_factory: pytest.TempPathFactory) -> None:
    agrees(files, tmp_path_factory.getbasetemp() / "random")


@pytest.mark.soak
@pytest.mark.timeout(7200)
@needs_kubectl
@settings(_FAST, max_examples=examples(20_000), derandomize=IS_SHARE)
@given(files=projects())
def test_twenty_thousand_random_builds_agree_with_kubectl(
    files: Files, tmp_path_factory: pytest.TempPathFactory
) -> None:
    agrees(files, tmp_path_factory.getbasetemp() / "many")
