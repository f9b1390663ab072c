"""Very many Applications of four objects from one repository: first sync, a commit, drift, rest; all as processes.

BENCH_APPLICATIONS (1,000) and BENCH_IDLE_SECONDS (30) change the size. The embedded cluster shares the machine.
"""

import asyncio
import contextlib
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.manifests.key import ResourceKey, key_of
from gitops.manifests.yaml_write import write_manifests

APPLICATIONS = int(os.environ.get("BENCH_APPLICATIONS", "1000"))
IDLE_SECONDS = float(os.environ.get("BENCH_IDLE_SECONDS", "30"))
DRIFTS = 100
PARALLEL = 16
METRICS = "127.0.0.1:18931"
PYTHON = [sys.executable, "-m", "gitops.cli"]


def run() -> None:
    with embedded_cluster() as (folder, environment):
        make_repository(folder)
        measure(folder, environment)


@contextlib.contextmanager
def embedded_cluster() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with a kubeconfig of a cluster of its own, and the environment of commands about it."""
    folder = Path(tempfile.mkdtemp(prefix="gitops-scale-"))
    kubeconfig = folder / "kubeconfig"
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "GITOPS_STATE": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    up = [*PYTHON, "sandbox", "up", "--detach", "--port", "0", "--controllers", "none"]
    subprocess.run(up, env=environment, check=True, capture_output=True)
    try:
        shown = subprocess.run(
            [*PYTHON, "sandbox", "kubeconfig"], env=environment, check=True, capture_output=True, text=True
        )
        kubeconfig.write_text(shown.stdout)
        yield folder, environment
    finally:
        subprocess.run([*PYTHON, "sandbox", "down"], env=environment, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, environment: dict[str, str]) -> None:
    bare = asyncio.run(bare_writes(folder))
    with first_sync(folder, environment, bare, "-f", str(folder / "apps")) as controller:
        times = asyncio.run(drift(folder))
        middle, late = statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000
        print(f"  drift to repair: p50 {middle:.0f} ms (goal 200), p99 {late:.0f} ms (goal 1,000)")
        rest(controller.pid)


@contextlib.contextmanager
def first_sync(
    folder: Path, environment: dict[str, str], bare: float, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A controller that has synced all Applications for the first time, and then a commit to one of them."""
    began = time.monotonic()
    log = (folder / "log").open("w")
    command = [*PYTHON, "--log-format=json", "run", *options, "--listen", METRICS]
    controller = subprocess.Popen(command, env=environment, stderr=log)
    try:
        wait_until_synced(controller, folder)
        seconds = time.monotonic() - began
        print(f"  {APPLICATIONS} Applications x 4: first sync {seconds:.1f} s (goal 45, aim 20 per 1,000)")
        print(f"  the same objects written with nothing around them: {bare:.1f} s ({seconds / bare:.1f} times that)")
        print(f"  requests an Application: {by_verb(requests())}")
        own = cpu_seconds(controller.pid)
        rendering = sum(map(cpu_seconds, workers_of(controller.pid)))
        print(f"  CPU {own:.1f} s, {own + rendering:.1f} with what renders (aim 15 per 1,000)")
        time.sleep(2)
        print(
            f"  a one-line commit: {commit(folder) * 1000:.0f} ms from its sight to the touched sync's start (goal 200)"
        )
        yield controller
    finally:
        controller.terminate()
        controller.wait(15)
        log.close()


def rest(pid: int) -> None:
    time.sleep(5)
    before, used = requests(), cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    sent = {name: count - before.get(name, 0) for name, count in requests().items() if count != before.get(name, 0)}
    share = (cpu_seconds(pid) - used) / IDLE_SECONDS * 100
    print(f"  {IDLE_SECONDS:.0f} s at rest: requests {sent or 'none'}, CPU {share:.1f} % of a core (goal 1)")
    own, all_of_them = peak_megabytes(pid), sum(peak_megabytes(each) for each in (pid, *workers_of(pid)))
    print(f"  peak memory {own:.0f} MB, {all_of_them:.0f} with what renders (goal 200 at 1,000, 1,024 at 10,000)")


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in children for child in task.read_text().split()]


def by_verb(counts: dict[str, float]) -> str:
    """ "16.0: GET 404 5.0, ..." of the API server's answers to one Application."""
    each: Counter[str] = Counter()
    for name, count in counts.items():
        labels = dict(re.findall(r'(\w+)="([^"]*)"', name))
        if name.startswith("kubernetes_"):
            each[f"{labels['verb']} {labels['code']}"] += count / APPLICATIONS
    told = ", ".join(f"{name} {count:.2f}" for name, count in sorted(each.items()))
    return f"{each.total():.1f} ({told})"


def peak_megabytes(pid: int) -> float:
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def make_repository(folder: Path) -> None:
    repository, apps = folder / "repository", folder / "apps"
    apps.mkdir()
    for number in range(APPLICATIONS):
        name = f"app-{number:05}"
        place = repository / "apps" / name
        place.mkdir(parents=True)
        (place / "all.yaml").write_text(write_manifests(objects(name)))
        (apps / f"{name}.yaml").write_text(
            "apiVersion: gitops.dev/v1alpha1\nkind: Application\n"
            f"metadata: {{name: {name}}}\nspec:\n"
            f"  source: {{repoURL: '{repository.as_uri()}', targetRevision: main, path: apps/{name}}}\n"
            "  destination: {namespace: bench}\n  sync: {automated: true, drift: correct}\n  interval: 10s\n"
        )
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")


def objects(name: str) -> list[dict]:
    metadata = {"name": name}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"color": "blue", "size": "10"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        },
    ]


def git(repository: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)


async def bare_writes(folder: Path) -> float:
    """Make the namespace, and see how long it takes to write the same objects, to another one, and nothing else."""
    cluster = KubernetesCluster(connect(str(folder / "kubeconfig")))
    for name in ("bench", "bare"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await cluster.apply(ResourceKey("", "Namespace", "", name), body)
    left = iter([body for number in range(APPLICATIONS) for body in objects(f"app-{number:05}")])

    async def write() -> None:
        for body in left:
            placed = {**body, "metadata": {**body["metadata"], "namespace": "bare"}}
            await cluster.apply(key_of(placed), placed)

    began = time.monotonic()
    await asyncio.gather(*(write() for _ in range(PARALLEL)))
    seconds = time.monotonic() - began
    await cluster.close()
    return seconds


def metrics() -> str:
    with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=30) as answer:
        return answer.read().decode()


def requests() -> dict[str, float]:
    return {
        name: float(count)
        for name, count in re.findall(r"^gitops_(\w+_requests_total(?:{[^}]*})?) (\S+)", metrics(), re.M)
    }


def wait_until_synced(controller: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        time.sleep(0.5 + APPLICATIONS / 2000)  # being asked is work too
        if controller.poll() is not None:
            raise SystemExit(f"the controller ended: {(folder / 'log').read_text()[-1000:]}")
        try:
            text = metrics()
        except OSError:
            continue
        if len(re.findall(r'health="Healthy".*sync="Synced"', text)) == APPLICATIONS:
            return
    raise SystemExit("not synced within half an hour")


def commit(folder: Path) -> float:
    """Seconds from the line that a commit was seen to the line that its sync started, by the log's own times."""
    number = APPLICATIONS // 2
    path = folder / "repository/apps" / f"app-{number:05}" / "all.yaml"
    path.write_text(path.read_text().replace("size: '10'", "size: '11'").replace('size: "10"', 'size: "11"'))
    already = len((folder / "log").read_text())
    git(folder / "repository", "commit", "-qam", "one line")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = (folder / "log").read_text()[already:]
        seen = re.search(r'"event": "commit.seen".*?"timestamp": "[^"T]+T(\d+):(\d+):([\d.]+)Z"', lines)
        started = re.search(r'"event": "sync.started".*?"timestamp": "[^"T]+T(\d+):(\d+):([\d.]+)Z"', lines)
        if seen and started:
            return seconds_of(started) - seconds_of(seen)
        time.sleep(0.05)
    raise SystemExit("the commit was not synced")


def seconds_of(found: re.Match) -> float:
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


async def drift(folder: Path) -> list[float]:
    """Seconds from each hand edit's answer to the event that undoes it."""
    cluster = KubernetesCluster(connect(str(folder / "kubeconfig")))
    listing = await cluster.list("", "ConfigMap", "bench")
    edited: dict[str, float] = {}
    times: list[float] = []
    chosen = random.Random(1).sample(range(APPLICATIONS), min(DRIFTS, APPLICATIONS))

    async def see() -> None:
        async with cluster.watch("", "ConfigMap", "bench", listing.version) as events:
            async for event in events:
                name = event.body["metadata"]["name"]
                if name in edited and (event.body.get("data") or {}).get("color") == "blue":
                    times.append(time.monotonic() - edited.pop(name))
                    if len(times) == len(chosen):
                        return

    seeing = asyncio.create_task(see())
    for number in chosen:
        name = f"app-{number:05}"
        edited[name] = time.monotonic()
        await cluster.http.request(
            "PATCH",
            f"/api/v1/namespaces/bench/configmaps/{name}",
            query={"fieldManager": "kubectl-edit"},
            body={"data": {"color": "red"}},
            content_type="application/merge-patch+json",
        )
        await asyncio.sleep(0.05)
    await asyncio.wait_for(seeing, 120)
    await cluster.close()
    return times


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
