"""`gitops run`: every part of the controller joined. Applications come in, passes go out, a part that dies is seen.

ApplicationRegistry ──► ApplicationIndex ◄── Poller (new commits)
                                │        ◄── watches (drift, health)
                                │        ◄── operators' commands, through the store
                                ▼
              ClusterWorkers, one per cluster ──► reconciler.reconcile ──► gitops.sync, one pass
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from functools import partial

import structlog

from gitops.controller.app_of_apps import AppOfApps
from gitops.controller.cluster_worker import ClusterWorker, Connect, Connected
from gitops.controller.clusters import ClusterWorkers
from gitops.controller.commands import OperatorCommands, command_result, result_when_gone
from gitops.controller.dependencies import behind, let_go, wake_by_expression
from gitops.controller.event_log import log_event
from gitops.controller.frontends import Frontends
from gitops.controller.leaving import Leaving
from gitops.controller.metrics import PassMetrics
from gitops.controller.operator_requests import OperatorRequests
from gitops.controller.poller import Poller
from gitops.controller.projects import Projects, project_of
from gitops.controller.queue import Priority
from gitops.controller.reconciler import ReconcilerDeps, Relatives
from gitops.controller.record_writer import RecordWriter, record_of
from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.controller.render_cache import RenderCache
from gitops.controller.replica import Alone, Replica, until_single
from gitops.controller.snapshot import ApplicationSnapshot, snapshot_of
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.controller.supervisor import TaskSupervisor
from gitops.controller.termination import Terminations
from gitops.controller.watch_events import WatchEvents
from gitops.logs import Trouble
from gitops.model.application import Application
from gitops.model.errors import GitopsError, LostStoreError
from gitops.model.operator_command import REFRESH, OperatorRequest
from gitops.model.record import Record
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.ports import Clock, Repositories, Store
from gitops.sync.context import About
from gitops.sync.event_bus import EventBus

log = structlog.get_logger()
_STORE_SECONDS = 1.0
_GRACE_SECONDS = 6.0


class Controller:
    """Runs the Applications of a roster until it is told to stop."""

    def __init__(
        self,
        *,
        connect: Connect,
        repositories: Repositories,
        renders: RenderCache,
        store: Store,
        clock: Clock,
        version: str,
    ) -> None:
        self._repositories = repositories
        self.renders = renders
        self.store = store
        self.clock = clock
        self._version = version
        self.index = ApplicationIndex()
        self.registry = ApplicationRegistry(self._changed, self._gone)
        self.poller = Poller(repositories, self.index, clock, self._on_commit, self._on_look, self._tell)
        self.bus = EventBus(log_event)
        self.requests = self._taking_requests()
        self.commands = OperatorCommands(store, self._on_override, self.requests.take)
        self.replica: Replica | Alone = Alone()
        self.records = RecordWriter(store, clock, self._record, self.runs, lambda: self.is_ready)
        self.children = AppOfApps(self.registry, self._take_over)
        self.on_status: Callable[[ApplicationState], None] = lambda _: None
        self.projects = Projects()
        self.refused: Callable[[Application], str] = self.projects.refused  # why one may not be run, or ""
        self.resources = Frontends(self.registry, partial(wake_by_expression, self.index, self._wake))
        self._parts = TaskSupervisor()
        self._events = WatchEvents(self.index, self._wake, self._tell)
        self.workers = ClusterWorkers(
            self.index,
            clock,
            self._parts,
            connect=lambda name: connect(name, partial(self._events.on_object, name), self.replica.may_write),
            worker_of=self._worker,
            unknown=self._not_run,
            refused=lambda state: self.refused(state.app),
        )
        self._ready, self.tally = False, PassMetrics()

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_ready(self) -> bool:
        """Whether it takes part: it has its store, and may write."""
        return self._ready and self.replica.may_write()

    async def run(self, parts: Iterable[tuple[str, Awaitable[None]]], stop: asyncio.Event) -> None:
        """Run until `stop`; `parts` are tasks beside our own. Raises what the first part that dies raised."""
        for name, part in parts:
            self._parts.begin(name, part)
        self._parts.begin("store", self._follow_store(stop))
        try:
            await self._parts.until(stop)
        finally:
            await self._end()

    async def _end(self) -> None:
        """End the passes in hand, give the Applications away, close what is open; within the grace of a SIGTERM."""
        self._ready = False
        self.poller.stop()
        all_ended = await self._parts.end(_GRACE_SECONDS)
        if isinstance(self.replica, Replica) and all_ended:  # else the Lease runs out by itself, after their writes
            await self.replica.leave()
        await self._write()
        await self.workers.close()
        await self._repositories.close()
        log.info("controller.stopped")

    async def _write(self) -> None:
        """Have the store know what there is to be told; one that is away is told nothing."""
        with contextlib.suppress(GitopsError):
            await self.commands.write()
            await self.records.write()

    # ── Applications come, change and go ─────────────────────────────────────────────────────────────────────────

    def _changed(self, entry: Registration) -> None:
        known = self.index.get(entry.app.identity)
        before = known.cluster if known is not None else ""
        state = self.index.add(entry.app)
        if not (entry.wrong or (state.leaving and entry.leaving)):
            state.schedule.cancel("it has another spec")
        state.leaving, state.spec_error = entry.leaving, entry.wrong
        if before != state.cluster:
            self.workers.drop(before, state.identity)
        state.schedule.begin_anew()
        log.info("application.known", application=state.identity)
        self.records.changed(state.identity)
        if known is not None and state.last.response is None:  # what its resource says is about another source
            self.on_status(state)
        if self._may_run(state):
            self._follow(state)
        if state.has_work:
            self._wake(state, Priority.PERSON)

    def _follow(self, state: ApplicationState) -> None:
        """Look at its repository from now on; at none that its project does not permit."""
        if refused := self.projects.refused(state.app):
            self.poller.forget(state)
            state.schedule.cancel("its project does not permit it")
            self._not_run(state, refused)
        else:
            self.poller.add(state)

    def projects_changed(self, names: Collection[str]) -> None:
        """What these permitted they may not any more, and the other way round: what is under way is planned anew."""
        for state in [one for one in self.index if project_of(one.app) in names and self._may_run(one)]:
            self._follow(state)
            state.schedule.cancel("its project says something else now")
            if state.has_work:
                self._wake(state, Priority.COMMIT)

    def _gone(self, identity: str) -> None:
        state = self.index.get(identity)
        if state is None:
            return
        log.info("application.gone", application=identity)
        self._events.went()
        self.children.gone(identity)
        self.poller.forget(state)
        self.index.remove(identity)
        self.records.changed(identity)
        self.workers.drop(state.cluster, identity)
        for asked in state.schedule.take_requests():
            self._answer(asked, *result_when_gone(state, asked))
        state.schedule.cancel("it is gone")

    # ── what wakes a pass ────────────────────────────────────────────────────────────────────────────────────────

    def _wake(self, state: ApplicationState, priority: Priority) -> None:
        if self._ready and self._may_run(state):
            self.workers.put(state, priority)

    def _may_run(self, state: ApplicationState) -> bool:
        """Whether this replica runs it now; what it may not answer for a moment is looked for when it may again."""
        may = self.runs(state.identity)
        state.is_ours = state.is_ours and may
        return may

    def _not_run(self, state: ApplicationState, error: str) -> None:
        """Its project does not permit it, or its cluster cannot be had."""
        if state.last.error != error:
            log.warning("application.not-run", application=state.identity, error=error)
        state.missed(error)
        self._answer(state.schedule.operator_request, Outcome.FAILED, error)
        state.schedule.operator_request = None
        self._tell(state)

    def _on_commit(self, state: ApplicationState, revision: Revision) -> None:
        """A commit that may change what is desired; where it will be synced, a pass for an older one has no point."""
        state.source = replace(state.source, observed_revision=revision)
        state.times.pushed_at = self.clock.monotonic()
        state.schedule.correlation = secrets.token_hex(4)
        self.records.changed(state.identity)
        state.schedule.begin_anew()
        state.drift.begin_anew()
        if state.schedule.refresh_request is not None:
            state.schedule.operator_request, state.schedule.refresh_request = state.schedule.refresh_request, None
        if state.app.sync.automated and not self.commands.is_suspended(state.identity):
            state.schedule.cancel("there is a newer commit")
        self._wake(state, Priority.COMMIT)

    def _on_look(self, state: ApplicationState, error: str) -> None:
        if state.source.look_error != error:
            state.source = replace(state.source, look_error=error)
            self._tell(state)
            if error and state.source.observed_revision is None:
                self._wake(state, Priority.DRIFT)
        asked, state.schedule.refresh_request = state.schedule.refresh_request, None
        if asked is not None and error and (asked.verb == REFRESH or state.source.observed_revision is None):
            self._answer(asked, Outcome.FAILED, error)
        elif asked is not None:
            state.schedule.operator_request = asked
            self._wake(state, Priority.PERSON)
        elif not error and self.renders.reads_cluster(state.identity):
            self._wake(state, Priority.DRIFT)  # what it reads of the cluster may be other than it was

    def wake_all(self) -> None:
        """This replica may run what it could not before. What another ran may be at a newer commit: look first."""
        for state in self.index:
            self._take_over(state.identity)

    def _take_over(self, identity: str) -> None:
        state = self.index.get(identity)
        if state is not None and self.runs(identity) and not state.is_ours:
            state.is_ours = True
            self.records.forget(identity)
            state.taken_over()
            self._follow(state)
            if state.leaving:
                self._wake(state, Priority.COMMIT)

    async def let_go(self, stays: Callable[[str], bool]) -> None:
        """End the passes of the Applications that go to another replica, and wait until they have ended."""
        ending = []
        for state in self.index:
            if not stays(self.children.root_of(state.identity)):
                state.is_ours = False
                self.children.let_go(state.identity)
                self.poller.remove(state)
                for asked in state.schedule.take_requests():  # the other one takes it from the store
                    self.commands.give_back(asked)
                if state.schedule.task is not None:
                    state.schedule.cancel("another replica runs it")
                    ending.append(state.schedule.task)
        if ending:
            await asyncio.gather(*ending, return_exceptions=True)
        await self._write()  # what has failed, or was terminated, the other one goes by

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, state: ApplicationState) -> None:
        worker = self.workers.get(state.cluster)
        if state.live.unhealthy and worker is not None:
            worker.troubles.note(state)
        self.records.changed(state.identity)
        self.on_status(state)

    def runs(self, identity: str) -> bool:
        return self.children.are_known(identity) and self.replica.runs(self.children.root_of(identity))

    def _record(self, identity: str) -> Record | None:
        state, entry = self.index.get(identity), self.registry.entry(identity)
        if state is None or entry is None:
            return None
        return record_of(self.snapshot(state), is_resource=entry.key is not None)

    def snapshot(self, state: ApplicationState) -> ApplicationSnapshot:
        """How the Application stands now, for whoever tells of it."""
        return snapshot_of(state, is_suspended=self.commands.is_suspended(state.identity))

    # ── clusters ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _worker(self, name: str, connected: Connected) -> ClusterWorker:
        about, index = About(self.resources.resource, self.projects.limits), self.index
        relatives = Relatives(self.children, partial(behind, index), about, partial(let_go, index), self._events.went)
        deps = ReconcilerDeps(
            connected.cluster,
            self._repositories,
            self.renders,
            self.store,
            self.clock,
            self._version,
            self.replica.actor,
            Leaving(self.commands.forget, self.resources),
            relatives,
            self.tally.noted,
            self.bus,
        )
        return ClusterWorker(
            name,
            deps,
            self.index,
            may_run=lambda state: self._may_run(state) and not self.refused(state.app),
            override_of=self.commands.override_of,
            ended=self._pass_ended,
            told=self._tell,
        )

    def _pass_ended(
        self, state: ApplicationState, asked: OperatorRequest | None, finished: bool, seconds: float
    ) -> None:
        terminated = self.requests.ended(state, asked, finished=finished)
        if (finished or terminated) and self.commands.consumes_approval(state, terminated=terminated):
            self._parts.once(self.commands.write())
        if finished:
            self._answer(asked, *command_result(state))
            if state.schedule.operator_request is asked:
                state.schedule.operator_request = None
            self.tally.count(state, seconds)
            if state.stands_otherwise():
                for other in self.index.dependents(state.identity):
                    self._wake(other, Priority.RESYNC)
        self._tell(state)

    # ── what people say ──────────────────────────────────────────────────────────────────────────────────────────

    def _on_override(self, identity: str) -> None:
        """The record tells of it at once; a suspension ends what is under way, unless a person asked for that."""
        state = self.index.get(identity)
        if state is None:
            return
        self._tell(state)
        if self.commands.is_suspended(identity) and not state.schedule.is_for_person:
            state.schedule.cancel("it is suspended")
        if state.has_work:
            self._wake(state, Priority.PERSON)

    async def _follow_store(self, stop: asyncio.Event) -> None:
        """Begin the work when the store is ours, then take in what people ask for through it.

        A store that fails for a while is asked again; one that is lost ends the controller.
        """
        await until_single(self.store, stop)
        await self.store.check_place()
        await self.commands.read_overrides()
        await self.records.load()
        self.poller.start()
        self._ready = True
        log.info("controller.started", applications=len(self.index))
        for state in self.index:
            if state.leaving:  # which waited for what people have said
                self._wake(state, Priority.COMMIT)
        trouble = Trouble(log, "store.unavailable", "store.available")
        while True:
            await self.clock.sleep(_STORE_SECONDS)
            try:
                await self.store.check_place()
                await self.commands.write()
                await self.commands.read_overrides()
                await self.commands.read_requests()
                await self.records.write()
                trouble.is_over()
                self._events.wake_waiting()
            except LostStoreError:
                raise
            except GitopsError as exc:
                trouble.is_there(exc)

    def _taking_requests(self) -> OperatorRequests:
        terminations = Terminations(self._answer)
        self.bus.subscribe(terminations.on_event)
        wake = partial(self._wake, priority=Priority.PERSON)
        return OperatorRequests(self._running, self._answer, self._look, wake, terminations)

    def _running(self, identity: str) -> ApplicationState | None:
        return self.index.get(identity) if self.runs(identity) else None

    def _look(self, state: ApplicationState) -> None:
        self.renders.forget(state.identity)
        self.poller.wake(state)

    def _answer(self, asked: OperatorRequest | None, outcome: Outcome, message: str) -> None:
        if asked is not None:
            self.commands.answer(asked, outcome, message)
            self._parts.once(self.commands.write())
