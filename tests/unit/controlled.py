"""A whole controller on a cluster, a repository and a clock in memory: hours of it in a second."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

from gitops.adapters.store import SqliteStore
from gitops.controller.app import Controller
from gitops.controller.cluster_worker import Connected
from gitops.controller.registry import Registration
from gitops.controller.render_cache import RenderCache
from gitops.engine.inventory import parent_key, set_id
from gitops.manifests.key import key_of
from gitops.rendering import render
from gitops.testing.clock import SteppedClock
from gitops.testing.source import MemoryRepositories
from tests.unit.desk import Desk


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its timers run out when time is skipped, too."""

    skipped = 0.0

    def time(self):
        return super().time() + self.skipped


class Controlled(Desk):
    """`begin`, then let seconds pass; what a person asks goes through the store, as the command line's does."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.clock = SteppedClock(datetime.now(UTC))
        self.app = replace(self.app, interval=0.2)  # of real time: a timetable goes by that
        self.heard = []
        self.task = None
        self._loop = SkippingLoop()

    def commit(self, *bodies):
        """And have it looked at soon, as a webhook does."""
        sha = super().commit(*bodies)
        if self.task is not None and self.state is not None:
            self.wait(self._looked_at())
        return sha

    async def _looked_at(self):
        self.controller.poller.wake(self.state)

    def begin(self, *apps):
        """Start it, and give it the Applications."""

        async def begun():
            self.store = await SqliteStore.open(self.folder / "state")
            self.repositories = MemoryRepositories(self.source)
            self.controller = Controller(
                connect=self._connected,
                repositories=self.repositories,
                renders=RenderCache(render),
                store=self.store,
                clock=self.clock,
                version="test",
            )
            self.controller.bus.subscribe(lambda application, event: self.heard.append((application, event)))
            self.stop = asyncio.Event()
            self.task = asyncio.create_task(self.controller.run(self.parts(), self.stop))
            for app in self.given(apps):
                self.controller.registry.put("test", Registration(app, trusted=True))

        self._loop.run_until_complete(begun())
        self.let_pass(2.0)

    def parts(self):
        """What runs beside the controller's own loop."""
        return []

    def given(self, apps):
        """The Applications that it begins with."""
        return apps or (self.app,)

    async def _connected(self, name, on_object, may_write):
        self.on_object = on_object
        return Connected(self.cluster, {})

    def let_pass(self, seconds):
        """Time goes by in half seconds, and everything that is due is done."""

        async def passing():
            for _ in range(max(round(seconds * 2), 1)):
                await asyncio.sleep(0.003)
                self.passing()
                self._loop.skipped += 0.5
                await self.clock.step(0.5)
                if self.task.done():
                    self.task.result()
            for _ in range(20):
                await asyncio.sleep(0.001)

        self._loop.run_until_complete(passing())

    def until(self, holds, seconds=120.0):
        """Let time pass until `holds()`; fails when it never does, also not in half a minute of a busy machine."""
        passed, ends = 0.0, time.monotonic() + 30
        while passed < seconds or time.monotonic() < ends:
            if holds():
                return
            self.let_pass(0.5)
            passed += 0.5
        raise AssertionError(f"not so within {seconds} s: {self.state and self.state.last}")

    def tell(self, body, stored):
        """A watch tells what became of an object (None: it is gone)."""

        async def told():
            self.on_object(self.set_id, key_of(body), stored, True)

        self.wait(told())

    @property
    def set_id(self):
        return set_id(parent_key(self.app.name, "shop"))

    def ask(self, verb, **detail):
        """What a person asks of the controller; the number of the request."""
        at = self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self.wait(self.store.request(self.app.identity, verb, detail, "ada", at))

    def wait(self, coroutine):
        return self._loop.run_until_complete(coroutine)

    @property
    def state(self):
        return self.controller.index.get(self.app.identity)

    def facts(self):
        return [event.fact for event in self.wait(self.store.events(self.app.identity, self.cluster.name))]

    def end(self):
        async def ended():
            self.stop.set()
            while not self.task.done():
                await asyncio.sleep(0.002)
                self._loop.skipped += 0.5
                await self.clock.step(0.5)
            await self.store.close()
            self.task.result()

        self._loop.run_until_complete(ended())
        self._loop.close()
