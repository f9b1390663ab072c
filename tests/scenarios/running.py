"""A controller that runs beside a test, on the real cluster, repository and store of a `World`."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import uvloop

from gitops.adapters.render_workers import RenderWorkers
from gitops.bootstrap import Environment
from gitops.bootstrap_controller import Settings, open_controller
from gitops.config import application_of, read_applications
from gitops.controller.registry import Registration
from gitops.server.listening import Listening


def of(lines, event):
    """The log lines of one event."""
    return [line for line in lines if line["event"] == event]


# All controllers of one run render by the same processes: to start them takes longer than what most tests do.
_workers: list[RenderWorkers] = []


def render_workers() -> RenderWorkers:
    if not _workers:
        _workers.append(RenderWorkers())
    return _workers[0]


def end_workers() -> None:
    """End them, and what they are at."""
    while _workers:
        _workers.pop().close()


class Running:
    """`with Running(world) as running:` runs the world's Application, synced by itself and drift corrected."""

    def __init__(
        self,
        world,
        *apps,
        leases="",
        resources=False,
        state=None,
        local_repositories=True,
        require_account=False,
        environment=None,
        variables=None,
        contexts=False,
        flux="",
        listen="",
        notifications=None,
        projects=None,
        **sync,
    ):
        automatic = {"automated": True, "drift": "correct", **sync}
        app = replace(world.app, sync=replace(world.app.sync, **automatic), interval=0.3)
        self.apps = apps or (app,)
        self._world = world
        self._leases = leases
        self._resources = resources
        self._environment = environment or {}
        self._variables = variables or {}
        self._local = local_repositories
        self._require_account = require_account
        self._contexts = contexts
        self._flux = flux
        self._listen = listen
        self._notifications = notifications
        self._projects = projects
        self._state = state or world.state
        self._started = threading.Event()
        self.failure = None
        self.controller = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(20), self.failure
        if self.failure:
            raise self.failure
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, within: float = 15.0) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(min(within, 1.0))
        if render_workers().is_busy:
            end_workers()  # one may be at a render without an end
        self._thread.join(within)
        assert not self._thread.is_alive(), "the controller did not stop"

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `gitops run` does
                runner.run(self._run())
        except Exception as exc:  # noqa: BLE001 - handed to the test
            self.failure = exc
        finally:
            self._started.set()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        world = self._world
        settings = Settings(
            Environment(
                kubeconfig=str(world.kubeconfig),
                state=self._state,
                cache=world.folder / "cache",
                version="test",
                variables=self._variables,
                notifications=self._notifications,
                projects=self._projects,
            ),
            namespace=self._leases or world.namespace,
            watch_namespace=world.namespace,
            resources=self._resources,
            local_repositories=self._local,
            require_account=self._require_account,
            contexts=self._contexts,
            leases=bool(self._leases),
            flux=self._flux,
            listening=Listening(self._listen),
        )
        async with open_controller(
            settings,
            read_files=read_applications,
            read_resource=application_of,
            secrets=lambda name: self._environment.get(name, ""),
            workers=render_workers(),
        ) as (controller, parts):
            self.controller = controller
            for app in () if self._resources or self._flux else self.apps:
                controller.registry.put("test", Registration(app, trusted=True))
            self._loop.call_soon(self._started.set)
            await controller.run(parts, self._stop)

    def put_trusted(self, app) -> None:
        """Have an Application run as if it stood in a file of the operator's; on the controller's loop."""
        self.controller.registry.put("test", Registration(app, trusted=True))

    # ── what a test asks ─────────────────────────────────────────────────────────────────────────────────────────

    def call(self, work: Callable[[], object]):
        """Run a plain function on the controller's loop; its result."""

        async def run():
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def tasks(self) -> list[str]:
        """The names of what runs on the controller's loop."""
        return self.call(lambda: [task.get_name() for task in asyncio.all_tasks()])

    def ask(self, coroutine):
        """Run a coroutine on the controller's loop; its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def tracked(self, identity: str = "gitops/app"):
        return self.controller.index.get(identity)

    def until(self, holds: Callable[[], object], seconds: float = 20.0) -> float:
        """Wait until `holds()` is true; how long that took. Fails with what the controller knows when it never is."""
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > seconds:
                raise AssertionError(f"not so within {seconds} s: {self.call(self._known)}")
            assert self._thread.is_alive(), self.failure
            time.sleep(0.02)
        return time.monotonic() - started

    def _known(self) -> list[str]:
        return [f"{item.identity}: {item.sync}, {item.health}, {item.last}" for item in self.controller.index]

    def until_synced(self, sha: str, identity: str = "gitops/app", seconds: float = 20.0) -> float:
        def is_synced() -> bool:
            tracked = self.tracked(identity)
            head = tracked and tracked.source.observed_revision
            return bool(head and head.sha == sha and tracked.sync == "Synced" and tracked.schedule.task is None)

        return self.until(is_synced, seconds)
