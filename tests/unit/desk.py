"""One Application, and all that a pass reaches out to, in memory: whole passes in milliseconds."""

import asyncio
from dataclasses import replace
from functools import partial

from gitops.adapters.store import SqliteStore
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import key_of
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application, Destination, SourceSpec, SyncOptions
from gitops.rendering import render
from gitops.sync.context import Request, SyncContext
from gitops.sync.inventories import find_applications
from gitops.sync.planning import plan_sync
from gitops.sync.reconcile import sync
from gitops.testing.clock import SteppedClock
from gitops.testing.cluster import MemoryCluster
from gitops.testing.source import MemorySource

SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "status": {"phase": "Active"}}


def config_map(name, namespace="shop", annotations=None, **data):
    metadata = {"name": name, "namespace": namespace, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class Desk:
    """`commit` bodies, then `sync` or `plan`; the clock is stepped for whoever sleeps."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.cluster = MemoryCluster([SPACE])
        self.source = MemorySource()
        self.clock = SteppedClock()
        self.events = []
        self.passing = lambda: None  # what happens beside, each half second that somebody waits
        self.app = Application(
            "app",
            source=SourceSpec(repoURL="https://git.example.com/shop.git"),
            destination=Destination(namespace="shop"),
            sync=SyncOptions(prune=True, **options),
        )

    def commit(self, *bodies):
        return self.source.commit({"all.yaml": write_manifests(bodies)} if bodies else {"README.md": ""})

    def sync(self, app=None, *, wait=True, **options):
        request = Request(app or self.app, "ada", PlanOptions(**options), wait=wait)
        return self.run(lambda context: sync(request, context))

    def plan(self, app=None, **options):
        request = Request(app or self.app, "ada", PlanOptions(**options))
        return self.run(lambda context: plan_sync(request, context))

    def with_sync(self, **options):
        return replace(self.app, sync=replace(self.app.sync, **options))

    def inventory(self):
        async def look(context):
            (found,) = await find_applications(context.cluster, "gitops/app")
            return found

        return self.run(look)

    def audit(self):
        return self.run(lambda context: context.store.events(self.app.identity, context.cluster.name))

    def live(self, body):
        return self.cluster.body(key_of(body))

    def run(self, work):
        """Let `work` (SyncContext → coroutine) run to its end, and time pass as long as it sleeps."""

        async def whole():
            store = await SqliteStore.open(self.folder / "state")
            context = SyncContext(
                self.source, partial(render), self.cluster, store, self.clock, "test", self.events.append
            )
            task = asyncio.create_task(work(context))
            try:
                while not task.done():
                    await asyncio.wait([task], timeout=0.002)
                    if not task.done():
                        self.passing()
                        await self.clock.step(0.5)
                return task.result()
            finally:
                task.cancel()
                await store.close()

        return asyncio.run(whole())
