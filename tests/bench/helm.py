"""Charts against `helm template` in the same run: whole processes, one warm process, one changed line of values.

The charts are sampled from the recorded ones beside the repository; without those, or without `helm` (on the PATH, or
where HELM says), there is nothing to compare with.
"""

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from gitops.adapters.folder import folder_tree
from gitops.model.helm_options import HelmOptions
from gitops.model.revision import Tree
from renderers.helm.render import render_output
from renderers.result import Context

ARCHIVE = Path(__file__).resolve().parents[3] / "shared/conformance/helm/cases.tar.xz"
CHARTS = 100
GITOPS = [str(Path(sys.executable).with_name("gitops")), "render", "--release-name", "rel"]


class Case(NamedTuple):
    """A chart, and the file of values that it is rendered with, if any."""

    chart: Path
    values: Path | None

    def command(self, start: list[str]) -> list[str]:
        return [*start, str(self.chart), *(["--values", str(self.values)] if self.values else [])]


def run() -> None:
    helm = os.environ.get("HELM") or shutil.which("helm")
    if helm is None or not ARCHIVE.exists():
        print("  skipped: needs helm and the recorded charts beside the repository")
        return
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="fully_trusted")
        cases = _cases(Path(folder))
        theirs = _whole(cases, [helm, "template", "rel"])
        ours = _whole(cases, GITOPS)
        print(f"  whole processes  {ours:6.2f} s, helm {theirs:6.2f} s: {ours / theirs:.2f}x (goal 1.0x)")
        first, again = _warm(cases)
        warm = sum(again)
        print(f"  one warm process {warm:6.2f} s: {theirs / warm:.1f}x faster than helm (goal 10x)")
        print(
            f"  the median chart: {statistics.median(first) * 1000:.1f} ms at first, "
            f"{statistics.median(again) * 1000:.1f} ms after one line of values changed (goal 20 ms)"
        )


def _cases(root: Path) -> list[Case]:
    charts = json.loads((root / "cases.json").read_text())
    found = [
        Case(
            root / "charts" / chart["id"],
            None if case["case"] == "default" else root / "charts" / chart["id"] / case["case"],
        )
        for chart in charts
        for case in chart["cases"]
        if "expected" in case
    ]
    return found[:: len(found) // CHARTS][:CHARTS]


def _whole(cases: list[Case], start: list[str]) -> float:
    began = time.perf_counter()
    for case in cases:
        subprocess.run(case.command(start), capture_output=True, check=True)
    return time.perf_counter() - began


def _warm(cases: list[Case]) -> tuple[list[float], list[float]]:
    """Seconds for each chart: at first, and with another value of `global`, which every chart allows."""
    first, again = [], []
    for case in cases:
        tree, path = folder_tree(case.chart)
        first.append(_rendered(tree, path, case, "first"))
        again.append(min(_rendered(tree, path, case, f"{number}") for number in range(3)))
        gc.collect()
    return first, again


def _rendered(tree: Tree, path: str, case: Case, changed: str) -> float:
    files = (str(case.values.relative_to(case.chart)),) if case.values else ()
    options = HelmOptions(releaseName="rel", skipCRDs=True, skipSchemaValidation=True, valueFiles=files)
    began = time.perf_counter()
    render_output(tree, path, options, Context(), {"global": {"changed": changed}})
    return time.perf_counter() - began
