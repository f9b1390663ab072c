"""The page of very many Applications with ten objects each: time to the first byte, and bytes; at rest, and changing.

What it takes until a change is told, and on the page, is printed too.

The controller's state is made here and its cluster answers from memory; the server, the store and HTTP are real, and
the client is a process of its own. BENCH_PAGE_APPLICATIONS (10,000) changes the size.
"""

import asyncio
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from gitops.adapters.clock import SystemClock
from gitops.adapters.store import SqliteStore
from gitops.controller.app import Controller
from gitops.controller.cluster_worker import Connected
from gitops.controller.render_cache import RenderCache
from gitops.controller.state import SourceState
from gitops.engine.inventory import Inventory, LastHealthy, parent_key, with_ownership
from gitops.engine.inventory_parent import parent_body
from gitops.engine.states import Response
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.health import Health, HealthWord
from gitops.model.kinds import KindInfo, Kinds
from gitops.model.release import Release
from gitops.model.revision import Revision
from gitops.model.spec import spec_text
from gitops.ports import Fact, Listing
from gitops.server.app import application
from gitops.server.auth.access import Access

APPLICATIONS = int(os.environ.get("BENCH_PAGE_APPLICATIONS", "10000"))
_GOAL_MS, _GOAL_KB = 150, 150
_SHA = "0123456789abcdef0123456789abcdef01234567"
_READERS = 50
_CHANGED, _CHANGES, _TOLD_MS = "team-0/app-00000", 30, 500
_TOGETHER = 0.05  # as page.js waits for more


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measured(Path(folder)))


class MemoryCluster:
    """Answers for every Application's inventory and objects, made when they are asked for."""

    name = "cluster.example.com"

    def acting_as(self, *_):
        return self

    async def kinds(self, *, refresh=False):
        return Kinds([KindInfo("", "v1", "ConfigMap", "configmaps", True)])

    async def is_absent(self, key):
        return False

    async def get(self, key, version="", *, fresh=False):
        owner = _inventory(key.namespace)
        if key == owner.parent:
            return parent_body(owner, "test")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key.name, "namespace": key.namespace}}
        return with_ownership(body, key, owner)

    async def list(self, group, kind, namespace, labels="", version="", fields=""):
        keys = sorted(_inventory(namespace).keys) if namespace else []
        return Listing(tuple([await self.get(key) for key in keys]), "1")


def _inventory(name: str) -> Inventory:
    keys = frozenset(ResourceKey("", "ConfigMap", name, f"settings-{number}") for number in range(10))
    app = _application(name)
    return Inventory(
        app.identity,
        parent_key(name, name),
        keys=keys,
        source=app.source_name,
        spec=spec_text(app),
        synced="d",
        healthy=LastHealthy(_SHA, "main", "d", "2026-01-01T00:00:00Z"),
        exists=True,
    )


def _application(name: str) -> Application:
    source = SourceSpec(f"https://git.example.com/{name[-2:]}/{name}.git", "main", "overlays/prod")
    return Application(name, f"team-{name[-1]}", source=source, destination=Destination(namespace=name))


async def _measured(folder: Path) -> None:
    store = await SqliteStore.open(folder)
    controller = await _controller(store)
    before = _memory()
    access = Access(None, lambda: datetime.now(UTC), anyone_reads=True)
    runner = web.AppRunner(application(controller, access, "bench"))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        for title, clients in (("one reader", 1), (f"{_READERS} readers at once", _READERS)):
            await _client(title, port, clients)
        await _told("nothing else changes", port, controller)
        changing = asyncio.create_task(_change(controller))
        await _told("500 changes a second", port, controller)
        await _client("one reader, 500 changes a second", port, 1, 0.05)  # each finds what changed since
        changing.cancel()
        print(f"  the server added {(_memory() - before):.0f} MB (goal 150)")
    finally:
        await runner.cleanup()
        await store.close()


async def _controller(store) -> Controller:
    controller = Controller(
        connect=None, repositories=None, renders=RenderCache(None), store=store, clock=SystemClock(), version="bench"
    )
    worker = controller._worker("", Connected(MemoryCluster(), {}))
    controller.workers._open[""] = (worker, Connected(MemoryCluster(), {}), asyncio.get_running_loop().create_future())
    for number in range(APPLICATIONS):
        app = _application(f"app-{number:05}")
        state = controller.index.add(app)
        state.source = SourceState(observed_revision=Revision(_SHA, "main"), equivalent_revision=_SHA)
        state.report.answered(Response.HELD if number % 50 == 0 else Response.SETTLED, 0)
        state.report.said("it is held" if number % 50 == 0 else "")
        state.live.owns = True
        if number % 100 == 0:
            key = ResourceKey("apps", "Deployment", app.name, "web")
            state.live.unhealthy = {key: Health(HealthWord.DEGRADED, "ImagePullBackOff")}
        if number < 200:
            await _history(store, app)
    return controller


async def _history(store, app: Application) -> None:
    facts = ("sync.started", "step.started", "step.finished", "sync.finished")
    at = "2026-01-01T00:00:00Z"
    await asyncio.gather(
        *(
            store.append(Fact(app.identity, MemoryCluster.name, "ada", at, fact, _SHA, {"digest": "d"}), None)
            for fact in facts * 10
        )
    )
    release = Release(
        0, app.identity, MemoryCluster.name, _SHA, "main", "d", "Healthy", at, "ada", app.name, app.source_name
    )
    await store.add_release(release)


async def _told(title: str, port: int, controller) -> None:
    """One Application changes, and its reason says when: how long until a stream tells it, and until its page does."""
    words = [sys.executable, "-m", "tests.bench.page", str(port), "told"]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    state = controller.index.get(_CHANGED)
    assert process.stdout is not None
    await process.stdout.readline()  # it follows now
    for _ in range(_CHANGES):
        await asyncio.sleep(0.4)
        state.report.said(f"changed at {time.monotonic()}")
        controller._tell(state)
    told, _ = await process.communicate()
    print(f"  a change, {title} (load of this machine {os.getloadavg()[0]:.0f}):")
    for name, taken in json.loads(told).items():
        middle, late = statistics.median(taken), statistics.quantiles(taken, n=20)[18]
        print(f"    {name:28} p50 {middle:5.0f} ms, p95 {late:5.0f} ms after the fact (goal {_TOLD_MS})")


def _follow(port: int) -> None:
    """In a process of its own: a page as page.js keeps it, with what it took until each change was there, as JSON."""
    stream = http.client.HTTPConnection("127.0.0.1", port)
    stream.request("GET", "/api/v1/stream")
    answer = stream.getresponse()
    print("it follows", flush=True)
    pages = http.client.HTTPConnection("127.0.0.1", port)
    found: dict[str, list[float]] = {"the stream tells it": [], "the list shows it": []}
    for line in answer:
        row = json.loads(line[6:]) if line.startswith(b"data: ") else {}
        if row.get("application") != _CHANGED or not row["note"].startswith("changed at "):
            continue
        changed = float(row["note"].rpartition(" ")[2])
        found["the stream tells it"].append((time.monotonic() - changed) * 1000)
        time.sleep(_TOGETHER)
        pages.request("GET", "/applications")
        text = pages.getresponse().read().decode()
        assert row["note"] in text, "the list does not show it"
        found["the list shows it"].append((time.monotonic() - changed) * 1000)
        if len(found["the list shows it"]) == _CHANGES:
            break
    print(json.dumps(found))


async def _change(controller) -> None:
    """Something is told of an Application, again and again."""
    states = list(controller.index)
    count = 0
    while True:
        for _ in range(5):
            controller._tell(states[count % len(states)])
            count += 1
        await asyncio.sleep(0.01)


async def _client(title: str, port: int, clients: int, pause: float = 0.0) -> None:
    words = [sys.executable, "-m", "tests.bench.page", str(port), str(clients), str(pause)]
    before = time.process_time()
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    told, _ = await process.communicate()
    spent = (time.process_time() - before) * 1000
    print(f"  {APPLICATIONS:,} Applications, {title} (load of this machine {os.getloadavg()[0]:.0f}):")
    answers = json.loads(told)
    asked = answers.pop("asked")
    for name, (middle, late, size, status) in answers.items():
        print(
            f"    {name:28} first byte p50 {middle:5.0f} ms, p95 {late:5.0f} ms (goal {_GOAL_MS}), "
            f"{size / 1000:5.0f} kB (goal {_GOAL_KB}), {status}"
        )
    print(f"    the server's own time: {spent / asked:.1f} ms a request")


PLACES = {
    "list": "/applications",
    "search": "/applications?q=app-0777",
    "search, many found": "/applications?q=team+prod&sort=-name",
    "problems": "/applications?only=problems",
    "one Application": "/applications/team-7/app-00117",
    "audit": "/audit",
    "API: list": "/api/v1/applications?limit=100",
    "API: tree": "/api/v1/applications/team-7/app-00117/resources",
}


def _ask_all(port: int, clients: int, pause: float) -> None:
    """In a process of its own: (p50, p95, bytes, status) of each place, as JSON."""
    from concurrent.futures import ThreadPoolExecutor

    rounds = 40 if clients == 1 else 20

    def times(path: str) -> list[tuple[float, int, int]]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        found = []
        for _ in range(rounds):
            time.sleep(pause)
            began = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            first = answer.read(1)
            taken = (time.perf_counter() - began) * 1000
            found.append((taken, len(first) + len(answer.read()), answer.status))
        return found

    told: dict[str, object] = {"asked": len(PLACES) * (rounds * clients + rounds * (clients == 1))}
    for name, path in PLACES.items():
        times(path) if clients == 1 else None
        with ThreadPoolExecutor(clients) as pool:
            found = [one for some in pool.map(times, [path] * clients) for one in some]
        taken = [one[0] for one in found]
        told[name] = (statistics.median(taken), statistics.quantiles(taken, n=20)[18], found[0][1], found[0][2])
    print(json.dumps(told))


def _memory() -> float:
    """The most that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[2] == "told":
        _follow(int(sys.argv[1]))
    else:
        _ask_all(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
