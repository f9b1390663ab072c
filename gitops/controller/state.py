"""What a controller knows of each Application that it runs, in memory only: a restart finds it all again."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gitops.controller.live_health import LiveHealth
from gitops.controller.pass_report import PassReport, PassResult
from gitops.engine.contents import Contents
from gitops.engine.drift import Correction, DriftLoop, drift_loops_in
from gitops.engine.inventory import parent_key, set_id
from gitops.engine.retry import delay_after
from gitops.engine.states import Override, Response
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application
from gitops.model.health import Health, HealthWord, worst
from gitops.model.operator_command import REFRESH, SYNC, OperatorRequest
from gitops.model.reads import Reads
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.ports import Clock

_MOST_CORRECTIONS = 1000


@dataclass(frozen=True, slots=True)
class SourceState:
    """Where its source is: the poller says what is there, a pass what it read.

    `observed_revision` is what the source holds now; `rendered` is the commit that `reads` (and the last plan) are of.
    `equivalent_revision` is the newest commit that is known to answer those reads alike, and so to mean the same
    desired state. `look_error` is why the last look at the repository failed, or "". `objects` are those of the last
    plan, each with its version, where somebody is told of them: of Kustomizations and HelmReleases of Flux.
    """

    observed_revision: Revision | None = None
    rendered: str = ""
    answered: str = ""  # as `rendered`, of the last plan that something was done about
    equivalent_revision: str = ""
    reads: Reads | None = None
    look_error: str = ""
    objects: tuple[tuple[ResourceKey, str], ...] = ()


def attempt_name(app: Application, source: SourceState) -> str:
    """A name for what a sync tries: the commit, and the spec that says how."""
    spec = hashlib.sha256(repr(app).encode()).hexdigest()
    seen = source.observed_revision
    return f"{seen.sha if seen else ''} {spec[:16]}"


@dataclass(slots=True)
class Schedule:
    """When it is passed over next and for whom; the controller and its cluster's worker keep it.

    `failures` syncs in a row failed (`sync.retry` limits them), `misses` passes in a row came to no decision, and
    `unanswered` plans in a row were refused since a webhook did not answer the API server. Before `not_before`
    (monotonic) drift alone is no reason for a pass. `refresh_request` waits for a look at the repository,
    `operator_request` for the next pass. `approved_set` is the digest of the set whose plan a person has approved,
    until its sync is done. `task` is the pass under way, `cancelled_by` why it is to end, `termination` who ended it.
    `act_result` is what an act came to that is none of a pass.
    """

    failures: int = 0
    misses: int = 0
    unanswered: int = 0
    not_before: float = 0.0
    refresh_request: OperatorRequest | None = None
    operator_request: OperatorRequest | None = None
    approved_set: str = ""
    correlation: str = ""
    task: asyncio.Task[None] | None = None
    cancelled_by: str = ""
    termination: str = ""
    act_result: tuple[Outcome, str] | None = None

    def failed(self) -> int:
        """A sync has failed; how many in a row have by now."""
        self.failures += 1
        return self.failures

    def cancel(self, cause: str) -> None:
        """End the pass that is under way, if one is; `cause` is what is said of it."""
        if self.task is not None:
            self.cancelled_by = self.cancelled_by or cause
            self.task.cancel()

    @property
    def requested_sync(self) -> OperatorRequest | None:
        """What a person asked for, where that is a sync and not only a look."""
        request = self.operator_request
        return request if request is not None and request.verb == SYNC else None

    @property
    def is_for_person(self) -> bool:
        """Whether a person asked for what is done, or done next; a look may be anybody's."""
        return self.operator_request is not None and self.operator_request.verb != REFRESH

    def take_requests(self) -> list[OperatorRequest]:
        """What was asked for and has not been answered; from now on nothing is."""
        open_ = [asked for asked in (self.refresh_request, self.operator_request) if asked is not None]
        self.refresh_request = self.operator_request = None
        return open_

    def withdraw(self, asked: OperatorRequest) -> bool:
        """Whether that was still to be done; from now on it is not."""
        is_open = asked in (self.refresh_request, self.operator_request)
        self.refresh_request = None if self.refresh_request is asked else self.refresh_request
        self.operator_request = None if self.operator_request is asked else self.operator_request
        return is_open

    def begin_anew(self) -> None:
        """What failed before has nothing to say any more: there is a new commit, another spec, or a person's word."""
        self.failures, self.misses, self.unanswered, self.not_before = 0, 0, 0, 0.0


@dataclass(slots=True)
class SyncTimes:
    """When it was synced last (RFC 3339), and how long things took, in seconds; `metrics` takes these once.

    `pushed_at` (monotonic) is when the present revision was first seen: `healthy_seconds` count from then.
    """

    pushed_at: float = 0.0
    synced_at: str = ""
    sync_seconds: float | None = None
    healthy_seconds: float | None = None

    def sync_ended(self, clock: Clock, started: float) -> float:
        """A sync that was started then (monotonic) ends now; how many seconds it took."""
        self.sync_seconds = clock.monotonic() - started
        self.synced_at = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return self.sync_seconds

    def healthy(self, clock: Clock) -> None:
        """The present revision is healthy now."""
        if self.pushed_at:
            self.healthy_seconds, self.pushed_at = clock.monotonic() - self.pushed_at, 0.0

    def counted(self) -> None:
        """What things took has been counted."""
        self.sync_seconds = self.healthy_seconds = None


@dataclass(slots=True)
class DriftHistory:
    """What was put back lately, which fields are left alone after a loop of corrections, and how often it drifted."""

    corrections: list[Correction] = field(default_factory=list)
    loops: tuple[DriftLoop, ...] = ()
    seen: int = 0

    def corrected(self, corrections: Iterable[Correction], now: float) -> tuple[DriftLoop, ...]:
        """These were put back; the drift loops, where that makes a new one."""
        fresh = [*self.corrections, *corrections]
        loops = drift_loops_in(fresh, now)
        self.corrections = fresh[-_MOST_CORRECTIONS:]
        if not set(loops) - set(self.loops):
            return ()
        self.loops = loops
        return loops

    def begin_anew(self, *, keeps_corrections: bool = False) -> None:
        """What was left alone is corrected again."""
        self.loops = ()
        if not keeps_corrections:
            self.corrections = []


@dataclass(slots=True)
class ApplicationState:
    """One Application that this replica knows: its spec, its source, its last pass, its health, what it waits for.

    `spec_error` is why its newest spec cannot be read: it is held with the one before. `leaving` when it is being
    deleted, and what it owns is to be pruned. `is_ours` while this replica runs it and has missed nothing. `told` is
    how it stood when those that depend on it were woken last.
    """

    app: Application
    spec_error: str = ""
    leaving: bool = False
    is_ours: bool = False
    told: object = None
    source: SourceState = field(default_factory=SourceState)
    report: PassReport = field(default_factory=PassReport)
    live: LiveHealth = field(default_factory=LiveHealth)
    schedule: Schedule = field(default_factory=Schedule)
    times: SyncTimes = field(default_factory=SyncTimes)
    drift: DriftHistory = field(default_factory=DriftHistory)
    contents: Contents = field(default_factory=Contents)  # of the set that was planned last

    @property
    def identity(self) -> str:
        return self.app.identity

    @property
    def last(self) -> PassResult:
        """What the last pass came to; the one under way, as far as it has come."""
        return self.report.result

    @property
    def cluster(self) -> str:
        return self.app.cluster

    @property
    def set_id(self) -> str:
        return set_id(parent_key(self.app.name, self.app.destination.namespace))

    @property
    def depends_on(self) -> list[str]:
        """The identities of the Applications that must be ready first."""
        return [name if "/" in name else f"{self.app.namespace}/{name}" for name in self.app.dependsOn]

    @property
    def depends_on_health(self) -> list[str]:
        """Those of them that no expression calls ready."""
        names = zip(self.app.dependsOn, self.depends_on, strict=True)
        return [identity for name, identity in names if name not in self.app.readyExpr]

    @property
    def has_work(self) -> bool:
        """Whether a pass has anything to go by; where its repository cannot be read, that is what was synced last."""
        return self.source.observed_revision is not None or self.leaving or bool(self.source.look_error)

    @property
    def problem(self) -> str:
        """What keeps it from being known how it stands, or ""."""
        return self.spec_error or self.last.error or self.source.look_error

    def has_another_plan(self, word: Override) -> bool:
        """Whether the newest plan is not the one that was approved, nor the rest of it after a failure."""
        is_of_it = bool(self.schedule.approved_set) and self.schedule.approved_set == self.last.digest
        return bool(self.last.plan_id) and not is_of_it and not word.approves(self.last.plan_id)

    @property
    def is_given_up(self) -> bool:
        """Its sync has failed as often as it is tried: only a commit, another spec or a person starts the next."""
        return self.schedule.failures > 0 and delay_after(self.schedule.failures, self.app.sync.retry) is None

    def stands_otherwise(self) -> bool:
        """Whether it stands otherwise than when this was asked last."""
        before, self.told = self.told, (self.last.response, self.last.digest, self.health.word)
        return before != self.told

    def missed(self, error: str, *, is_away: bool = False) -> None:
        """A pass came to no decision."""
        self.schedule.misses += 1
        self.report.missed(error, is_away=is_away)

    def taken_over(self) -> None:
        """Another replica ran it until now: what failed, and what is to be done, is found anew."""
        self.report = PassReport()
        self.forget_source()

    def forget_source(self) -> None:
        """What is known of the source is to be found anew: it is another one, or another replica looked at it."""
        self.source = SourceState()
        self.report.forgotten()

    @property
    def sync(self) -> str:
        """Synced, OutOfSync or Unknown, as it is before the source has been read."""
        seen = self.source.observed_revision
        is_planned = seen is not None and seen.sha == self.source.equivalent_revision
        if self.problem or self.last.response is None or not is_planned:
            return "Unknown"
        return "Synced" if self.last.response is Response.SETTLED else "OutOfSync"

    @property
    def health(self) -> Health:
        """That of the worst object; fixed as long as no event says otherwise. Unknown while nobody has looked."""
        if self.last.is_away or self.live.owns is None:
            return Health(HealthWord.UNKNOWN, self.problem)
        if not self.live.owns:
            return Health(HealthWord.MISSING, "it has not been synced")
        return worst(_explained(health, self.live.failures.get(key, "")) for key, health in self.live.unhealthy.items())


def _explained(health: Health, trouble: str) -> Health:
    return replace(health, message=f"{health.message}; {trouble}" if health.message else trouble) if trouble else health


class ApplicationIndex:
    """The Applications that this replica knows, by identity, by what they read, and by what they own."""

    def __init__(self) -> None:
        self._all: dict[str, ApplicationState] = {}
        self._by_set: dict[tuple[str, str], set[str]] = {}
        self._dependents: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[ApplicationState]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def get(self, identity: str) -> ApplicationState | None:
        return self._all.get(identity)

    def since_seen(self, clock: Clock, identity: str) -> float:
        """How many seconds ago the commit that is synced was first seen; 0 where none waits to become healthy."""
        state = self._all.get(identity)
        pushed_at = state.times.pushed_at if state is not None else 0.0
        return clock.monotonic() - pushed_at if pushed_at else 0.0

    def add(self, app: Application) -> ApplicationState:
        """Know an Application; one that is known already gets its new spec and keeps what is still true."""
        state = self._all.setdefault(app.identity, ApplicationState(app))
        self._forget(state)
        if state.app.all_sources != app.all_sources:
            state.forget_source()
        state.app = app
        self._by_set.setdefault((state.cluster, state.set_id), set()).add(app.identity)
        for other in state.depends_on:
            self._dependents.setdefault(other, set()).add(app.identity)
        return state

    def remove(self, identity: str) -> None:
        known = self._all.pop(identity, None)
        if known is not None:
            self._forget(known)

    def owners(self, cluster: str, set_id: str, named: str) -> list[ApplicationState]:
        """Whose an object of an ApplySet on a cluster is; `named` is what it says itself, "" where it says nothing.

        Several Applications may want one set: all hear of an object that names none of them.
        """
        identities = self._by_set.get((cluster, set_id), set())
        chosen = {named} if named in identities else identities
        return [self._all[identity] for identity in sorted(chosen)]

    def dependents(self, identity: str) -> list[ApplicationState]:
        """Those that wait for this one, when they wait."""
        found = (self._all.get(other) for other in sorted(self._dependents.get(identity, ())))
        return [state for state in found if state is not None and state.identity != identity]

    def _forget(self, known: ApplicationState) -> None:
        place = (known.cluster, known.set_id)
        others = self._by_set.get(place, set()) - {known.identity}
        if others:
            self._by_set[place] = others
        else:
            self._by_set.pop(place, None)
        for other in known.depends_on:
            self._dependents.get(other, set()).discard(known.identity)
