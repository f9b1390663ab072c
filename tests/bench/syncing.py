"""A thousand objects: first apply, re-sync unchanged, diff; as whole processes against kubectl on the same server."""

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
GOALS = {"first apply": 2.0, "unchanged": 20.0, "diff": 20.0}


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
            apply = ["kubectl", "-n", "theirs", "apply", "--server-side", "-f", "k8s"]
            theirs["first apply"] = timed(apply)
            theirs["unchanged"] = timed(apply)
            theirs["diff"] = timed(["kubectl", "-n", "theirs", "diff", "--server-side", "-f", "k8s"], (0, 1))
    for name, seconds in ours.items():
        print(f"  {name:12} {seconds:6.2f} s   {_compared(name, seconds, theirs)}")
    shutil.rmtree(folder)


def _compared(name: str, seconds: float, theirs: dict[str, float]) -> str:
    if name not in theirs:
        return "kubectl is not installed"
    return f"{theirs[name] / seconds:5.1f}x faster than kubectl's {theirs[name]:.2f} s (goal {GOALS[name]:.0f}x)"
