"""How fast manifests are read and written, in MB/s on one core: small ones, and definitions with much text."""

import gc
import statistics
import time
from pathlib import Path

from gitops.manifests.yaml import read_manifests
from gitops.manifests.yaml_write import write_manifests

SAMPLE = Path(__file__).resolve().parents[2] / "sample-repo/apps/shop"
GOAL = 5.0
_WORDS = "Selects the objects that this rule applies to, in the namespace of the policy, by their labels. " * 2


def run() -> None:
    small = [path.read_bytes() for path in sorted(SAMPLE.glob("*.yaml")) if path.name != "values.yaml"]
    _measure("small manifests", b"---\n".join(small) * 200)
    _measure("definitions", write_manifests([_definition(number) for number in range(60)]).encode())


def _measure(name: str, data: bytes) -> None:
    data = data.replace(b"---\n---\n", b"---\n")
    bodies = [manifest.body for manifest in read_manifests(data, "all.yaml")]
    text = write_manifests(bodies)
    reading = len(data) / 1e6 / _seconds(lambda: read_manifests(data, "all.yaml"))
    writing = len(text) / 1e6 / _seconds(lambda: write_manifests(bodies))
    size = f"{len(bodies)} of {len(data) / 1e6:.1f} MB"
    print(f"  {name:16} read {reading:5.1f} MB/s (goal {GOAL:.0f}), write {writing:5.1f} MB/s, {size}")


def _seconds(work) -> float:
    """The median of nine runs, collected between and not during them: a command's run is too short to collect in."""
    times = []
    for _ in range(9):
        gc.collect()
        gc.disable()
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
        gc.enable()
    return statistics.median(times)


def _definition(number: int):
    """A CustomResourceDefinition of the size and shape that operators ship."""

    def schema(depth: int):
        described = {"description": _WORDS, "type": "object" if depth else "string"}
        names = (f"field{place}" for place in range(6))
        return described | ({"properties": {name: schema(depth - 1) for name in names}} if depth else {})

    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema(3)}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things{number}.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "Thing", "plural": "things"}, "versions": [version]},
    }
