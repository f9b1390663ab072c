"""`gitops run`: every part of the controller joined. Applications come in, passes go out, a part that dies is seen.

Roster ──► Fleet ◄── Poller (new commits)
             │  ◄── watches (drift, health)
             │  ◄── people's words, through the store
             ▼
           Lanes, one per cluster ──► conduct.pass_over ──► the one pipeline
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import structlog

from gitops.controller.app_of_apps import Children
from gitops.controller.cluster_worker import Connect, Connected, Lane
from gitops.controller.clusters import Lanes
from gitops.controller.commands import People, came_to
from gitops.controller.crd_source import CustomResources
from gitops.controller.metrics import Tally
from gitops.controller.poller import Poller
from gitops.controller.queue import Priority
from gitops.controller.reconciler import Means
from gitops.controller.record_writer import Records, record_of
from gitops.controller.registry import Entry, Roster
from gitops.controller.render_cache import RenderCache
from gitops.controller.replica import Alone, Replica
from gitops.controller.state import Fleet, Tracked
from gitops.controller.supervisor import Parts
from gitops.controller.watch_events import Events
from gitops.logs import Trouble
from gitops.model.application import Application
from gitops.model.errors import GitopsError, LostStoreError
from gitops.model.operator_command import APPROVED, PING, REFRESH, SYNC, answer_text
from gitops.model.record import Record
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.ports import Asked, Clock, Repositories, Store

log = structlog.get_logger()
_STORE_SECONDS = 1.0
_GRACE_SECONDS = 6.0
_STAND_BY_SECONDS = 2.0


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
        self._connect = connect
        self._repositories = repositories
        self.renders = renders
        self.store = store
        self.clock = clock
        self._version = version
        self.fleet = Fleet()
        self.roster = Roster(self._changed, self._gone)
        self.poller = Poller(repositories, self.fleet, clock, self._on_commit, self._on_look, self._tell)
        self.people = People(store, self._on_word, self._on_wish)
        self.replica: Replica | Alone = Alone()
        self.records = Records(store, clock, self._record, self.runs, lambda: self.is_ready)
        self.children = Children(self.roster, self._take_over)
        self.on_status: Callable[[Tracked], None] = lambda _: None
        self.cluster_refused: Callable[[Application], str] = lambda _: ""
        self.resources: CustomResources | None = None
        self._parts = Parts()
        self._events = Events(self.fleet, self._wake, self._tell)
        self.lanes = Lanes(
            self.fleet,
            clock,
            self._parts,
            connect=self._connected,
            lane_of=self._lane,
            unknown=self._cluster_unknown,
            refused=lambda tracked: self.cluster_refused(tracked.app),
        )
        self._ready = False
        self.tally = Tally()

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

    async def _until_single(self, stop: asyncio.Event) -> None:
        """Stand by while another process runs on a store that only one may use."""
        told = False
        while not stop.is_set() and not await self.store.claim_single():
            if not told:
                log.warning("controller.stands-by", reason="another gitops run uses this state folder")
                told = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STAND_BY_SECONDS):
                    await stop.wait()

    async def _end(self) -> None:
        """End the passes in hand, give the Applications away, close what is open; within the grace of a SIGTERM."""
        self._ready = False
        self.poller.stop()
        all_ended = await self._parts.end(_GRACE_SECONDS)
        if isinstance(self.replica, Replica) and all_ended:  # else the Lease runs out by itself, after their writes
            await self.replica.leave()
        with contextlib.suppress(GitopsError):
            await self.records.write()
        await self.lanes.close()
        await self._repositories.close()
        log.info("controller.stopped")

    # ── Applications come, change and go ─────────────────────────────────────────────────────────────────────────

    def _changed(self, entry: Entry) -> None:
        known = self.fleet.get(entry.app.identity)
        before = known.cluster if known is not None else ""
        tracked = self.fleet.add(entry.app)
        tracked.leaving, tracked.spec_error = entry.leaving, entry.wrong
        if tracked.task is not None and not entry.wrong:  # it goes by the old spec
            tracked.task.cancel()
        if before != tracked.cluster:
            self.lanes.drop(before, tracked.identity)
        tracked.begin_anew()
        log.info("application.known", application=tracked.identity)
        self.records.changed(tracked.identity)
        if known is not None and tracked.answer is None:  # what its resource says is about another source
            self.on_status(tracked)
        if self._may_run(tracked):
            self.poller.add(tracked)
        if tracked.has_work:
            self._wake(tracked, Priority.PERSON)

    async def _left(self, tracked: Tracked) -> None:
        await self.people.forget(tracked.identity)
        if self.resources is not None:
            await self.resources.let_finish(tracked.identity)

    async def _reason_to_stay(self, tracked: Tracked) -> str:
        return await self.resources.reason_to_stay(tracked.identity) if self.resources is not None else ""

    def _gone(self, identity: str) -> None:
        tracked = self.fleet.get(identity)
        if tracked is None:
            return
        log.info("application.gone", application=identity)
        self._events.something_went = True
        self.children.gone(identity)
        self.poller.forget(tracked)
        self.fleet.remove(identity)
        self.records.changed(identity)
        self.lanes.drop(tracked.cluster, identity)
        if tracked.task is not None:
            tracked.task.cancel()

    # ── what wakes a pass ────────────────────────────────────────────────────────────────────────────────────────

    def _wake(self, tracked: Tracked, priority: Priority) -> None:
        if self._ready and self._may_run(tracked):
            self.lanes.put(tracked, priority)

    def _may_run(self, tracked: Tracked) -> bool:
        """Whether this replica runs it now; what it may not answer for a moment is looked for when it may again."""
        may = self.runs(tracked.identity)
        tracked.is_ours = tracked.is_ours and may
        return may

    def _cluster_unknown(self, tracked: Tracked, error: str) -> None:
        if tracked.error != error:
            log.warning("cluster.unknown", application=tracked.identity, error=error)
        tracked.missed(error)
        self._answer(tracked.asked, Outcome.FAILED, error)
        tracked.asked = None
        self._tell(tracked)

    def _on_commit(self, tracked: Tracked, revision: Revision) -> None:
        """A commit that may change what is desired; where it will be synced, a pass for an older one has no point."""
        tracked.head, tracked.pushed_at = revision, self.clock.monotonic()
        tracked.correlation = secrets.token_hex(4)
        tracked.begin_anew()
        tracked.corrections, tracked.fights = [], ()
        if tracked.looking is not None:
            tracked.asked, tracked.looking = tracked.looking, None
        if tracked.task is not None and tracked.app.sync.automated and not self.people.is_suspended(tracked.identity):
            tracked.task.cancel()
        self._wake(tracked, Priority.COMMIT)

    def _on_look(self, tracked: Tracked, error: str) -> None:
        if tracked.look_error != error:
            tracked.look_error = error
            self._tell(tracked)
            if error and tracked.head is None:
                self._wake(tracked, Priority.DRIFT)
        asked, tracked.looking = tracked.looking, None
        if asked is not None and error and (asked.verb == REFRESH or tracked.head is None):
            self._answer(asked, Outcome.FAILED, error)
        elif asked is not None:
            tracked.asked = asked
            self._wake(tracked, Priority.PERSON)

    def wake_all(self) -> None:
        """This replica may run what it could not before. What another ran may be at a newer commit: look first."""
        for tracked in self.fleet:
            self._take_over(tracked.identity)

    def _take_over(self, identity: str) -> None:
        tracked = self.fleet.get(identity)
        if tracked is not None and self.runs(identity) and not tracked.is_ours:
            tracked.is_ours = True
            self.records.forget(identity)
            tracked.forget_source()
            self.poller.add(tracked)
            if tracked.leaving:
                self._wake(tracked, Priority.COMMIT)

    async def let_go(self, stays: Callable[[str], bool]) -> None:
        """End the passes of the Applications that go to another replica, and wait until they have ended."""
        ending = []
        for tracked in self.fleet:
            if not stays(self.children.root_of(tracked.identity)):
                tracked.is_ours = False
                self.children.let_go(tracked.identity)
                self.poller.remove(tracked)
                for asked in filter(None, (tracked.looking, tracked.asked)):  # the other one takes it from the store
                    self.people.give_back(asked)
                tracked.looking = tracked.asked = None
                if tracked.task is not None:
                    tracked.task.cancel()
                    ending.append(tracked.task)
        if ending:
            await asyncio.gather(*ending, return_exceptions=True)

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, tracked: Tracked) -> None:
        lane = self.lanes.get(tracked.cluster)
        if tracked.unhealthy and lane is not None:
            lane.troubles.note(tracked)
        self.records.changed(tracked.identity)
        self.on_status(tracked)

    def runs(self, identity: str) -> bool:
        return self.children.are_known(identity) and self.replica.runs(self.children.root_of(identity))

    def _record(self, identity: str) -> Record | None:
        tracked, entry = self.fleet.get(identity), self.roster.entry(identity)
        if tracked is None or entry is None:
            return None
        return record_of(tracked, is_resource=entry.key is not None, suspended=self.people.is_suspended(identity))

    # ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _connected(self, name: str) -> Connected:
        return await self._connect(
            name,
            partial(self._events.on_object, name),
            self.replica.may_write,
        )

    def _lane(self, name: str, connected: Connected) -> Lane:
        means = Means(
            connected.cluster,
            self._repositories,
            self.renders,
            self.store,
            self.clock,
            self._version,
            self.replica.actor,
            self._left,
            self._reason_to_stay,
            self.children,
            self.tally.noted,
        )
        return Lane(
            name,
            means,
            self.fleet,
            may_run=lambda tracked: self._may_run(tracked) and not self.cluster_refused(tracked.app),
            word_of=self.people.word_of,
            ended=self._pass_ended,
            told=self._tell,
        )

    def _pass_ended(self, tracked: Tracked, asked: Asked | None, finished: bool, seconds: float) -> None:
        if finished:
            self._answer(asked, *came_to(tracked))
            if tracked.asked is asked:
                tracked.asked = None
            if self.people.uses_up(tracked):
                self._parts.once(self.store.set_setting(tracked.identity, APPROVED, None))
            self.tally.count(tracked, seconds)
            standing = (tracked.answer, tracked.digest, tracked.health.word)
            if standing != tracked.told:
                tracked.told = standing
                for other in self.fleet.dependents(tracked.identity):
                    self._wake(other, Priority.RESYNC)
        self._tell(tracked)

    # ── what people say ──────────────────────────────────────────────────────────────────────────────────────────

    def _on_word(self, identity: str) -> None:
        """The record tells of it at once; a suspension ends what is under way, unless a person asked for that."""
        tracked = self.fleet.get(identity)
        if tracked is None:
            return
        self._tell(tracked)
        if tracked.task is not None and self.people.is_suspended(identity) and tracked.wish is None:
            tracked.task.cancel()
        if tracked.has_work:
            self._wake(tracked, Priority.PERSON)

    async def _follow_store(self, stop: asyncio.Event) -> None:
        """Begin the work when the store is ours, then take in what people ask for through it.

        A store that fails for a while is asked again; one that is lost ends the controller.
        """
        await self._until_single(stop)
        await self.store.check_place()
        await self.people.read_words()
        await self.records.load()
        self.poller.start()
        self._ready = True
        log.info("controller.started", applications=len(self.fleet))
        for tracked in self.fleet:
            if tracked.leaving:  # which waited for what people have said
                self._wake(tracked, Priority.COMMIT)
        trouble = Trouble(log, "store.unavailable", "store.available")
        while True:
            await self.clock.sleep(_STORE_SECONDS)
            try:
                await self.store.check_place()
                await self.people.read_words()
                await self.people.read_wishes()
                await self.records.write()
                trouble.is_over()
                self._events.wake_waiting()
            except LostStoreError:
                raise
            except GitopsError as exc:
                trouble.is_there(exc)

    def _on_wish(self, asked: Asked) -> bool:
        tracked = self.fleet.get(asked.application)
        if tracked is None or not self.runs(asked.application):
            return False
        if asked.verb not in (SYNC, REFRESH):  # a ping, or a word of a newer version
            self._answer(asked, Outcome.IN_SYNC if asked.verb == PING else Outcome.FAILED, f"{asked.verb} is heard")
            return True
        log.info("request.taken", application=asked.application, verb=asked.verb, actor=asked.actor)
        tracked.begin_anew()
        tracked.fights = ()
        for other in filter(None, (tracked.looking, tracked.asked)):
            self._answer(
                other, Outcome.FAILED, f"{asked.actor} asked for a {asked.verb} meanwhile, which is done instead"
            )
        tracked.asked, tracked.looking = None, asked
        self.renders.forget(asked.application)
        self.poller.wake(tracked)
        return True

    def _answer(self, asked: Asked | None, outcome: Outcome, message: str) -> None:
        if asked is not None:
            self._parts.once(self.store.answer(asked.number, answer_text(outcome, message)))
