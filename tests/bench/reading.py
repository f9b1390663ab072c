"""How fast manifests are read and written, in MB/s on one core."""

import statistics
import time
from pathlib import Path

from gitops.manifests.yaml import read_manifests
from gitops.manifests.yaml_write import write_manifests

SAMPLE = Path(__file__).resolve().parents[2] / "sample-repo/apps/shop"
GOAL = 5.0


def run() -> None:
    data = (
        b"---\n".join(path.read_bytes() for path in sorted(SAMPLE.glob("*.yaml")) if path.name != "values.yaml") * 200
    )
    data = data.replace(b"---\n---\n", b"---\n")
    megabytes = len(data) / 1e6
    bodies = [manifest.body for manifest in read_manifests(data, "all.yaml")]
    text = write_manifests(bodies)
    reading = _seconds(lambda: read_manifests(data, "all.yaml"))
    writing = _seconds(lambda: write_manifests(bodies))
    print(f"  read   {megabytes / reading:6.1f} MB/s (goal {GOAL:.0f}), {len(bodies)} manifests of {megabytes:.1f} MB")
    print(f"  write  {len(text) / 1e6 / writing:6.1f} MB/s")


def _seconds(work) -> float:
    times = []
    for _ in range(5):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)
