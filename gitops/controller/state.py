"""What a controller knows of each Application that it runs, in memory only: a restart finds it all again."""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gitops.engine.drift import Correction, DriftLoop, Override, Response
from gitops.engine.inventory import parent_key, set_id
from gitops.engine.retry import delay_after
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application
from gitops.model.health import Health, HealthWord, worst
from gitops.model.operator_command import SYNC
from gitops.model.release import Quarantine
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.ports import OperatorRequest


@dataclass(slots=True)
class ApplicationState:
    """One Application: its spec, where its source is, what was last planned and done, how its objects are.

    `observed_revision` is what the source holds now; `rendered` is the commit that `reads` (and the last plan) are of.
    `equivalent_revision` is the newest commit that is known to answer those reads alike, and so to mean the same
    desired state.
    """

    app: Application
    observed_revision: Revision | None = None
    rendered: str = ""
    equivalent_revision: str = ""
    reads: Mapping[str, str | None] | None = None
    follows_links: bool = False
    digest: str = ""
    response: Response | None = None
    waits_for_others: bool = False  # it is held by what is another's, or was left somewhere else
    pending: int = 0  # changes of the last plan
    drift: tuple[str, ...] = ()
    drifts_seen: int = 0
    error: str = ""  # of the last pass
    look_error: str = ""  # of the last look at its repository
    spec_error: str = ""  # why its newest spec cannot be read: it is held with the one before
    failures: int = 0  # syncs in a row that failed, which `sync.retry` limits
    misses: int = 0  # passes in a row that came to no decision
    is_away: bool = False  # the last pass could not reach its cluster
    outcome: Outcome | None = None
    message: str = ""
    synced_at: str = ""
    quarantine: Quarantine | None = None
    corrections: list[Correction] = field(default_factory=list)
    drift_loops: tuple[DriftLoop, ...] = ()
    heard: set[ResourceKey] = field(default_factory=set)  # what events told of since the present pass began
    edited: set[ResourceKey] = field(default_factory=set)  # which of those somebody may have changed
    was_edited: asyncio.Event = field(default_factory=asyncio.Event)
    owns: bool | None = None  # whether anything on its cluster is its own; None as long as that is not known
    unhealthy: dict[ResourceKey, Health] = field(default_factory=dict)
    troubles: dict[ResourceKey, str] = field(default_factory=dict)  # what is wrong with the Pods of those
    refresh_request: OperatorRequest | None = None  # a person's wish, until its repository has been looked at
    operator_request: OperatorRequest | None = None  # a person's wish that the next pass answers
    not_before: float = 0.0  # after a failure, drift alone is no reason for a pass earlier than this (monotonic)
    pushed_at: float = 0.0  # when the present head was first seen (monotonic)
    healthy_seconds: float | None = None  # from then until it was healthy; taken by whoever counts it
    sync_seconds: float | None = None  # the last sync's duration; likewise
    correlation: str = ""
    leaving: bool = False  # it is being deleted, and what it owns is to be pruned
    plan_id: str = ""  # of the newest plan
    approved_set: str = ""  # the digest of the set whose plan a person has approved, until its sync is done
    held: frozenset[str] = frozenset()  # why it is held, each reason as it was told
    told: object = None  # how it stood when those that depend on it were woken last
    is_ours: bool = False  # this replica has been running it, and has missed nothing
    task: asyncio.Task[None] | None = None

    @property
    def identity(self) -> str:
        return self.app.identity

    @property
    def cluster(self) -> str:
        """The name of the cluster that it goes to; "" is the one that we are at home in."""
        name = self.app.destination.cluster
        return "" if name == "in-cluster" else name

    @property
    def set_id(self) -> str:
        return set_id(parent_key(self.app.name, self.app.destination.namespace))

    @property
    def depends_on(self) -> list[str]:
        """The identities of the Applications that must be healthy first."""
        return [name if "/" in name else f"{self.app.namespace}/{name}" for name in self.app.dependsOn]

    @property
    def requested_sync(self) -> OperatorRequest | None:
        """A person's wish for a sync, not only for a look."""
        return (
            self.operator_request if self.operator_request is not None and self.operator_request.verb == SYNC else None
        )

    @property
    def has_work(self) -> bool:
        """Whether a pass has anything to go by; where its repository cannot be read, that is what was synced last."""
        return self.observed_revision is not None or self.leaving or bool(self.look_error)

    @property
    def problem(self) -> str:
        """What keeps it from being known how it stands, or ""."""
        return self.spec_error or self.error or self.look_error

    def has_another_plan(self, word: Override) -> bool:
        """Whether the newest plan is not the one that was approved, nor the rest of it after a failure."""
        is_of_it = bool(self.approved_set) and self.approved_set == self.digest
        return bool(self.plan_id) and not is_of_it and not word.approves(self.plan_id)

    def begin_anew(self) -> None:
        """What failed before has nothing to say any more: there is a new commit, another spec, or a person's word."""
        self.failures, self.misses, self.not_before = 0, 0, 0.0

    @property
    def is_given_up(self) -> bool:
        """Its sync has failed as often as it is tried: only a commit, another spec or a person starts the next."""
        return self.failures > 0 and delay_after(self.failures, self.app.sync.retry) is None

    @property
    def tried(self) -> str:
        """A name for what is tried: the commit, and the spec that says how."""
        spec = hashlib.sha256(repr(self.app).encode()).hexdigest()
        return f"{self.observed_revision.sha if self.observed_revision else ''} {spec[:16]}"

    def missed(self, error: str, *, is_away: bool = False) -> None:
        """A pass came to no decision."""
        self.misses += 1
        self.error, self.is_away = error, is_away

    def forget_source(self) -> None:
        """What is known of the source is to be found anew: it is another one, or another replica looked at it."""
        self.observed_revision, self.rendered, self.equivalent_revision, self.reads, self.look_error = (
            None,
            "",
            "",
            None,
            "",
        )
        self.response = None

    @property
    def sync(self) -> str:
        """Synced, OutOfSync or Unknown, as it is before the source has been read."""
        is_planned = self.observed_revision is not None and self.observed_revision.sha == self.equivalent_revision
        if self.problem or self.response is None or not is_planned:
            return "Unknown"
        return "Synced" if self.response is Response.SETTLED else "OutOfSync"

    @property
    def health(self) -> Health:
        """That of the worst object; fixed as long as no event says otherwise. Unknown while nobody has looked."""
        if self.is_away or self.owns is None:
            return Health(HealthWord.UNKNOWN, self.problem)
        if not self.owns:
            return Health(HealthWord.MISSING, "it has not been synced")
        return worst(_explained(health, self.troubles.get(key, "")) for key, health in self.unhealthy.items())

    def is_touched(self, changed: frozenset[str]) -> bool:
        """Whether a commit that changed these paths may render otherwise: then the tree itself must be asked."""
        if self.reads is None or self.follows_links:
            return True
        return any(path in self.reads or self._looked_above(path) for path in changed)

    def _looked_above(self, path: str) -> bool:
        reads = self.reads or {}
        while path:
            path = path.rpartition("/")[0]
            if f"{path}/" in reads or (path and path in reads) or (not path and "" in reads):
                return True
        return False


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

    def add(self, app: Application) -> ApplicationState:
        """Know an Application; one that is known already gets its new spec and keeps what is still true."""
        state = self._all.setdefault(app.identity, ApplicationState(app))
        self._forget(state)
        if state.app.source != app.source:
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
