"""Looks at repositories in turn: one look per repository and interval, for all Applications that share it.

    look (ls-remote) ──► heads ──► fetch what is new ──► whose reads did the commit touch? ──► on_commit
                                                                └── the others move on without a render

A look that fails backs off for its host; looks do not wait for one another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gitops.controller.fleet import Fleet, Tracked
from gitops.model.application import Application
from gitops.model.errors import GitopsError
from gitops.model.revision import Revision, Tree
from gitops.ports import Clock, Refs, Repositories

log = structlog.get_logger()
_FIRST_BACKOFF, _LONGEST_BACKOFF = 5.0, 300.0
# Looks are spread over a tenth of the interval, so that replicas and repositories do not ask in step.
_JITTER = 0.1
# One wrong address is its owner's trouble; so many in a row without a right one are the host's.
_HOST_FAILS_FROM = 3
_LONGEST_JITTER = 30.0


@dataclass(slots=True)
class _Backoff:
    """`failing` are the repositories of a host that failed since one was read."""

    failures: int = 0
    not_before: float = 0.0
    failing: set[str] = field(default_factory=set)

    def failed(self, now: float) -> float:
        """The seconds to wait."""
        self.failures += 1
        wait = min(_FIRST_BACKOFF * 2.0 ** min(self.failures, 10), _LONGEST_BACKOFF)
        self.not_before = now + wait
        return wait

    def worked(self) -> None:
        self.failures, self.not_before = 0, 0.0
        self.failing.clear()


@dataclass(slots=True)
class _Repository:
    app: Application  # any of those who share it
    interval: float
    members: set[str] = field(default_factory=set)
    due: float = 0.0  # the interval that the next look was scheduled with, while that is to come at once
    is_looked_at: bool = False
    again: bool = False  # asked for while a look was under way
    settled: Refs | None = None  # what the refs were when every member had been told of them
    backoff: _Backoff = field(default_factory=_Backoff)
    error: str = ""  # of the last look


class Poller:
    """`on_commit` hears of an Application whose desired state a new commit may change, `on_moved` of the others.

    `on_look` hears of each look at an Application's repository what is wrong with it, "" when nothing is; what was new
    has been told by then.
    """

    def __init__(
        self,
        repositories: Repositories,
        fleet: Fleet,
        clock: Clock,
        on_commit: Callable[[Tracked, Revision], None],
        on_look: Callable[[Tracked, str], None],
        on_moved: Callable[[Tracked], None],
    ) -> None:
        self._on_moved = on_moved
        self._repositories = repositories
        self._fleet = fleet
        self._clock = clock
        self._on_commit = on_commit
        self._on_look = on_look
        self._known: dict[str, _Repository] = {}
        self._names: dict[str, str] = {}  # the repository that each Application was added with
        self._hosts: dict[str, _Backoff] = {}
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self.looks = 0

    def name_of(self, tracked: Tracked) -> str:
        """Applications with one name share one look."""
        return self._repositories.name_of(tracked.app)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def add(self, tracked: Tracked) -> None:
        """Look for this Application too, at once; an interval shorter than the others' holds for all who share."""
        name = self._repositories.name_of(tracked.app)
        if self._names.get(tracked.identity, name) != name:
            self.remove(tracked)
        self._names[tracked.identity] = name
        known = self._known.setdefault(name, _Repository(tracked.app, tracked.app.interval))
        known.members.add(tracked.identity)
        known.interval = min(known.interval, tracked.app.interval)
        known.settled = None
        self._schedule(name, known)

    def remove(self, tracked: Tracked) -> None:
        name = self._names.pop(tracked.identity, None)
        if name is not None:
            self._leave(name, self._known[name], tracked.identity)

    def wake(self, tracked: Tracked) -> None:
        """Look at the repository of this Application now."""
        name = self._repositories.name_of(tracked.app)
        if name in self._known:
            self._host(self._known[name].app).worked()
            self._known[name].backoff.worked()
            self._known[name].settled = None
            self._schedule(name, self._known[name])

    def _leave(self, name: str, found: _Repository, identity: str) -> None:
        found.members.discard(identity)
        left = self._members(found)
        if left:  # credentials are looked up for one that is there, and its interval is no longer anybody's
            found.app = left[0].app
            interval = min(tracked.app.interval for tracked in left)
            if interval != found.interval:
                found.interval = interval
                self._schedule(name, found)
        if not found.members:
            del self._known[name]
            host = _host_of(found.app.source.repoURL)
            if all(_host_of(other.app.source.repoURL) != host for other in self._known.values()):
                self._hosts.pop(host, None)
            try:
                self._scheduler.remove_job(name)
            except JobLookupError:
                log.debug("poll.already-gone", repository=found.app.source.address)

    def _schedule(self, name: str, known: _Repository) -> None:
        """Look now, and at every interval from then on."""
        if known.due == known.interval:
            return
        known.due = known.interval
        known.again = known.is_looked_at
        jitter = min(known.interval * _JITTER, _LONGEST_JITTER)
        self._scheduler.add_job(
            self._look,
            IntervalTrigger(seconds=known.interval, jitter=jitter),
            args=[name],
            id=name,
            replace_existing=True,
            next_run_time=self._clock.now(),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _host(self, app: Application) -> _Backoff:
        return self._hosts.setdefault(_host_of(app.source.repoURL), _Backoff())

    async def _look(self, name: str) -> None:
        known = self._known.get(name)
        if known is None:
            return
        known.is_looked_at, known.due = True, 0.0
        try:
            await self._look_once(name, known)
            while known.again:
                known.again = False
                await self._look_once(name, known)
        except Exception:
            # A fault of ours, or an address that nobody expected: its own Applications are told, the others go on.
            log.exception("poll.crashed", repository=known.app.source.address)
            self._look_failed(name, known, self._host(known.app), "a fault in the controller; see its log")
        finally:
            known.is_looked_at = False

    async def _look_once(self, name: str, known: _Repository) -> None:
        host, now = self._host(known.app), self._clock.monotonic()
        if now < max(host.not_before, known.backoff.not_before):
            return
        try:
            self.looks += 1
            refs = await self._repositories.look(known.app)
        except GitopsError as exc:
            self._look_failed(name, known, host, str(exc))
            return
        host.worked()
        known.backoff.worked()
        if refs != known.settled:
            known.settled = refs
            await self._spread(known, refs)
        if known.error:
            log.info("poll.works-again", repository=known.app.source.address)
            known.error = ""

    def _look_failed(self, name: str, known: _Repository, host: _Backoff, error: str) -> None:
        """Leave the repository alone for a while; and its host, when nothing there can be read."""
        now = self._clock.monotonic()
        wait = known.backoff.failed(now)
        known.settled = None
        host.failing.add(name)
        if len(host.failing) >= _HOST_FAILS_FROM:
            host.failed(now)
        if error != known.error:
            known.error = error
            log.warning("poll.failed", repository=known.app.source.address, error=error, again_in=wait)
        for tracked in self._members(known):
            self._on_look(tracked, error)

    def _members(self, known: _Repository) -> list[Tracked]:
        found = (self._fleet.get(identity) for identity in sorted(known.members))
        return [tracked for tracked in found if tracked is not None]

    async def _spread(self, known: _Repository, refs: Refs) -> None:
        """Tell each Application what its target means now; those that move together are compared together."""
        moves: dict[tuple[str, Revision], list[Tracked]] = {}
        url, members = known.app.source.address, self._members(known)
        errors: dict[str, str] = {}
        for tracked in members:
            target = tracked.app.source.targetRevision
            revision = refs.revision(target)
            if revision is None:
                errors[tracked.identity] = f"{url}: {refs.missing(target)}"
            elif tracked.head is None or tracked.head.sha != revision.sha:
                moves.setdefault((tracked.head.sha if tracked.head else "", revision), []).append(tracked)
        for (old, revision), moving in moves.items():
            try:
                await self._move(known.app, old, revision, moving)
            except GitopsError as exc:  # a commit that cannot be had is the trouble of those who name it
                known.settled = None
                errors |= dict.fromkeys((tracked.identity for tracked in moving), str(exc))
        for tracked in members:
            error, before = errors.get(tracked.identity, ""), tracked.look_error
            if error and error != before:
                log.warning("revision.missing", application=tracked.identity, error=error)
            elif before and not error and not known.error:  # else the whole repository was away, which is told once
                log.info("revision.found", application=tracked.identity)
            self._on_look(tracked, error)

    async def _move(self, app: Application, old: str, revision: Revision, members: list[Tracked]) -> None:
        tree = await self._repositories.tree(app, revision)
        changed = await self._repositories.changed(app, old, revision.sha) if old else None
        log.info("commit.seen", repository=app.source.address, revision=revision.sha, applications=len(members))
        for tracked in members:
            if _may_differ(tracked, old, changed, tree):
                self._on_commit(tracked, revision)
            else:
                tracked.head, tracked.current = revision, revision.sha
                self._on_moved(tracked)


def _host_of(url: str) -> str:
    """The server's name; git's short form (user@host:path) has none that urlsplit knows, and stands for itself."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return url


def _may_differ(tracked: Tracked, old: str, changed: frozenset[str] | None, tree: Tree) -> bool:
    """Whether the commit of `tree` may mean another desired state than `old`, from which it `changed` these paths."""
    if tracked.reads is None or tracked.current != old:  # what `old` reads is not known yet
        return True
    return (changed is None or tracked.is_touched(changed)) and not tree.fresh().answers_alike(tracked.reads)
