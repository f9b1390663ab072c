"""One pass of the controller for one Application: plan, answer as the rules say, do it, remember what came of it.

The pipeline is `gitops.sync.reconcile`'s; here is only what a one-shot sync has no need of: what people said
before, drift beside a revision that is not synced, retries, drift loops.
"""

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import structlog

from gitops.controller.app_of_apps import AppOfApps
from gitops.controller.automatic_sync import LATER, sync_with_children
from gitops.controller.dependencies import held_behind
from gitops.controller.drift_correction import correct_synced
from gitops.controller.drift_reports import note_drift, note_drift_held
from gitops.controller.leaving import Leaving, asked_before, delete_as_asked, leave
from gitops.controller.limiter import TenantLimiter
from gitops.controller.pass_report import PassResult
from gitops.controller.pinned_source import PinnedSource
from gitops.controller.plan_facts import forget_error, learn_plan, note_response
from gitops.controller.record_writer import recall_failures
from gitops.controller.requested_rollback import roll_back_as_asked
from gitops.controller.requested_tests import test_as_asked
from gitops.controller.state import ApplicationState
from gitops.engine.drift import without_drift_loops
from gitops.engine.plan_input import PlanOptions
from gitops.engine.retry import pause_after
from gitops.engine.states import Override, Response, respond
from gitops.logs import shortened
from gitops.manifests.key import ResourceKey
from gitops.model.application import GROUP, KIND
from gitops.model.errors import (
    AwayError,
    ClusterError,
    ConfigError,
    GitopsError,
    LostLeaseError,
    ManifestError,
    RenderError,
    SourceError,
    UnknownKindError,
    UnreachableError,
)
from gitops.model.operator_command import DELETE, ROLLBACK, SUSPENDED, TEST
from gitops.model.plan import ObstacleKind
from gitops.model.result import Hold
from gitops.ports import Clock, Cluster, Repositories, Store
from gitops.sync.context import About, Callbacks, PlannedSync, Render, Request, SyncContext, as_account
from gitops.sync.event_bus import EventBus
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import held_without_rights, plan_sync
from gitops.sync.reconcile import is_settled
from gitops.sync.run_sync import keep_spec
from renderers.result import Needs, Rendered

log = structlog.get_logger()
# How soon a hold is looked at again that time, another Application or a right that is given ends.
_SOON = 30.0
_PASSING = {ObstacleKind.WINDOW, ObstacleKind.PROJECT_WINDOW, ObstacleKind.DEPENDENCY}
# A cluster that is away is asked for more often than what is wrong is tried again: it comes back by itself.
_FIRST_BACKOFF, _LONGEST_BACKOFF, _LONGEST_AWAY = 5.0, 180.0, 30.0
_RENDERS_EACH = 4


@dataclass(frozen=True, slots=True)
class Relatives:
    """What one Application has to do with others, and what is known of each."""

    # The Applications that Applications hold, where the cluster does not know that kind itself.
    children: AppOfApps
    # Which other Application it has to wait for; "" for none.
    behind: Callable[[ApplicationState], str] = lambda _: ""
    about: About = field(default_factory=About)
    # What holds its plan up as another's, and the other has let go; and who hears that it has let go something itself.
    let_go: Callable[[ApplicationState, PlannedSync], frozenset[ResourceKey]] = lambda *_: frozenset()
    went: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class ReconcilerDeps:
    """What passes on one cluster work with."""

    cluster: Cluster
    repositories: Repositories
    render: Render
    store: Store
    clock: Clock
    version: str
    actor: str  # who the audit log says it was, where nobody asked for a pass
    leaving: Leaving
    relatives: Relatives
    noted: Callable[[], None] = lambda: None
    bus: EventBus = field(default_factory=EventBus)
    rendering: TenantLimiter = field(default_factory=lambda: TenantLimiter(_RENDERS_EACH))


@dataclass(frozen=True, slots=True)
class PassEnd:
    """What a pass came to, and the seconds until the Application wants another; None for no reason of its own."""

    result: PassResult
    again: float | None


async def reconcile(
    state: ApplicationState,
    deps: ReconcilerDeps,
    override: Override,
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> PassEnd:
    """Bring one Application to where it should be. What keeps a pass from a decision is in its result, never raised."""
    again = await _reconciled(state, deps, override, waiting)
    return PassEnd(state.last, again)


async def _reconciled(
    state: ApplicationState,
    deps: ReconcilerDeps,
    override: Override,
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> float | None:
    try:
        again = await _pass(state, deps, override, waiting)
        forget_error(state)
        state.report.reached()
        state.schedule.misses = 0
        return again
    except LostLeaseError as exc:  # nor does that about the cluster: whoever holds the Lease goes on
        state.missed(str(exc))
        return pause_after(state.schedule.misses, _FIRST_BACKOFF, _LONGEST_AWAY)
    except GitopsError as exc:
        # That says nothing about the Application; its cluster's worker tells it for all. A group's is its own trouble.
        if isinstance(exc, UnreachableError) and not isinstance(exc, AwayError):
            state.missed(str(exc), is_away=True)
            return pause_after(state.schedule.misses, _FIRST_BACKOFF, _LONGEST_AWAY)
        if state.last.error != str(exc):
            log.warning("pass.failed", application=state.identity, error=shortened(str(exc)))
        state.missed(str(exc))
        if isinstance(exc, ClusterError):
            with contextlib.suppress(ClusterError):  # the failure itself is what matters
                await deps.cluster.kinds(refresh=True)
        # A kind comes when somebody installs it, a group when its server does.
        longest = _LONGEST_AWAY if isinstance(exc, UnknownKindError | AwayError) else _LONGEST_BACKOFF
        return pause_after(state.schedule.misses, _FIRST_BACKOFF, longest)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass under way: over which Application, on whose word, and what it reaches out to."""

    state: ApplicationState
    deps: ReconcilerDeps
    override: Override
    source: PinnedSource
    context: SyncContext
    request: Request

    async def is_suspended(self) -> bool:
        """By the store itself, before anything is changed: what operators say is read once a second only."""
        return await self.deps.store.setting(self.state.identity, SUSPENDED) is not None

    async def correct_synced(self) -> None:
        """The newest commit may not be synced: drift from the synced one is corrected all the same."""
        if not await self.is_suspended():
            await correct_synced(self.state, self.request, self.context)


async def _pass(
    state: ApplicationState,
    deps: ReconcilerDeps,
    override: Override,
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> float | None:
    state.schedule.act_result = None
    run = _begun(state, deps, override, waiting)
    asked = state.schedule.operator_request
    if state.leaving and asked is None:
        asked = state.schedule.operator_request = await asked_before(state, deps.store)
    if asked is not None and asked.verb == DELETE:
        return await delete_as_asked(state, asked, run.context, deps.leaving)
    if state.leaving and not override.asked and await run.is_suspended():
        state.report.stopped("it is suspended: its deletion waits until it is resumed")
        return None
    if state.leaving:
        return await leave(state, Request(state.app, deps.actor), run.context, deps.leaving)
    if state.spec_error:
        state.report.stopped(state.spec_error)
        return None
    if asked is not None and asked.verb == ROLLBACK:
        return await roll_back_as_asked(state, asked, run.request, run.context)
    if asked is not None and asked.verb == TEST:
        return await test_as_asked(state, asked, run.request, run.context)
    if (await deps.cluster.kinds()).find(GROUP, KIND) is None:
        run = replace(run, context=replace(run.context, child_kinds=frozenset({(GROUP, KIND)})))
    planned = await _plan(run)
    if planned is not None and (taken := deps.relatives.let_go(state, planned)):
        run = replace(run, request=replace(run.request, let_go=taken))
        planned = await _plan(run)
    if planned is None:
        return None
    before = {key for key, _ in state.source.objects}
    learn_plan(state, run.source, planned)
    if before - {key for key, _ in state.source.objects}:
        deps.relatives.went()
    return await _respond(run, planned)


def _begun(
    state: ApplicationState,
    deps: ReconcilerDeps,
    override: Override,
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> _Pass:
    app = without_drift_loops(state.app, state.drift.loops)
    source = PinnedSource(deps.repositories, state, waiting)
    everything = SyncContext(
        source,
        deps.render,
        deps.cluster,
        deps.store,
        deps.clock,
        deps.version,
        emit=deps.bus.emitter(app.identity),
        asks_around=False,
        callbacks=Callbacks(
            noted=deps.noted,
            waiting=waiting,
            rendering=lambda work: _rendered(deps.rendering, app.namespace, work, waiting),
            terminated=lambda: state.schedule.termination,
        ),
        about=deps.relatives.about,
    )
    asked = state.schedule.requested_sync
    # A person confirms what was told, and no more.
    shown = state.last.held if state.last.response is Response.HELD else None
    options = PlanOptions(confirm=bool(asked and asked.detail.get("confirm")), shown=shown)
    is_carried_out = app.sync.automated and not override.suspended
    is_manual = override.asked or bool(override.approved)
    request = Request(
        app, asked.actor if asked else deps.actor, options, is_carried_out=is_carried_out, is_manual=is_manual
    )
    return _Pass(state, deps, override, source, as_account(everything, app), request)


async def _plan(run: _Pass) -> PlannedSync | None:
    """The plan for the newest commit; None where there is none to be had, and that is told already.

    Where it cannot be rendered, drift from the synced revision is corrected before the error is raised.
    """
    state, request, context = run.state, run.request, run.context
    try:
        planned = held_without_rights(await plan_sync(request, context))
        return held_behind(planned, run.deps.relatives.behind(state), request.options)
    except (ManifestError, RenderError, SourceError, ConfigError):
        inventory = await read_inventory(context, request.app)
        await run.deps.relatives.children.take_synced(state, request, context, inventory)
        await run.correct_synced()
        if state.source.observed_revision is None:  # why, its look says
            return None
        raise


async def _respond(run: _Pass, planned: PlannedSync) -> float | None:
    """Do what the rules say to this plan."""
    state, deps, request, context = run.state, run.deps, run.request, run.context
    inventory, is_drift = planned.at.inventory, is_settled(planned.at, wait=True)
    override = _with_approved_retries(run, planned)
    synced = "" if inventory.partially_applied else inventory.synced  # half of another set may be there
    response = respond(request.app, planned.plan, planned.decision, override, synced=synced, settled=is_drift)
    if response is Response.SYNC and not override.asked and await run.is_suspended():
        response = Response.SUSPENDED
    if response in (Response.SYNC, Response.APPROVAL) and state.last.outcome is None:
        await recall_failures(state, deps.store)
    is_wanted = override.asked or override.approves(planned.plan.id) or inventory.synced == planned.plan.digest
    is_given_up = response is Response.SYNC and state.is_given_up and not is_wanted
    if is_given_up:
        state.report.stopped()  # and the message says so
    else:
        note_response(state, planned, response)
        is_approved = response is Response.SYNC and override.approved
        state.schedule.approved_set = planned.plan.digest if is_approved else ""
    children = deps.relatives.children
    await children.take_synced(state, request, context, inventory, planned.at.rendered)
    if is_given_up:
        return None
    match response:
        case Response.SYNC:
            return await sync_with_children(state, request, context, planned, children, is_drift=is_drift)
        case Response.SETTLED:
            state.schedule.failures = 0
            await keep_spec(replace(request, app=state.app), context, planned)
            await note_drift(state, request, context, None)
            return None
        case Response.REPORT:
            await note_drift(state, request, context, planned)
            return None
        case Response.HELD | Response.APPROVAL | Response.SUSPENDED:
            if inventory.synced == planned.plan.digest and not inventory.rollback_target:
                await note_drift_held(state, request, context, planned)
            elif inventory.rollback_target or not (state.is_given_up and inventory.partially_applied):  # which stays
                await run.correct_synced()
            return _until_looked_again(state, planned)


def _with_approved_retries(run: _Pass, planned: PlannedSync) -> Override:
    """The override; an approval is for the retries of its sync too."""
    state = run.state
    is_retry = state.schedule.failures and not state.is_given_up
    if is_retry and state.schedule.approved_set == planned.plan.digest:
        return replace(run.override, approved=planned.plan.id)
    return run.override


async def _rendered(
    limiter: TenantLimiter,
    tenant: str,
    work: Callable[[], Rendered | Needs],
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> Rendered | Needs:
    """A render in its tenant's place; the cluster's is another's meanwhile."""
    async with waiting():
        return await limiter.in_thread(tenant, work)


def _until_looked_again(state: ApplicationState, planned: PlannedSync) -> float | None:
    if not isinstance(planned.decision, Hold):
        return None
    obstacles = planned.decision.obstacles
    if not planned.forbidden and not all(item.is_passing or item.kind in _PASSING for item in obstacles):
        return LATER
    unanswered = state.schedule.unanswered
    return pause_after(unanswered, _FIRST_BACKOFF, _LONGEST_BACKOFF) if unanswered else _SOON
