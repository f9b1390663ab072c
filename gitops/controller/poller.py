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
from gitops.model.revision import Revision
from gitops.ports import Clock, Refs, Repositories

log = structlog.get_logger()
_FIRST_BACKOFF, _LONGEST_BACKOFF = 5.0, 300.0
# Looks are spread over a tenth of the interval, so that replicas and repositories do not ask in step.
_JITTER = 0.1
_LONGEST_JITTER = 30.0


@dataclass(slots=True)
class _Repository:
    app: Application  # any of those who share it
    interval: float
    members: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Host:
    failures: int = 0
    not_before: float = 0.0


class Poller:
    """`on_commit` hears of an Application whose desired state a new commit may change, `on_error` of failed looks."""

    def __init__(
        self,
        repositories: Repositories,
        fleet: Fleet,
        clock: Clock,
        on_commit: Callable[[Tracked, Revision], None],
        on_error: Callable[[Tracked, str], None],
    ) -> None:
        self._repositories = repositories
        self._fleet = fleet
        self._clock = clock
        self._on_commit = on_commit
        self._on_error = on_error
        self._known: dict[str, _Repository] = {}
        self._hosts: dict[str, _Host] = {}
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
        for other, found in list(self._known.items()):
            if other != name:
                self._leave(other, found, tracked.identity)
        known = self._known.setdefault(name, _Repository(tracked.app, tracked.app.interval))
        known.members.add(tracked.identity)
        known.interval = min(known.interval, tracked.app.interval)
        self._schedule(name, known)

    def remove(self, tracked: Tracked) -> None:
        for name, found in list(self._known.items()):
            self._leave(name, found, tracked.identity)

    def wake(self, tracked: Tracked) -> None:
        """Look at the repository of this Application now."""
        name = self._repositories.name_of(tracked.app)
        if name in self._known:
            self._host(self._known[name].app).not_before = 0.0
            self._schedule(name, self._known[name])

    def _leave(self, name: str, found: _Repository, identity: str) -> None:
        found.members.discard(identity)
        if not found.members:
            del self._known[name]
            try:
                self._scheduler.remove_job(name)
            except JobLookupError:
                log.debug("poll.already-gone", repository=name)

    def _schedule(self, name: str, known: _Repository) -> None:
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

    def _host(self, app: Application) -> _Host:
        return self._hosts.setdefault(urlsplit(app.source.repoURL).netloc.rpartition("@")[2], _Host())

    async def _look(self, name: str) -> None:
        known = self._known.get(name)
        if known is None:
            return
        host = self._host(known.app)
        if self._clock.monotonic() < host.not_before:
            return
        try:
            self.looks += 1
            refs = await self._repositories.look(known.app)
            host.failures = 0
            await self._spread(known, refs)
        except GitopsError as exc:
            host.failures += 1
            wait = min(_FIRST_BACKOFF * 2 ** min(host.failures, 10), _LONGEST_BACKOFF)
            host.not_before = self._clock.monotonic() + wait
            log.warning("poll.failed", repository=known.app.source.repoURL, error=str(exc), again_in=wait)
            for tracked in self._members(known):
                self._on_error(tracked, str(exc))

    def _members(self, known: _Repository) -> list[Tracked]:
        found = (self._fleet.get(identity) for identity in sorted(known.members))
        return [tracked for tracked in found if tracked is not None]

    async def _spread(self, known: _Repository, refs: Refs) -> None:
        """Tell each Application what its target means now; those that move together are compared together."""
        moves: dict[tuple[str, Revision], list[Tracked]] = {}
        for tracked in self._members(known):
            target = tracked.app.source.targetRevision
            revision = refs.revision(target)
            if revision is None:
                self._on_error(
                    tracked, f"{known.app.source.repoURL}: no branch, tag or whole commit is called {target}"
                )
            elif tracked.head is None or tracked.head.sha != revision.sha:
                moves.setdefault((tracked.head.sha if tracked.head else "", revision), []).append(tracked)
        for (old, revision), members in moves.items():
            try:
                await self._move(known.app, old, revision, members)
            except GitopsError as exc:  # a commit that cannot be had is the trouble of those who name it
                for tracked in members:
                    self._on_error(tracked, str(exc))

    async def _move(self, app: Application, old: str, revision: Revision, members: list[Tracked]) -> None:
        tree = await self._repositories.tree(app, revision)
        changed = await self._repositories.changed(app, old, revision.sha) if old else None
        log.info("commit.seen", repository=app.source.repoURL, revision=revision.sha, applications=len(members))
        for tracked in members:
            may_differ = changed is None or tracked.is_touched(changed)
            if may_differ and not (tracked.reads is not None and tree.fresh().answers_alike(tracked.reads)):
                self._on_commit(tracked, revision)
            else:
                tracked.head = revision
