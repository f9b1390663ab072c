"""A thousand objects: first apply, re-sync unchanged, diff; as whole processes against kubectl on the same server.

kubectl has two diffs: the one that people type, which merges by itself, and `--server-side`, which does less.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gitops.manifests.yaml_write import write_manifests
from gitops.sandbox.server import SandboxThread
from tests.scenarios.world import config_map, deployment

OBJECTS = 1000
GOALS = {
    "apply --server-side": ("first apply", 2.0),
    "apply --server-side, unchanged": ("unchanged", 20.0),
    "diff": ("diff", 20.0),
    "diff --server-side": ("diff", 0.0),
}


def run() -> None:
    folder = Path(tempfile.mkdtemp(prefix="gitops-bench-"))
    with SandboxThread(controllers="none") as sandbox:
        (folder / "kubeconfig").write_text(sandbox.kubeconfig())
        environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "GITOPS_STATE": str(folder / "state")}
        (folder / "k8s").mkdir()
        half = OBJECTS // 2
        bodies = [config_map(f"c{n}") for n in range(half)] + [deployment(f"d{n}") for n in range(half)]
        (folder / "k8s/all.yaml").write_text(write_manifests(bodies))
        python = [sys.executable, "-m", "gitops.cli"]
        named = ["./k8s", "--name", "bench", "--namespace", "ours"]

        def timed(command: list[str], codes: tuple[int, ...] = (0,)) -> float:
            began = time.monotonic()
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if done.returncode not in codes:
                raise SystemExit(f"{' '.join(command)}: {done.stderr[-500:]}")
            return time.monotonic() - began

        ours = {
            "first apply": timed([*python, "sync", *named, "--no-wait"]),
            "unchanged": min(timed([*python, "sync", *named, "--no-wait"]) for _ in range(3)),
            "diff": min(timed([*python, "diff", *named]) for _ in range(3)),
        }
        theirs: dict[str, float] = {}
        if shutil.which("kubectl"):
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}}
            (folder / "namespace.yaml").write_text(write_manifests([space]))
            timed(["kubectl", "apply", "-f", "namespace.yaml"])
            kubectl = ["kubectl", "-n", "theirs"]
            apply = [*kubectl, "apply", "--server-side", "-f", "k8s"]
            theirs["apply --server-side"] = timed(apply)
            theirs["apply --server-side, unchanged"] = timed(apply)
            theirs["diff"] = timed([*kubectl, "diff", "-f", "k8s"], (0, 1))
            theirs["diff --server-side"] = timed([*kubectl, "diff", "--server-side", "-f", "k8s"], (0, 1))
    for name, seconds in ours.items():
        print(f"  {name:12} {seconds:6.2f} s")
    for name, seconds in theirs.items():
        what, goal = GOALS[name]
        aim = f" (goal {goal:.0f}x)" if goal else ""
        print(f"  {what} is {seconds / ours[what]:.1f}x faster than kubectl {name}, {seconds:.2f} s{aim}")
    if not theirs:
        print("  kubectl is not installed: nothing to compare with")
    shutil.rmtree(folder)
