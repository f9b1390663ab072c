"""What a controller keeps of drift: each told and recorded once with who did it, and what was put back against whom."""

import structlog

from gitops.controller.state import ApplicationState
from gitops.engine.describe import described
from gitops.engine.drift import corrections_in, drift_in
from gitops.ports import Clock
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.inventory_store import keep_anchor

log = structlog.get_logger()


async def note_drift(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync | None
) -> None:
    """Record each new drift once, with who did it."""
    drift = tuple(drift_in(planned.plan)) if planned is not None else ()
    if drift == state.last.drift:
        return
    state.report.drifted(drift)
    if planned is not None and drift:
        state.drift.seen += 1
        state.report.said(f"drifted: {'; '.join(drift[:3])}" + (" and more" if len(drift) > 3 else ""))
        changes = [described(change) for change in planned.plan.changes]
        journal = AuditTrail(request, context, planned.at.inventory)
        reason = state.last.message.removeprefix("drifted: ")
        await journal.note("drift.detected", planned.plan.revision.sha, reason=reason, changes=changes)
        if request.app.sync.drift != "correct":  # else the correction writes the inventory
            inventory = planned.at.inventory
            await keep_anchor(context, inventory.parent, inventory.application, journal.head)


async def note_drift_held(
    state: ApplicationState, request: Request, context: SyncContext, planned: PlannedSync
) -> None:
    """In a freeze too it is told what was changed by hand, beside what it waits for."""
    if request.app.sync.drift != "ignore":
        message = state.last.message
        await note_drift(state, request, context, planned)
        state.report.said(message)


def remember_corrections(state: ApplicationState, planned: PlannedSync, clock: Clock) -> None:
    """Keep what was put back, and tell of a drift loop once."""
    now = clock.monotonic()
    if loops := state.drift.corrected(corrections_in(planned.plan, now), now):
        state.report.said("; ".join(str(loop) for loop in loops))
        log.warning("drift.loop", application=state.identity, reason=state.last.message)
