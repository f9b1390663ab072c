"""Hooks of acts other than a sync: those of a deletion, before what is owned goes and after, and tests.

They are of the set that was synced last. A deletion reads that only where the inventory says that there are any.
"""

import secrets
from dataclasses import replace

from gitops.engine.inventory import HookRun, Inventory
from gitops.engine.order import places
from gitops.engine.plan import all_hooks, steps_of
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.model.errors import SourceError
from gitops.model.plan import HookDelete, Phase, Plan
from gitops.model.rendered import RenderedSet
from gitops.model.result import Failure, Go
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.executor import Execution
from gitops.sync.hook_cleanup import clean_up_hooks
from gitops.sync.inventory_store import write_inventory
from gitops.sync.releases import synced_set


async def deletion_set(request: Request, context: SyncContext, inventory: Inventory) -> RenderedSet | None:
    """The set whose hooks a deletion runs; None where there are none.

    Raises SourceError where there are some and nobody has them any more.
    """
    if not inventory.deletion_hooks:
        return None
    try:
        return await synced_set(request, context, inventory)
    except SourceError as exc:
        raise SourceError(f"its hooks for a deletion cannot be had: {exc}; --confirm deletes it without them") from exc


async def run_hooks(
    request: Request, context: SyncContext, inventory: Inventory, rendered: RenderedSet, phase: Phase
) -> tuple[Inventory, list[Failure]]:
    """Run the hooks of `phase`, each to its end; the inventory as it is then, and what failed.

    One that this act has run already, before it was killed, is not run again while its object is there. What
    POST_DELETE leaves is deleted: nobody owns it any more.
    """
    at = PlanInput(request.app, rendered, {}, inventory, PlanOptions())
    order = places(rendered.manifests)
    hooks = [hook for hook in all_hooks(at) if hook.phase is phase]
    if not hooks:
        return inventory, []
    if phase is Phase.POST_DELETE:
        hooks = [replace(hook, delete=hook.delete | {HookDelete.SUCCEEDED}) for hook in hooks]
    steps = steps_of([((phase, *order[hook.key][1:]), hook) for hook in hooks])
    plan = Plan(request.app.identity, rendered.revision, rendered.digest, tuple(steps))
    journal = AuditTrail(request, context, inventory)
    mark = f"{phase.name.lower()} {rendered.digest}"
    run = inventory.hooks if inventory.hooks and inventory.hooks.digest == mark else HookRun(secrets.token_hex(8), mark)
    claimed = replace(inventory, keys=inventory.keys | {hook.key for hook in hooks}, hooks=run)
    claimed = await write_inventory(context, journal.anchored(claimed), inventory)
    planned = PlannedSync(at, plan, Go(), inventory.source)
    execution = Execution(request, context, planned, journal, claimed)
    progress = await execution.run({})
    gone = await clean_up_hooks(context.cluster, hooks, run.id, request.app.health)
    done = replace(claimed, keys=claimed.keys - gone, hooks=claimed.hooks if progress.failures else None)
    return await write_inventory(context, journal.anchored(done), claimed), progress.failures
