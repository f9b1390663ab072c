"""One whole pass for one Application: source → Tree → RenderedSet → Plan → Decision → SyncResult. Start reading here.

`plan_sync` is the pipeline up to the decision (a diff stops there, and so does a dry-run); `run_sync` does what was
decided, and `roll_back` undoes it when it fails. Nothing else in the project decides or does what changes.
"""

from gitops.engine.inventory import LastSync
from gitops.engine.plan_input import PlanInput
from gitops.model.result import Go, Hold, InSync, Outcome, SyncResult
from gitops.sync import events
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.inventory_store import keep_anchor
from gitops.sync.planning import held_without_rights, plan_sync
from gitops.sync.rollback import finish_rollback, roll_back
from gitops.sync.run_sync import keep_spec, run_sync
from gitops.sync.settle import ended_sync


async def sync(request: Request, context: SyncContext) -> SyncResult:
    """One pass with all its effects; what went wrong on the way is in the answer, what kept it from starting raises."""
    return await sync_planned(request, context, await plan_sync(request, context))


async def sync_planned(request: Request, context: SyncContext, planned: PlannedSync) -> SyncResult:
    """Do what was decided, and go back to the last healthy release when that fails."""
    planned = held_without_rights(planned)
    context.emit(events.PlanMade(planned.plan))
    result = await _as_decided(request, context, planned)
    context.emit(events.Finished(result))
    return result


async def _as_decided(request: Request, context: SyncContext, planned: PlannedSync) -> SyncResult:
    plan = planned.plan
    journal = AuditTrail(request, context, planned.at.inventory)
    match planned.decision:
        case Hold() if _is_half_way_back(request, planned):
            return await finish_rollback(request, context, planned.at.inventory)
        case Hold() as hold:
            reasons = [obstacle.reason for obstacle in hold.obstacles]
            await journal.note("sync.held", plan.revision.sha, reason=hold.reason, plan=plan.id, held=reasons)
            await _keep_anchor(context, planned, journal)
            context.emit(events.Held(hold))
            return SyncResult(Outcome.HELD, plan, message=hold.reason)
        case InSync() if is_settled(planned.at, wait=request.wait):
            await keep_spec(request, context, planned)
            return SyncResult(Outcome.IN_SYNC, plan, message="nothing to do")
        case Go() | InSync():
            result = await run_sync(request, context, planned, journal)
            if result.outcome is Outcome.SYNCED:
                return result
            if result.outcome is Outcome.FAILED:
                result = await roll_back(request, context, planned, result, journal)
            last = ended_sync(planned.at.inventory, plan.revision, journal.now(), request.actor, result.outcome)
            await _keep_anchor(context, planned, journal, last)
            return result


async def _keep_anchor(
    context: SyncContext, planned: PlannedSync, journal: AuditTrail, last: LastSync | None = None
) -> None:
    inventory = planned.at.inventory
    await keep_anchor(context, inventory.parent, inventory.application, journal.head, last)


def _is_half_way_back(request: Request, planned: PlannedSync) -> bool:
    """True when a rollback of this very Application was killed, and this pass was asked for nothing in particular."""
    inventory, options = planned.at.inventory, planned.at.options
    is_plain = not (options.leaving or options.back or options.resources)
    is_it = inventory.application == request.app.identity and inventory.source == planned.source
    return inventory.rollback_target is not None and is_plain and is_it


def is_settled(at: PlanInput, *, wait: bool) -> bool:
    """The inventory says just what is so: an earlier sync of this set was finished, and healthy if that is asked."""
    healthy, digest = at.inventory.healthy, at.rendered.digest
    if at.options.resources:
        return True
    is_done = at.inventory.synced == digest and at.inventory.hooks is None and not at.inventory.partially_applied
    return is_done and (not wait or (healthy is not None and healthy.digest == digest))
