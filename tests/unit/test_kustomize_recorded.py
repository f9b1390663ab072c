"""Builds recorded from `kubectl kustomize`, and random ones compared with it where it is installed.

What was recorded is of Kustomize 5.5; the kubectl beside our Python has 5.8, another one on the machine may have 5.5.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from gitops.adapters.folder import folder_tree
from gitops.manifests.errors import GitopsError
from gitops.manifests.yaml_write import write_manifests
from gitops.model.revision import Tree
from renderers.kustomize.loader import Needed
from renderers.kustomize.render import render_bodies
from renderers.result import Context
from tests.soak import IS_SHARE, at_leisure, examples
from tests.unit.kustomize_grammar import Files, projects

ARCHIVE = Path(__file__).resolve().parents[1] / "data" / "recorded" / "kustomize" / "cases.tar.xz"
BESIDE = Path(sys.executable).parent / "kubectl"
KUBECTLS = {"5.5": shutil.which("kubectl", path="/usr/local/bin:/usr/bin:/bin"), "5.8": str(BESIDE)}

Version = Literal["5.5", "5.8"]
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


def built(tree: Tree, path: str, flags: list[str], version: Version = "5.5") -> bytes | None:
    """What comes out, None for an error; any other exception than ours fails the test."""
    restrictor: Literal["none", "root"] = "none" if "LoadRestrictionsNone" in flags else "root"
    context = Context(load_restrictor=restrictor, kustomize_version=version)
    try:
        return write_manifests(render_bodies(tree, path, context)).encode()
    except (GitopsError, Needed):
        return None


def wrong(cases: Iterator[Case]) -> list[str]:
    return [
        name
        for name, directory, flags, expected in cases
        if built(*folder_tree(directory), flags) != (expected.read_bytes() if expected else None)
    ]


def test_every_distilled_build_is_equal_to_the_byte(recorded: Path) -> None:
    assert wrong(distilled(recorded)) == []


def test_real_builds_are_equal_to_the_byte(recorded: Path) -> None:
    assert wrong(case for number, case in enumerate(real(recorded)) if number % 6 == 0) == []


def hashes_a_changed_kind(files: Files) -> bool:
    """Whether a generated object may get another kind, whose hash is refused here (Kustomize hashes its own memory)."""
    text = "".join(files.values())
    return '"allowKindChange": true' in text and 'Generator"' in text


@lru_cache
def kubectl_of(version: Version) -> str:
    """A kubectl with this Kustomize; the test is skipped where there is none."""
    found = KUBECTLS[version]
    if found is None or not Path(found).exists():
        pytest.skip(f"no kubectl with Kustomize {version} is installed")
    if (
        version
        not in subprocess.run([found, "version", "--client"], capture_output=True, text=True, check=False).stdout
    ):
        pytest.skip(f"{found} has another Kustomize than {version}")
    return found


def agrees(files: Files, folder: Path, version: Version) -> None:
    kubectl = kubectl_of(version)
    assume(not hashes_a_changed_kind(files))
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    done = subprocess.run([kubectl, "kustomize", str(folder / "overlay")], capture_output=True, check=False, timeout=60)
    expected = done.stdout if done.returncode == 0 else None
    assert built(Tree.of_files(files), "overlay", [], version) == expected


_FAST = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("version", at_leisure(["5.8", "5.5"]))
@_FAST
@given(files=projects())
def test_random_builds_agree_with_kubectl(
    files: Files, version: Version, tmp_path_factory: pytest.TempPathFactory
) -> None:
    agrees(files, tmp_path_factory.getbasetemp() / f"random-{version}", version)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("version", ["5.5", "5.8"])
@settings(_FAST, max_examples=examples(10_000), derandomize=IS_SHARE)
@given(files=projects())
def test_ten_thousand_random_builds_agree_with_kubectl(
    files: Files, version: Version, tmp_path_factory: pytest.TempPathFactory
) -> None:
    agrees(files, tmp_path_factory.getbasetemp() / f"many-{version}", version)
