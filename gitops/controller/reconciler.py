"""One pass of the controller for one Application: plan, answer as the rules say, do it, remember what came of it.

The pipeline is `gitops.sync.reconcile`'s; here is only what a one-shot sync has no need of: what people said
before, drift beside a revision that is not synced, retries, fights.
"""

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from gitops.controller.app_of_apps import AppOfApps
from gitops.controller.drift_reports import note_drift, note_drift_held, remember_corrections
from gitops.controller.limiter import TenantLimiter
from gitops.controller.pinned_source import PinnedSource
from gitops.controller.record_writer import recall_failures
from gitops.controller.self_heal import self_heal
from gitops.controller.state import ApplicationState
from gitops.engine.annotations import ignores_health
from gitops.engine.completed_jobs import has_ended
from gitops.engine.drift import Override, Response, respond, without_fights
from gitops.engine.health import health_of
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.engine.retry import delay_after
from gitops.logs import shortened
from gitops.manifests.manifest import Manifest
from gitops.model.application import GROUP, KIND
from gitops.model.errors import (
    ClusterError,
    ConfigError,
    GitopsError,
    ManifestError,
    RenderError,
    SourceError,
    UnknownKindError,
    UnreachableError,
)
from gitops.model.health import ENDED, MISSING, Health
from gitops.model.operator_command import SUSPENDED
from gitops.model.plan import ObstacleKind
from gitops.model.result import Go, Hold, Outcome
from gitops.ports import Clock, Cluster, Repositories, Store
from gitops.sync.context import PlannedSync, Render, Request, SyncContext, as_account
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import plan_rendered, plan_sync
from gitops.sync.reconcile import is_settled, sync_planned
from gitops.sync.releases import synced_set
from gitops.sync.rollback import finish_rollback
from gitops.sync.run_sync import keep_spec
from gitops.sync.uninstall import uninstall_everywhere

log = structlog.get_logger()
# How soon a hold is looked at again: one that time or another Application ends, and one that only a person does.
_SOON, _LATER = 30.0, 300.0
_PASSING = {ObstacleKind.WINDOW, ObstacleKind.DEPENDENCY}
# Over once another object is gone or given away: an owner's, or what was left where the Application was before.
_OF_OTHERS = {ObstacleKind.FOREIGN, ObstacleKind.RELOCATION}
# A cluster that is away is asked for more often than what is wrong is tried again: it comes back by itself.
_LONGEST_BACKOFF, _LONGEST_AWAY = 180.0, 30.0
_RENDERS_EACH = 4


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
    # Called when an Application that is being deleted owns nothing any more.
    left: Callable[[ApplicationState], Awaitable[None]]
    # Why what it owns stays nevertheless, for now; "" for no reason.
    reason_to_stay: Callable[[ApplicationState], Awaitable[str]]
    # The Applications that Applications hold, where the cluster does not know that kind itself.
    children: AppOfApps
    noted: Callable[[], None] = lambda: None
    rendering: TenantLimiter = field(default_factory=lambda: TenantLimiter(_RENDERS_EACH))


async def reconcile(
    state: ApplicationState,
    deps: ReconcilerDeps,
    word: Override,
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> float | None:
    """Bring one Application to where it should be; the seconds until it wants another pass, or None."""
    try:
        again = await _pass(state, deps, word, waiting)
        _no_error(state)
        state.schedule.misses, state.last = 0, replace(state.last, is_away=False)
        return again
    except UnreachableError as exc:  # that says nothing about the Application; whose lane it is tells it for all
        state.missed(str(exc), is_away=True)
        return _backoff(state.schedule.misses, _LONGEST_AWAY)
    except GitopsError as exc:
        if state.last.error != str(exc):
            log.warning("pass.failed", application=state.identity, error=shortened(str(exc)))
        state.missed(str(exc))
        if isinstance(exc, ClusterError):
            with contextlib.suppress(ClusterError):  # the failure itself is what matters
                await deps.cluster.kinds(refresh=True)
        # A kind comes when somebody installs it.
        return _backoff(state.schedule.misses, _LONGEST_AWAY if isinstance(exc, UnknownKindError) else _LONGEST_BACKOFF)


def _no_error(state: ApplicationState) -> None:
    if state.last.error:
        log.info("pass.well-again", application=state.identity)
    state.last = replace(state.last, error="")


def _backoff(misses: int, longest: float) -> float:
    return min(5.0 * 2.0 ** min(misses - 1, 10), longest)


async def _pass(
    state: ApplicationState,
    deps: ReconcilerDeps,
    word: Override,
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> float | None:
    app = without_fights(state.app, state.drift.loops)
    source = PinnedSource(deps.repositories, state, waiting)
    everything = SyncContext(
        source,
        deps.render,
        deps.cluster,
        deps.store,
        deps.clock,
        deps.version,
        asks_around=False,
        noted=deps.noted,
        waiting=waiting,
        rendering=lambda work: _rendered(deps.rendering, app.namespace, work, waiting),
    )
    context = as_account(everything, app)
    if state.leaving and not word.asked and await _is_suspended(state, deps):
        state.last = state.last.held_by("it is suspended: its deletion waits until it is resumed")
        return None
    if state.leaving:
        return await _leave(state, context, deps)
    if state.spec_error:
        state.last = state.last.held_by(state.spec_error)
        return None
    asked = state.schedule.requested_sync
    # A person confirms what was told, and no more.
    shown = state.last.held if state.last.response is Response.HELD else None
    options = PlanOptions(confirm=bool(asked and asked.detail.get("confirm")), shown=shown)
    request = Request(app, asked.actor if asked else deps.actor, options)
    if (await deps.cluster.kinds()).find(GROUP, KIND) is None:
        context = replace(context, takes_children=True)
    try:
        planned = await plan_sync(request, context)
    except (ManifestError, RenderError, SourceError, ConfigError):  # what cannot be rendered is no excuse
        await deps.children.take_synced(state, request, context, await read_inventory(context, request.app))
        if not await _is_suspended(state, deps):
            await _mend_synced(state, request, context)
        if state.source.observed_revision is None:  # why, its look says
            return None
        raise
    _learn(state, source, planned)
    inventory = planned.at.inventory
    settled = is_settled(planned.at, wait=True)
    synced = "" if inventory.partially_applied else inventory.synced  # half of another set may be there
    is_retry = state.schedule.failures and not state.is_given_up
    if is_retry and state.schedule.approved_set == planned.plan.digest:  # the approval is for its retries too
        word = replace(word, approved=planned.plan.id)
    answer = respond(app, planned.plan, planned.decision, word, synced=synced, settled=settled)
    if answer is Response.SYNC and not word.asked and await _is_suspended(state, deps):
        answer = Response.SUSPENDED
    is_wanted = word.asked or word.approves(planned.plan.id) or inventory.synced == planned.plan.digest
    if answer is Response.SYNC and state.last.outcome is None:
        await recall_failures(state, deps.store)
    if answer is Response.SYNC and state.is_given_up and not is_wanted:
        state.last = replace(state.last, response=Response.HELD)  # and the message says so
        await deps.children.take_synced(state, request, context, inventory, planned.at.rendered)
        return None
    _note_answer(state, planned, answer)
    state.schedule.approved_set = planned.plan.digest if answer is Response.SYNC and word.approved else ""
    await deps.children.take_synced(state, request, context, inventory, planned.at.rendered)
    match answer:
        case Response.SYNC:
            return await _sync(state, request, context, planned, deps.children, is_drift=settled)
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
            elif not await _is_suspended(state, deps):
                await _mend_synced(state, request, context)
            return _until_looked_again(planned)


async def _is_suspended(state: ApplicationState, deps: ReconcilerDeps) -> bool:
    """By the store itself, before anything is changed: what people say is read once a second only."""
    return await deps.store.setting(state.identity, SUSPENDED) is not None


async def _sync(
    state: ApplicationState,
    request: Request,
    context: SyncContext,
    planned: PlannedSync,
    children: AppOfApps,
    *,
    is_drift: bool,
) -> float | None:
    """Carry the plan out, and take in the Applications of what has been synced then."""
    rendered = planned.at.rendered
    if not context.takes_children:
        return await _carry_out(state, request, context, planned, is_drift=is_drift)
    if children.would_all_go(state, rendered) and not request.options.confirm:
        state.last = replace(state.last, response=Response.HELD)
        state.last = replace(
            state.last,
            message="the source renders to nothing at all while it holds Applications; confirm with --confirm",
        )
        return _LATER
    children.check(state, rendered)
    again = await _carry_out(state, request, context, planned, is_drift=is_drift)
    if state.last.response is Response.SETTLED:
        children.take(state, rendered)
    return again


async def _leave(state: ApplicationState, context: SyncContext, deps: ReconcilerDeps) -> float | None:
    """The custom resource is being deleted: prune what it owns; a guard or a failure keeps it, and says why."""
    if reason := await deps.reason_to_stay(state):
        state.last = state.last.held_by(reason)
        return _SOON
    result = await uninstall_everywhere(Request(state.app, deps.actor), context)
    state.last = replace(state.last, outcome=result.outcome, message=result.message)
    if result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC):
        await deps.left(state)
        return None
    state.last = replace(state.last, response=Response.HELD)
    return _LATER


def _learn(state: ApplicationState, source: PinnedSource, planned: PlannedSync) -> None:
    """What the plan tells, whatever is decided."""
    at = planned.at
    if source.tree is not None:
        if state.source.rendered != at.rendered.revision.sha:
            _no_error(state)  # that was of another commit
        state.source.rendered = state.source.equivalent_revision = at.rendered.revision.sha
        state.source.reads = dict(source.tree.reads)
        state.source.follows_links = source.tree.follows_links
    state.last = replace(state.last, digest=at.rendered.digest, plan_id=planned.plan.id)
    state.last = replace(state.last, quarantine=at.inventory.quarantine)
    _learn_health(state, planned)


def _learn_health(state: ApplicationState, planned: PlannedSync) -> None:
    at = planned.at
    state.live.owns = bool(at.inventory.keys or at.inventory.synced)
    own = state.app.health
    healths = {
        found.key: _when_gone(at, found) if found.key not in at.live else health_of(at.live[found.key], own)
        for found in at.rendered.manifests
        if found.key in at.inventory.keys and not ignores_health(found.body)
    }
    # What an event told since the plan's look at the cluster is newer.
    unhealthy = {
        key: health for key, health in healths.items() if not health.is_settled and key not in state.live.heard
    }
    state.live.unhealthy = unhealthy | {
        key: state.live.unhealthy[key] for key in state.live.heard & state.live.unhealthy.keys()
    }


def _when_gone(at: PlanInput, manifest: Manifest) -> Health:
    return ENDED if has_ended(at.inventory, manifest) else MISSING


def _note_answer(state: ApplicationState, planned: PlannedSync, answer: Response) -> None:
    if state.last.response is Response.HELD and answer is Response.SETTLED:
        log.info("application.well-again", application=state.identity)
    state.last = replace(state.last, response=answer, waits_for_others=False)
    state.last = replace(state.last, pending=len(planned.plan.changes))
    before = state.last.message
    match answer:
        case Response.HELD:
            assert isinstance(planned.decision, Hold)
            state.last = replace(state.last, message=planned.decision.reason)
            state.last = replace(state.last, held=frozenset(item.reason for item in planned.decision.obstacles))
            state.last = replace(
                state.last, waits_for_others=any(item.kind in _OF_OTHERS for item in planned.decision.obstacles)
            )
        case Response.APPROVAL:
            counted = {0: "what its Applications are now waits", 1: "1 change waits"}
            changes = counted.get(state.last.pending, f"{state.last.pending} changes wait")
            state.last = replace(
                state.last, message=f"{changes} for a sync or an approval of plan {planned.plan.id[:12]}"
            )
        case Response.SUSPENDED:
            state.last = replace(state.last, message="suspended")
        case Response.SETTLED:
            state.last = replace(state.last, message="; ".join(str(fight) for fight in state.drift.loops))
        case _:
            return
    if state.last.message != before and state.last.message:
        tell = log.warning if answer is Response.HELD else log.info
        tell("application.waits", application=state.identity, answer=answer.value, reason=shortened(state.last.message))


async def _carry_out(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync, *, is_drift: bool
) -> float | None:
    if is_drift and planned.plan.changes:
        await note_drift(state, request, context, planned)
        request = replace(request, wait=False)  # the next hand edit must not wait for this one's rollout
    elif (
        request.app.sync.drift == "correct" and state.schedule.requested_sync is None
    ):  # a person's wish may be one in a suspension
        context = replace(context, beside=partial(self_heal, state, request, context))
    started = context.clock.monotonic()
    result = await sync_planned(request, context, planned)
    state.times.sync_seconds = context.clock.monotonic() - started
    state.last = replace(state.last, outcome=result.outcome, message=result.message)
    state.times.synced_at = context.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    if result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC):
        log.info("application.synced", application=state.identity, seconds=round(state.times.sync_seconds, 1))
        state.schedule.failures, state.live.owns = 0, True
        state.last = replace(state.last, drift=(), response=Response.SETTLED)
        state.last = replace(state.last, quarantine=request.quarantine)
        if is_drift:  # what it put back was not waited for, so how it is comes with the events
            remember_corrections(state, planned, context.clock)
            return None
        state.live.unhealthy = {}
        if result.outcome is Outcome.SYNCED and state.times.pushed_at:
            state.times.healthy_seconds = context.clock.monotonic() - state.times.pushed_at
            state.times.pushed_at = 0.0
        return None
    state.last = replace(state.last, response=Response.HELD)
    delay = None if result.outcome is Outcome.ROLLED_BACK else _LATER
    if result.outcome in (Outcome.FAILED, Outcome.OVERTAKEN):
        state.schedule.failures += 1
        retry = state.app.sync.retry
        delay = delay_after(state.schedule.failures, retry)
        if planned.at.inventory.synced == planned.plan.digest:  # what was synced is mended whenever that can be
            delay = delay or retry.backoff.maxDuration
        elif state.is_given_up:
            given_up = f"given up after {state.schedule.failures} tries; push a commit, or run gitops refresh"
            state.last = replace(state.last, message=f"{result.message} ({given_up})")
    log.warning(
        "application.not-synced",
        application=state.identity,
        outcome=result.outcome.value,
        reason=shortened(state.last.message),
        again_in=delay,
    )
    return delay


async def _rendered(
    turns: TenantLimiter,
    tenant: str,
    work: Callable[[], tuple[Manifest, ...]],
    waiting: Callable[[], AbstractAsyncContextManager[None]],
) -> tuple[Manifest, ...]:
    """A render in its tenant's place; the cluster's is another's meanwhile."""
    async with waiting():
        return await turns.in_thread(tenant, work)


async def _mend_synced(state: ApplicationState, request: Request, context: SyncContext) -> None:
    """Drift from the revision that is synced, while the head may not be: a quarantine or an approval is no excuse."""
    app = request.app
    inventory = await read_inventory(context, app)
    state.live.owns = (
        (state.live.owns or None) if inventory.keys or inventory.synced else False
    )  # how it is, a plan tells
    if inventory.application != app.identity:
        return
    if inventory.rollback_target is not None:
        result = await finish_rollback(request, context, inventory)
        state.last = replace(state.last, outcome=result.outcome, message=result.message)
        return
    if not inventory.synced or app.sync.drift == "ignore" or (inventory.quarantine and inventory.quarantine.stuck):
        return
    if inventory.partially_applied and app.sync.rollback == "never":  # that would be one
        return
    try:
        rendered = await synced_set(request, context, inventory)
    except SourceError:
        return
    mend = replace(request, options=PlanOptions(hooks=False), quarantine=inventory.quarantine, wait=False)
    planned = await plan_rendered(mend, context, rendered, inventory.source)
    if not state.source.rendered:
        _learn_health(state, planned)
    if not planned.plan.changes:
        await note_drift(state, mend, context, None)
        return
    message = state.last.message
    await note_drift(state, mend, context, planned)
    if app.sync.drift == "correct" and isinstance(planned.decision, Go):
        result = await sync_planned(mend, context, planned)
        if result.outcome is Outcome.SYNCED:
            state.last = replace(state.last, drift=())
            remember_corrections(state, planned, context.clock)
    state.last = replace(state.last, message=message)


def _until_looked_again(planned: PlannedSync) -> float | None:
    if not isinstance(planned.decision, Hold):
        return None
    return _SOON if all(item.kind in _PASSING for item in planned.decision.obstacles) else _LATER
