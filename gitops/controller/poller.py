"""Looks at repositories in turn: one look per repository and interval, for all Applications that share it.

    look (ls-remote) ──► heads ──► fetch what is new ──► whose reads did the commit touch? ──► on_commit
                                                                └── the others move on without a render

A look that fails backs off, for its repository or, if it is the host's fault, for all of that host (`hosts`); so does a
commit that cannot be fetched. Looks do not wait for one another: each tenant has so many places of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from gitops.controller.git_hosts import Backoff, Host, host_of
from gitops.controller.limiter import TenantLimiter
from gitops.controller.state import ApplicationIndex, ApplicationState
from gitops.controller.timetable import Timetable
from gitops.model.application import Application
from gitops.model.errors import GitopsError
from gitops.model.reads import ChangedPaths
from gitops.model.revision import Revision, Tree
from gitops.ports import Clock, Refs, Repositories

log = structlog.get_logger()
_SHORTEST_INTERVAL = 0.2
_LOOKS_EACH = 16
# When a host's time is over, the repositories that could be read before are looked at first, the others so much later.
_FIRST_THE_GOOD = 1.0
# A look that is put off for its host's sake is told after so long: until then all is probably as it was.
_TOLD_AFTER = 30.0


@dataclass(slots=True)
class _Missing(Backoff):
    """A commit that could not be fetched; `error` says why."""

    error: str = ""


@dataclass(slots=True)
class _Members:
    """The Applications that share a repository, by identity, and how often it is looked at for them."""

    interval: float  # the shortest that one of them wants
    wanted: dict[str, float] = field(default_factory=dict)
    _counts: Counter[float] = field(default_factory=Counter)

    def want(self, identity: str, interval: float | None) -> None:
        """Another interval of one who shares it, None for one who leaves; the shortest holds for all."""
        before = self.wanted.pop(identity, None)
        if before is not None:
            self._counts[before] -= 1
            self._counts += Counter()  # what is left of none is no more
        if interval is not None:
            self.wanted[identity] = interval
            self._counts[interval] += 1
        if self._counts:
            self.interval = max(min(self._counts), _SHORTEST_INTERVAL)


@dataclass(slots=True)
class _Repository:
    app: Application  # any of those who share it
    members: _Members
    due: float = 0.0  # the interval that the next look was scheduled with, while that is to come at once
    is_looked_at: bool = False
    again: bool = False  # asked for while a look was under way
    settled: Refs | None = None  # what the refs were when every member had been told of them
    backoff: Backoff = field(default_factory=Backoff)
    missing: dict[str, _Missing] = field(default_factory=dict)  # commit → why it is not here
    error: str = ""  # of the last look
    looked_at: str = ""  # when that was (RFC 3339)
    has_worked: bool = False
    put_off: float | None = None  # since when no look was had, for the host's sake


class Poller:
    """`on_commit` hears of an Application whose desired state a new commit may change, `on_moved` of the others.

    `on_look` hears of each look at an Application's repository what is wrong with it, "" when nothing is; what was new
    has been told by then.
    """

    def __init__(
        self,
        repositories: Repositories,
        index: ApplicationIndex,
        clock: Clock,
        on_commit: Callable[[ApplicationState, Revision], None],
        on_look: Callable[[ApplicationState, str], None],
        on_moved: Callable[[ApplicationState], None],
    ) -> None:
        self._on_moved = on_moved
        self._repositories = repositories
        self._index = index
        self._clock = clock
        self._on_commit = on_commit
        self._on_look = on_look
        self._known: dict[str, _Repository] = {}
        self._names: dict[str, str] = {}  # the repository that each Application was added with
        self._hosts: dict[str, Host] = {}
        self._turns = TenantLimiter(_LOOKS_EACH)
        self._forgetting: set[asyncio.Task[None]] = set()
        self._timetable = Timetable(clock, self._look)
        self.looks = 0

    def looked_at(self, state: ApplicationState) -> str:
        """When its repository was looked at last (RFC 3339), "" where this replica has not done so."""
        known = self._known.get(self._names.get(state.identity, ""))
        return known.looked_at if known is not None else ""

    def name_of(self, state: ApplicationState) -> str:
        """Applications with one name share one look."""
        return self._repositories.name_of(state.app)

    def start(self) -> None:
        self._timetable.start()

    def stop(self) -> None:
        self._timetable.stop()

    def add(self, state: ApplicationState) -> None:
        """Look for this Application too, at once; the shortest interval of all who share holds.

        Where its repository is left alone now, it is told at once what those who share it were told.
        """
        name = self._repositories.name_of(state.app)
        if self._names.get(state.identity, name) != name:
            self.forget(state)
        self._names[state.identity] = name
        known = self._known.setdefault(name, _Repository(state.app, _Members(state.app.interval)))
        known.members.want(state.identity, state.app.interval)
        known.settled = None
        self._schedule(name, known)
        if known.error and self._wait(known) > 0:
            self._on_look(state, known.error)

    def remove(self, state: ApplicationState) -> None:
        """Look for this Application no more; another replica may be about to."""
        name = self._names.pop(state.identity, None)
        if name is not None:
            self._leave(name, self._known[name], state.identity)

    def forget(self, state: ApplicationState) -> None:
        """The same, and drop what is kept of its repository, if nobody else reads that."""
        name = self._names.get(state.identity, "")
        found = self._known.get(name)
        self.remove(state)
        used = {source.address for other in self._known.values() for source in other.app.all_sources}
        left = tuple(source for source in found.app.all_sources if source.address not in used) if found else ()
        if found is None or not left:
            return
        task = asyncio.create_task(self._forget(found.app.with_sources(left)), name="forget")
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, app: Application) -> None:
        try:
            await self._repositories.forget(app)
        except (GitopsError, OSError) as exc:  # what is left goes in time
            log.warning("mirror.not-removed", repository=app.address, error=str(exc))

    def wake(self, state: ApplicationState) -> None:
        """Look at the repository of this Application now."""
        name = self._repositories.name_of(state.app)
        if name in self._known:
            known = self._known[name]
            self._host(known.app).try_again()
            known.backoff.worked()
            known.missing.clear()
            known.settled = None
            self._schedule(name, known)

    def _leave(self, name: str, found: _Repository, identity: str) -> None:
        before = found.members.interval
        found.members.want(identity, None)
        left = next(filter(None, map(self._index.get, found.members.wanted)), None)
        if left is not None:  # credentials are looked up for one that is there, and its interval is no longer anybody's
            found.app = left.app
            if found.members.interval != before:
                self._schedule(name, found)
        if not found.members.wanted:
            del self._known[name]
            host = host_of(found.app)
            if all(host_of(other.app) != host for other in self._known.values()):
                self._hosts.pop(host, None)
            self._timetable.drop(name)

    def _schedule(self, name: str, known: _Repository) -> None:
        """Look now, and at every interval from then on."""
        if known.due == known.members.interval:
            return
        known.due = known.members.interval
        known.again = known.is_looked_at
        self._timetable.every(name, known.members.interval)

    def _host(self, app: Application) -> Host:
        name = host_of(app)
        return self._hosts.setdefault(name, Host(name))

    async def _look(self, name: str) -> None:
        known = self._known.get(name)
        if known is None or known.is_looked_at:
            return
        known.is_looked_at, known.due = True, 0.0
        try:
            await self._look_once(name, known)
            while known.again:
                known.again, known.due = False, 0.0
                await self._look_once(name, known)
        except asyncio.CancelledError:
            return  # the controller ends; the scheduler would call it an error
        except Exception as exc:
            # A fault of ours, or an address that nobody expected: its own Applications are told, the others go on.
            log.exception("poll.crashed", repository=known.app.address)
            self._look_failed(name, known, exc, "a fault in the controller; see its log")
        finally:
            known.is_looked_at = False

    async def _look_once(self, name: str, known: _Repository) -> None:
        members = self._members(known)
        if not members or self._is_put_off(name, known):
            return
        async with self._turns.taken({state.app.namespace for state in members}):
            if self._is_put_off(name, known):  # meanwhile
                return
            try:
                self.looks += 1
                known.looked_at = self._clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
                refs = await self._repositories.look(known.app)
            except GitopsError as exc:
                self._look_failed(name, known, exc, str(exc))
                return
            self._host(known.app).worked()
            known.backoff.worked()
            known.has_worked, known.put_off = True, None
            if refs != known.settled:
                known.settled = refs
                await self._spread(known, refs)
            else:
                for state in members:
                    self._on_look(state, state.source.look_error)
        if known.error:
            log.info("poll.works-again", repository=known.app.address)
            known.error = ""

    def _wait(self, known: _Repository) -> float:
        """The seconds that it, or its host, is left alone for; none are left when this is not above 0."""
        not_before = max(self._host(known.app).backoff.not_before, known.backoff.not_before)
        return not_before - self._clock.monotonic()

    def _is_put_off(self, name: str, known: _Repository) -> bool:
        """Whether it, or its host, is left alone now; then the next look is when that is over."""
        host, now, wait = self._host(known.app), self._clock.monotonic(), self._wait(known)
        if wait <= 0:
            return False
        if known.put_off is None:
            known.put_off = now
        after = wait if known.has_worked else wait + _FIRST_THE_GOOD
        if now - known.put_off < _TOLD_AFTER:
            after = min(after, _TOLD_AFTER)
        elif not known.error:
            self._tell(known, f"its Git host is left alone for a while: {host.error}", wait)
        known.settled = None
        self._timetable.put_off(name, after)
        return True

    def _look_failed(self, name: str, known: _Repository, exc: Exception, error: str) -> None:
        """Leave the repository alone for a while; and its host, when that is to blame."""
        now = self._clock.monotonic()
        wait = known.backoff.failed(now)
        self._host(known.app).failed(name, exc, now)
        known.settled = None
        self._tell(known, error, wait)

    def _tell(self, known: _Repository, error: str, wait: float) -> None:
        if error != known.error:
            known.error = error
            log.warning("poll.failed", repository=known.app.address, error=error, again_in=wait)
        for state in self._members(known):
            self._on_look(state, error)

    def _members(self, known: _Repository) -> list[ApplicationState]:
        found = (self._index.get(identity) for identity in sorted(known.members.wanted))
        return [state for state in found if state is not None]

    async def _spread(self, known: _Repository, refs: Refs) -> None:
        """Tell each Application what its target means now; those that move together are compared together."""
        moves: dict[tuple[str, Revision], list[ApplicationState]] = {}
        members = self._members(known)
        errors: dict[str, str] = {}
        hints: dict[str, str] = {}  # of what may be meant, which changes with every other branch
        for state in members:
            revision = refs.revision(state.app)
            if revision is None:
                errors[state.identity] = refs.missing(state.app)
                hints[state.identity] = refs.hint(state.app)
            elif state.source.observed_revision is None or state.source.observed_revision.sha != revision.sha:
                moves.setdefault(
                    (state.source.observed_revision.sha if state.source.observed_revision else "", revision), []
                ).append(state)
        wanted = {revision.sha for _, revision in moves}
        known.missing = {sha: missing for sha, missing in known.missing.items() if sha in wanted}
        for (old, revision), moving in moves.items():
            error = await self._moved(known, old, revision, moving)
            if error:  # a commit that cannot be had is the trouble of those who name it
                known.settled = None
                errors |= dict.fromkeys((state.identity for state in moving), error)
        for state in members:
            error, before = errors.get(state.identity, ""), state.source.look_error
            told = error + hints.get(state.identity, "")
            if error and before != error and not before.startswith(f"{error} ("):
                log.warning("revision.missing", application=state.identity, error=told)
            elif before and not error and not known.error:  # else the whole repository was away, which is told once
                log.info("revision.found", application=state.identity)
            self._on_look(state, told)

    async def _moved(self, known: _Repository, old: str, revision: Revision, moving: list[ApplicationState]) -> str:
        """Take these Applications to a revision; why it cannot be had, or "". One that failed is not tried at once."""
        now = self._clock.monotonic()
        missing = known.missing.get(revision.sha)
        if missing is not None and now < missing.not_before:
            return missing.error
        try:
            await self._move(known.app, old, revision, moving)
        except GitopsError as exc:
            missing = known.missing.setdefault(revision.sha, _Missing())
            missing.error = str(exc)
            missing.failed(self._clock.monotonic())
            return missing.error
        known.missing.pop(revision.sha, None)
        return ""

    async def _move(self, app: Application, old: str, revision: Revision, members: list[ApplicationState]) -> None:
        tree = await self._repositories.tree(app, revision)
        paths = await self._repositories.changed(app, old, revision.sha) if old else None
        changed = None if paths is None else ChangedPaths.of(paths)
        seen = {"repository": app.address, "ref": revision.ref, "revision": revision.sha}
        log.info("commit.seen", **seen, applications=len(members))
        for state in members:
            if _may_differ(state, old, changed, tree):
                self._on_commit(state, revision)
            else:
                state.source = replace(state.source, observed_revision=revision, equivalent_revision=revision.sha)
                self._on_moved(state)


def _may_differ(state: ApplicationState, old: str, changed: ChangedPaths | None, tree: Tree) -> bool:
    """Whether the commit of `tree` may mean another desired state than `old`, from which it `changed` these paths."""
    reads = state.source.reads
    if reads is None or state.source.equivalent_revision != old:  # what `old` reads is not known yet
        return True
    return not tree.fresh().answers_alike(reads.touched_by(changed))
