"""Kustomizations against `kubectl kustomize` in the same run: whole processes, one warm process, one changed file.

The builds are sampled from the recorded real ones beside the repository; without those, or without kubectl, there is
nothing to compare with.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gitops.adapters.folder import folder_tree
from gitops.manifests.errors import GitopsError
from gitops.manifests.yaml_write import write_manifests
from gitops.model.revision import Tree
from renderers.kustomize.render import render_bodies
from renderers.result import Context

ARCHIVE = Path(__file__).resolve().parents[1] / "data/recorded/kustomize/cases.tar.xz"
BUILDS = 100
GITOPS = [str(Path(sys.executable).with_name("gitops")), "render"]


def run() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None or not ARCHIVE.exists():
        print("  skipped: needs kubectl and the recorded builds beside the repository")
        return
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="fully_trusted")
        root = Path(folder) / "real"
        cases = [case for case in json.loads((root / "cases.json").read_text()) if "expected" in case]
        cases = cases[:: len(cases) // BUILDS][:BUILDS]
        builds = [(root / "tree" / case["id"], case["flags"]) for case in cases]
        theirs = _seconds(lambda: _whole([kubectl, "kustomize"], builds))
        ours = _seconds(lambda: _whole(GITOPS, builds))
        print(f"  whole processes  {ours:6.2f} s, kubectl {theirs:6.2f} s: {ours / theirs:.2f}x (goal 0.8x)")
        _warm(builds)
        warm = _seconds(lambda: _warm(builds))
        print(f"  one warm process {warm:6.2f} s: {theirs / warm:.1f}x faster than kubectl (goal 10x)")
        _changed(root)


def _whole(command: list[str], builds: list[tuple[Path, list[str]]]) -> None:
    for directory, flags in builds:
        subprocess.run([*command, *flags, str(directory)], capture_output=True, check=False)


def _warm(builds: list[tuple[Path, list[str]]]) -> None:
    for directory, flags in builds:
        tree, path = folder_tree(directory)
        restrictor = "none" if "LoadRestrictionsNone" in flags else "root"
        with contextlib.suppress(GitopsError):
            write_manifests(render_bodies(tree, path, Context(load_restrictor=restrictor)))


def _changed(root: Path) -> None:
    """A build of the largest kustomization, and the same with one file changed."""
    case = max(json.loads((root / "cases.json").read_text()), key=lambda each: len(each.get("features", ())))
    tree, path = folder_tree(root / "tree" / case["id"])
    first = _seconds(lambda: render_bodies(tree, path, Context()))
    files = {name: tree.read(name) for name, digest in tree.reads.items() if digest and len(digest) == 40}
    changed = next(name for name in files if not name.endswith("kustomization.yaml"))
    again = Tree.of_files({**files, changed: files[changed] + b"\n# changed\n"})
    second = _seconds(lambda: render_bodies(again, path, Context()))
    print(
        f"  one of {len(files)} files changed: {second * 1000:.1f} ms, {first * 1000:.1f} ms before; it alone is parsed"
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
