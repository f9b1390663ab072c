"""A plan that the controller carries out by itself or for a person: what came of it, and when to try again."""

from dataclasses import replace
from functools import partial

import structlog

from gitops.controller.app_of_apps import AppOfApps
from gitops.controller.drift_reports import note_drift, remember_corrections
from gitops.controller.self_heal import self_heal
from gitops.controller.state import ApplicationState
from gitops.engine.retry import delay_after
from gitops.engine.states import Response
from gitops.logs import shortened
from gitops.model.result import Outcome, SyncResult
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.reconcile import sync_planned

log = structlog.get_logger()
LATER = 300.0  # seconds until a hold is looked at again that only a person ends


async def sync_with_children(
    state: ApplicationState,
    request: Request,
    context: SyncContext,
    planned: PlannedSync,
    children: AppOfApps,
    *,
    is_drift: bool,
) -> float | None:
    """Carry the plan out and take in the Applications of what was synced; seconds until the next try, or None."""
    rendered = planned.at.rendered
    if not context.child_kinds:
        return await _carry_out(state, request, context, planned, is_drift=is_drift)
    if children.would_all_go(state, rendered) and not request.options.confirm:
        state.report.stopped("the source renders to nothing at all while it holds Applications; confirm with --confirm")
        return LATER
    children.check(state, rendered)
    again = await _carry_out(state, request, context, planned, is_drift=is_drift)
    if state.last.response is Response.SETTLED:
        children.take(state, rendered)
    return again


async def _carry_out(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync, *, is_drift: bool
) -> float | None:
    if is_drift and planned.plan.changes:
        await note_drift(state, request, context, planned)
        request = replace(request, wait=False)  # the next hand edit must not wait for this one's rollout
    elif request.app.sync.drift == "correct" and state.schedule.requested_sync is None:
        # Not what a person asked for: that may be while it is suspended.
        callbacks = replace(context.callbacks, beside=partial(self_heal, state, request, context))
        context = replace(context, callbacks=callbacks)
    started = context.clock.monotonic()
    result = await sync_planned(request, context, planned)
    seconds = state.times.sync_ended(context.clock, started)
    state.report.ended(result.outcome, result.message)
    if result.changed:
        state.live.wrote()
    if result.outcome not in (Outcome.SYNCED, Outcome.IN_SYNC):
        return _not_synced(state, planned, result)
    log.info("application.synced", application=state.identity, seconds=round(seconds, 1))
    state.schedule.failures = 0
    state.report.settled(request.quarantine)
    state.live.synced(is_healthy=not is_drift)  # what was put back is not waited for: how it is, events tell
    if is_drift:
        remember_corrections(state, planned, context.clock)
    elif result.outcome is Outcome.SYNCED:
        state.times.healthy(context.clock)
    return None


def _not_synced(state: ApplicationState, planned: PlannedSync, result: SyncResult) -> float | None:
    """It is held now; the seconds until it is tried again."""
    state.report.stopped()
    delay = None if result.outcome is Outcome.ROLLED_BACK else LATER
    if result.outcome in (Outcome.FAILED, Outcome.OVERTAKEN):
        retry = state.app.sync.retry
        delay = delay_after(state.schedule.failed(), retry)
        if planned.at.inventory.synced == planned.plan.digest:  # what was synced is put back whenever that can be
            delay = delay or retry.backoff.maxDuration
        elif state.is_given_up:
            given_up = f"given up after {state.schedule.failures} tries; push a commit, or run gitops refresh"
            state.report.said(f"{result.message} ({given_up})")
    log.warning(
        "application.not-synced",
        application=state.identity,
        outcome=result.outcome.value,
        reason=shortened(state.last.message),
        again_in=delay,
    )
    return delay
