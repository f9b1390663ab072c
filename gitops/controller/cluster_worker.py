"""All that goes on about one cluster: its queue, its places, its passes. One that hangs fills only these."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from gitops.controller.pass_report import PassResult
from gitops.controller.pod_diagnosis import PodDiagnosis
from gitops.controller.queue import Priority, WorkQueue
from gitops.controller.reconciler import ReconcilerDeps, reconcile
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.engine.states import Override
from gitops.manifests.key import Body, ResourceKey
from gitops.model.operator_command import OperatorRequest
from gitops.ports import Cluster

log = structlog.get_logger()
_LONG_PASS_SECONDS = 1.0  # then it is told that it is under way
PLACES = 16
# A wait for health shorter than this keeps its place: most objects are healthy at once.
_KEEP_SECONDS = 0.05
# Every Application is planned again after this long, from what the watches know: should an event have been lost.
_RESYNC_SECONDS = 3600.0
# How often an object that somebody deletes again and again is made anew.
_DELETED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Connected:
    """One cluster as the controller uses it; `closed` is called once it is let go."""

    cluster: Cluster
    counts: Mapping[tuple[str, int], int]  # (method, HTTP status) → how many answers so far
    closed: Callable[[], None] = lambda: None


# cluster name, what to call on a change of a managed object, whether writes are still ours → the cluster; raises
# ConfigError for one that is not known, or not rightly described
OnObject = Callable[[str, ResourceKey, Body | None, bool], None]
Connect = Callable[[str, OnObject, Callable[[], bool]], Awaitable[Connected]]


class ClusterWorker:
    """Passes on one cluster; `may_run` is asked before each, `override_of` gives what people said.

    `ended` hears of each pass: what was asked for when it began, whether it came to its end (it may have been
    superseded), and its seconds; `told` of an Application whose health has a reason now.
    """

    def __init__(
        self,
        name: str,
        deps: ReconcilerDeps,
        index: ApplicationIndex,
        *,
        may_run: Callable[[ApplicationState], bool],
        override_of: Callable[[ApplicationState], Override],
        ended: Callable[[ApplicationState, OperatorRequest | None, bool, float], None],
        told: Callable[[ApplicationState], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.deps = deps
        self.queue = WorkQueue()
        self._index = index
        self._may_run = may_run
        self._override_of = override_of
        self._ended = ended
        self._told = told
        self._places = asyncio.Semaphore(PLACES)
        self._passes: set[asyncio.Task[None]] = set()
        self._away = False
        self.troubles = PodDiagnosis(deps.cluster, deps.clock, index, told)

    def put(self, state: ApplicationState, priority: Priority, *, after: float = 0.0) -> None:
        """Have the Application passed over; after a failure drift alone waits until a retry is due."""
        if priority >= Priority.DRIFT:
            after = max(after, state.schedule.not_before - self.deps.clock.monotonic())
        self.queue.put(state.identity, state.app.namespace, priority, after=max(after, 0.0))

    async def run(self) -> None:
        """Pass over what is to be, and look at what is unhealthy, for ever; passes under way are ended with it."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._give_out(), name=f"places {self.name}")
            both.create_task(self.troubles.run(), name=f"troubles {self.name}")

    async def _give_out(self) -> None:
        try:
            while True:
                await self._places.acquire()
                identity, priority = await self.queue.take()
                task = asyncio.create_task(self._one(identity, priority), name=f"pass {identity}")
                self._passes.add(task)
                task.add_done_callback(self._passes.discard)
        finally:
            for task in self._passes:
                task.cancel()
            await asyncio.gather(*self._passes, return_exceptions=True)

    async def _one(self, identity: str, priority: Priority) -> None:
        place = _WorkerSlot(self._places)
        again: float | None = None
        finished, started = False, self.deps.clock.monotonic()
        state = self._index.get(identity)
        asked = state.schedule.operator_request if state is not None else None
        telling: asyncio.TimerHandle | None = None
        try:
            if state is not None and self._has_work(state):
                state.schedule.task = asyncio.current_task()
                telling = asyncio.get_running_loop().call_later(_LONG_PASS_SECONDS, self._told, state)
                state.live.begin_pass()
                async with _correlated(state):
                    end = await reconcile(state, self.deps, self._override_of(state), place.lent)
                again = end.again
                self._note_reach(state, end.result)
                finished = True
        except asyncio.CancelledError:
            cause = state.schedule.cancelled_by if state is not None else ""
            log.info("pass.cancelled", application=identity, cause=cause or "the controller stops")
        except Exception:
            # A fault of ours in one pass must not end the others'; it is told whole and tried again.
            log.exception("pass.crashed", application=identity)
            if state is not None:
                state.missed("a fault in the controller; see its log")
            again = 60.0
        finally:
            if telling is not None:
                telling.cancel()
            place.give_back()
            wished = self.queue.done(identity)
            if state is not None:
                if state.schedule.task is asyncio.current_task():
                    state.schedule.task, state.schedule.cancelled_by = None, ""
                self._plan_next(state, again)
                self._ended(state, asked, finished, self.deps.clock.monotonic() - started)
            present = self._index.get(identity)
            if wished is not None and present is not None:  # an event of a rollout that failed waits for the retry too
                self.put(present, wished)

    def _note_reach(self, state: ApplicationState, result: PassResult) -> None:
        """Tell once that the cluster is away, and once that it is back; then those that wait for it go on at once."""
        if result.is_away and not self._away:
            log.warning("cluster.unreachable", cluster=self.name or "in-cluster", error=result.error)
            self._away = True
        elif self._away and not state.problem:
            log.info("cluster.reachable", cluster=self.name or "in-cluster")
            self._away = False
            for other in self._index:
                if other.last.is_away and other.cluster == self.name:
                    other.schedule.not_before = 0.0
                    self.put(other, Priority.RESYNC)

    def _has_work(self, state: ApplicationState) -> bool:
        return state.has_work and state.cluster == self.name and self._may_run(state)

    def _plan_next(self, state: ApplicationState, again: float | None) -> None:
        if self._index.get(state.identity) is not state or state.cluster != self.name:
            return
        deleted = any(not loop.manager for loop in state.drift.loops)
        state.schedule.not_before = self.deps.clock.monotonic() + _DELETED_SECONDS if deleted else 0.0
        if again is not None and (state.schedule.failures or state.schedule.misses or state.schedule.unanswered):
            state.schedule.not_before = self.deps.clock.monotonic() + again
        self.put(state, Priority.RESYNC, after=again if again is not None else _RESYNC_SECONDS)


class _WorkerSlot:
    """One pass's place; while it waits for health (in one or several tasks) the place is another's."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._waits = 0
        self._held = True
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._taking = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        self._waits += 1
        if self._waits == 1:
            self._timer = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._lend)
        try:
            yield
        finally:
            self._waits -= 1
            if self._waits == 0 and self._timer is not None:
                self._timer.cancel()
        async with self._taking:  # of several waits that end together, one takes the place back
            if not self._held and self._waits == 0 and not self._ended:
                await self._places.acquire()
                self._held = True
                if self._ended:
                    self._lend()

    def _lend(self) -> None:
        if self._held:
            self._held = False
            self._places.release()

    def give_back(self) -> None:
        """The pass has ended; a task that it left behind takes no place any more."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._lend()


@contextlib.asynccontextmanager
async def _correlated(state: ApplicationState) -> AsyncIterator[None]:
    """Every line that is logged inside carries the id of the commit's way from poll to health."""
    with structlog.contextvars.bound_contextvars(id=state.schedule.correlation):
        yield
