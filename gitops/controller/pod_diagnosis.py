"""Why a workload is not healthy, down to the container, while no pass waits for it.

A Deployment only says how many replicas are missing; its Pods know why. They are looked at while it is unhealthy, with
growing pauses, and at no other time.
"""

import asyncio
import contextlib
from collections.abc import Callable

from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ClusterError
from gitops.ports import Clock, Cluster
from gitops.sync.context import account_view
from gitops.sync.diagnostics import Diagnostics

_FIRST_SECONDS, _LONGEST_SECONDS = 2.0, 60.0
_PARALLEL = 4

_Place = tuple[str, ResourceKey]


class PodDiagnosis:
    """The unhealthy workloads of one cluster; `told` hears of an Application of which more is known."""

    def __init__(
        self, cluster: Cluster, clock: Clock, index: ApplicationIndex, told: Callable[[ApplicationState], None]
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._index = index
        self._told = told
        self._due: dict[_Place, tuple[float, float]] = {}  # when to look next, and the pause before that
        self._added = asyncio.Event()

    def note(self, state: ApplicationState) -> None:
        """Some objects of the Application may be unhealthy."""
        for key in state.live.unhealthy:
            place = (state.identity, key)
            if place not in self._due and Diagnostics.can_look(key):
                self._due[place] = (self._clock.monotonic() + _FIRST_SECONDS, _FIRST_SECONDS)
                self._added.set()

    async def run(self) -> None:
        """Look for ever, at nothing while all is well."""
        while True:
            self._added.clear()
            now = self._clock.monotonic()
            due = sorted((at, place) for place, (at, _) in self._due.items())
            await asyncio.gather(*(self._look(place) for at, place in due[:_PARALLEL] if at <= now))
            next_at = min((at for at, _ in self._due.values()), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if next_at is None else max(next_at - self._clock.monotonic(), 0.1)):
                    await self._added.wait()

    async def _look(self, place: _Place) -> None:
        identity, key = place
        _, pause = self._due.pop(place)
        state = self._index.get(identity)
        if state is None or key not in state.live.unhealthy:
            if state is not None:
                state.live.failures.pop(key, None)
            return
        pause = min(pause * 2, _LONGEST_SECONDS)
        if state.schedule.task is None:  # a pass looks by itself
            text = await self._text(state, key)
            if text != state.live.failures.get(key, ""):
                state.live.failures[key] = text
                self._told(state)
        self._due[place] = (self._clock.monotonic() + pause, pause)

    async def _text(self, state: ApplicationState, key: ResourceKey) -> str:
        account = state.app.sync.serviceAccount
        diagnostics = Diagnostics(account_view(self._cluster, state.app) if account else self._cluster, ())
        try:
            trouble = await diagnostics.trouble_of(key)
        except ClusterError:
            return ""
        return trouble.in_a_word if trouble else ""
