"""What a pass is asked for, what it reaches out to, and the pipeline up to its decision, as data."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from gitops.engine.annotations import labels_of
from gitops.engine.inventory import PART_OF, is_inventory, owner_of, parent_key, set_id
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.commit import CommitNote
from gitops.model.finding import Finding
from gitops.model.plan import Obstacle, Plan
from gitops.model.release import Quarantine
from gitops.model.result import Changed, Decision
from gitops.model.revision import Tree
from gitops.ports import Clock, Cluster, Source, Store
from gitops.sync import events
from renderers.result import Live, Needs, Rendered

if TYPE_CHECKING:
    from gitops.model.project import ProjectLimits

Rendering = Callable[[Callable[[], Rendered | Needs]], Awaitable[Rendered | Needs]]


class Render(Protocol):
    """A tree and an Application (the paths of its sources are those in the tree) → manifests, or what has to be known
    of the cluster first; `live` is what is known so far. What cannot be rendered is a RenderError.
    """

    def __call__(self, tree: Tree, app: Application, *, live: Live) -> Rendered | Needs: ...


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What whoever runs a pass is told of, and what is done around its parts; a command needs none of it."""

    noted: Callable[[], None] = lambda: None  # called for each audit entry
    # Entered while a pass waits for health, so that a controller can give its place to another meanwhile.
    waiting: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext
    rendering: Rendering = asyncio.to_thread  # does a render where it holds up nobody else
    # Entered while a plan is carried out, with what that has written so far.
    beside: "Callable[[PlannedSync, Sequence[Changed]], AbstractAsyncContextManager[None]]" = lambda planned, changed: (
        contextlib.nullcontext()
    )
    # What is said of who ended the sync that is under way, "" where a cancellation has another cause.
    terminated: Callable[[], str] = lambda: ""


async def no_resource(_: str) -> Body | None:
    """Where no custom resources are at hand."""
    return None


@dataclass(frozen=True, slots=True)
class About:
    """What is known of an Application besides its spec, by whoever runs a pass."""

    # The custom resource that it comes from, by its identity; None where it comes from none.
    resource: Callable[[str], Awaitable[Body | None]] = no_resource
    # What its project permits; None for no limits. A command acts by its person's own rights, unless it has projects.
    project: "Callable[[Application], ProjectLimits | None]" = lambda _: None
    # Why its project does not permit it at all, "" where it does; a controller does not begin a pass of such a one.
    refused: Callable[[Application], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class SyncContext:
    """Everything that a pass reaches out to; `version` is ours, written into the inventory parent."""

    source: Source
    render: Render
    cluster: Cluster
    store: Store
    clock: Clock
    version: str
    emit: Callable[[events.Event], None] = lambda _: None
    # The cluster with our own rights, where `cluster` has a service account's: for a word on other Applications.
    everyone: Cluster | None = None
    # What can be taken in that an Application brings and the cluster does not know (group, kind): other Applications.
    child_kinds: frozenset[tuple[str, str]] = frozenset()
    asks_around: bool = True  # False where a look at the whole cluster for each Application would be too much
    callbacks: Callbacks = Callbacks()
    about: About = About()


def as_account(context: SyncContext, app: Application) -> SyncContext:
    """What reaches out for `app`: in the name of its service account, where it names one."""
    if not app.sync.serviceAccount:
        return context
    return replace(context, cluster=account_view(context.cluster, app), everyone=context.everyone or context.cluster)


def account_view(cluster: Cluster, app: Application) -> Cluster:
    """The cluster as the service account of `app` has it: told what is that Application's, it asks for the rest."""
    user = f"system:serviceaccount:{app.namespace}:{app.sync.serviceAccount}"
    own = set_id(parent_key(app.name, app.destination.namespace))

    def is_own(key: ResourceKey, body: Body) -> bool:
        if is_inventory(body):
            return (body.get("data") or {}).get("application") == app.identity
        owner = owner_of(body, key)
        return owner == app.identity or (not owner and labels_of(body).get(PART_OF) == own)

    return cluster.acting_as(user, is_own)


@dataclass(frozen=True, slots=True)
class Request:
    """Which Application is to be passed over, on whose word, and how this one time.

    `quarantine` is set when a person rolls back: the revision that must not come back by itself. `believes_inventory`
    when a person has confirmed that a release may be rendered again though only the inventory names it.
    `is_carried_out` when nobody looks at the plan before it is, `is_manual` when a person asks for it. `let_go` are
    objects that another Application owns and does not want any more.
    """

    app: Application
    actor: str
    options: PlanOptions = field(default_factory=PlanOptions)
    wait: bool = True
    quarantine: Quarantine | None = None
    believes_inventory: bool = False
    is_carried_out: bool = False
    is_manual: bool = True
    let_go: frozenset[ResourceKey] = frozenset()


@dataclass(frozen=True, slots=True)
class PlannedSync:
    """The pipeline up to its decision; `source` names where the desired state came from, `findings` are policies'.

    `forbidden` is what nobody gave us the right to write: that is no obstacle for who only looks.
    """

    at: PlanInput
    plan: Plan
    decision: Decision
    source: str
    findings: tuple[Finding, ...] = ()
    forbidden: tuple[Obstacle, ...] = ()
    commit: CommitNote | None = None  # what there is to be told of the commit, where one is to be synced
