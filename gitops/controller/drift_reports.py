"""What a controller keeps of drift: each told and recorded once with who did it, and what was put back against whom."""

import structlog

from gitops.controller.state import Tracked
from gitops.engine.describe import described
from gitops.engine.drift import corrections_in, drift_in, fights_in
from gitops.ports import Clock
from gitops.sync.audit import Journal
from gitops.sync.context import Outside, Planned, Request
from gitops.sync.inventory_store import keep_anchor

log = structlog.get_logger()


async def note_drift(tracked: Tracked, request: Request, outside: Outside, planned: Planned | None) -> None:
    """Record each new drift once, with who did it."""
    drift = tuple(drift_in(planned.plan)) if planned is not None else ()
    if drift == tracked.drift:
        return
    tracked.drift = drift
    if planned is not None and drift:
        tracked.drifts_seen += 1
        tracked.message = f"drifted: {'; '.join(drift[:3])}" + (" and more" if len(drift) > 3 else "")
        changes = [described(change) for change in planned.plan.changes]
        journal = Journal(request, outside, planned.at.inventory)
        reason = tracked.message.removeprefix("drifted: ")
        await journal.note("drift.detected", planned.plan.revision.sha, reason=reason, changes=changes)
        if request.app.sync.drift != "correct":  # else the correction writes the inventory
            inventory = planned.at.inventory
            await keep_anchor(outside, inventory.parent, inventory.application, journal.head)


async def note_drift_held(tracked: Tracked, request: Request, outside: Outside, planned: Planned) -> None:
    """In a freeze too it is told what was changed by hand, beside what it waits for."""
    if request.app.sync.drift != "ignore":
        message = tracked.message
        await note_drift(tracked, request, outside, planned)
        tracked.message = message


def remember_corrections(tracked: Tracked, planned: Planned, clock: Clock) -> None:
    """Keep what was put back, and tell of a fight once."""
    now = clock.monotonic()
    fresh = [*tracked.corrections, *corrections_in(planned.plan, now)]
    fights = fights_in(fresh, now)
    tracked.corrections = fresh[-1000:]
    if set(fights) - set(tracked.fights):
        tracked.fights = fights
        tracked.message = "; ".join(str(fight) for fight in fights)
        log.warning("drift.fight", application=tracked.identity, reason=tracked.message)
