"""An Application goes: what it owns is pruned under the guards, or left where it is, and its inventory goes last.

This is the pipeline with an explicitly empty RenderedSet; a sync whose source merely renders to nothing is held.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from gitops.engine.deletion import reason_to_stay
from gitops.engine.desired import digest_of
from gitops.engine.inventory import ANNOTATIONS, LABELS, Inventory, is_ours, is_owned_by, parent_key
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError, ClusterError, LostClusterError, SourceError, UnreachableError
from gitops.model.plan import Phase, Plan
from gitops.model.rendered import RenderedSet
from gitops.model.result import Failure, Hold, Outcome, SyncResult
from gitops.model.revision import Revision
from gitops.sync.act_hooks import deletion_set, run_hooks
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext, as_account
from gitops.sync.inventory_store import read_inventory
from gitops.sync.live_state import read_by_name
from gitops.sync.planning import plan_rendered
from gitops.sync.reconcile import sync_planned
from gitops.sync.relocation import clusters_left, inventories_elsewhere

_POLL_SECONDS = 0.2
_NOTHING = RenderedSet(Revision("", ""), (), digest_of(()))


async def uninstall(request: Request, context: SyncContext, *, keep: bool) -> SyncResult:
    """Delete what the Application owns and forget it; with `keep` only forget it.

    HELD by a guard; FAILED, with the inventory kept, while something does not go away in time. Raises LostClusterError
    where the cluster goes away in the middle.
    """
    app, context = request.app, as_account(context, request.app)
    parent = parent_key(app.name, app.destination.namespace)
    inventory = await read_inventory(context, app)
    result = SyncResult(Outcome.SYNCED, Plan(app.identity, _NOTHING.revision, _NOTHING.digest, ()))
    if not inventory.exists:
        return replace(result, outcome=Outcome.IN_SYNC, message="it owns nothing on this cluster")
    if inventory.application != app.identity:
        reason = f"{parent} is the inventory of Application {inventory.application}, not of {app.identity}"
        return replace(result, outcome=Outcome.HELD, message=reason)
    journal = AuditTrail(request, context, inventory)
    if keep:
        async with _told_when_cut_short(journal):
            failures = await _let_go(context, inventory)
    else:
        result, inventory, failures = await _prune_all(request, context, inventory, journal)
        if result.outcome not in (Outcome.SYNCED, Outcome.IN_SYNC):
            return result
    if failures:
        await journal.note("delete.failed", "", left=[failure.reason for failure in failures])
        reason = "; ".join(failure.reason for failure in failures)
        return replace(result, outcome=Outcome.FAILED, failures=tuple(failures), message=reason)
    await journal.note("application.deleted", "", kept=keep, objects=[str(key) for key in sorted(inventory.keys)])
    async with _told_when_cut_short(journal):
        await context.cluster.delete(parent)
    return replace(result, outcome=Outcome.SYNCED)


@contextlib.asynccontextmanager
async def _told_when_cut_short(journal: AuditTrail) -> AsyncIterator[None]:
    """What ends a deletion once it was begun is in the audit log. Raises LostClusterError where the cluster is away."""
    try:
        yield
    except ClusterError as exc:
        await journal.note("delete.failed", "", left=[str(exc)])
        if isinstance(exc, UnreachableError):
            again = "the deletion was cut short: delete it again when the cluster answers"
            raise LostClusterError(f"{exc}; {again}") from exc
        raise


async def planned_deletion(request: Request, context: SyncContext) -> PlannedSync:
    """What a deletion would prune, and what would hold it; changes nothing."""
    context = as_account(context, request.app)
    inventory = await read_inventory(context, request.app)
    return await plan_rendered(_going(request), context, _NOTHING, inventory.source)


def _going(request: Request) -> Request:
    return replace(request, options=replace(request.options, prune=True, leaving=True, hooks=False), wait=False)


async def _prune_all(
    request: Request, context: SyncContext, inventory: Inventory, journal: AuditTrail
) -> tuple[SyncResult, Inventory, list[Failure]]:
    """Its hooks, then the prunes under the guards, then its other hooks: how that ended, and what is left."""
    result = SyncResult(Outcome.SYNCED, Plan(request.app.identity, _NOTHING.revision, _NOTHING.digest, ()))
    with_hooks: RenderedSet | None = None
    try:
        with_hooks = await deletion_set(request, context, inventory)
    except SourceError as exc:
        if not request.options.confirm:
            return replace(result, outcome=Outcome.HELD, message=str(exc)), inventory, []
    going = _going(request)
    if with_hooks is not None:
        planned = await plan_rendered(going, context, _NOTHING, inventory.source)
        if isinstance(planned.decision, Hold):
            return await sync_planned(going, context, planned), inventory, []
        async with _told_when_cut_short(journal):
            inventory, failures = await run_hooks(request, context, inventory, with_hooks, Phase.PRE_DELETE)
        if failures:
            return result, inventory, failures
    planned = await plan_rendered(going, context, _NOTHING, inventory.source)
    result = await sync_planned(going, context, planned)
    if result.outcome not in (Outcome.SYNCED, Outcome.IN_SYNC):
        return result, inventory, []
    pruned = [prune.key for prune in planned.plan.prunes]
    async with _told_when_cut_short(journal):
        failures = await _not_gone(request, context, pruned, inventory.application)
        if with_hooks is not None and not failures:
            inventory = await read_inventory(context, request.app)
            _, failures = await run_hooks(request, context, inventory, with_hooks, Phase.POST_DELETE)
    return result, inventory, failures


async def _let_go(context: SyncContext, inventory: Inventory) -> list[Failure]:
    """Take our marks off everything that stays: it is nobody's then, and no later sync takes it for its own."""
    failures = []
    for key, body in sorted((await read_by_name(context.cluster, dict.fromkeys(inventory.keys, ""))).items()):
        if not is_owned_by(inventory, body, key):
            continue
        try:
            await context.cluster.remove_marks(key, LABELS, ANNOTATIONS)
        except ApiError as exc:
            if exc.code != 404:
                failures.append(Failure(key, f"{key}: its marks could not be taken off: {exc}"))
    return failures


async def uninstall_everywhere(request: Request, context: SyncContext, *, keep: bool = False) -> SyncResult:
    """Delete what the Application owns, in the namespaces where it was before as well; HELD for another cluster.

    With `keep` only forget it, on this cluster.
    """
    context = as_account(context, request.app)
    places = [other.parent.namespace for other in await inventories_elsewhere(context, request.app, look_around=True)]
    for namespace in (*places, request.app.destination.namespace):
        app = replace(request.app, destination=replace(request.app.destination, namespace=namespace))
        result = await uninstall(replace(request, app=app), context, keep=keep)
        if result.outcome not in (Outcome.SYNCED, Outcome.IN_SYNC):
            return result
    left = [] if keep else await clusters_left(context, request.app)
    if left:
        reason = (
            f"{request.app.identity} was on {' and '.join(left)} before: set destination.cluster back to have what it "
            "has there deleted, or take the finalizer off to leave it"
        )
        return replace(result, outcome=Outcome.HELD, message=reason)
    return result


async def _not_gone(request: Request, context: SyncContext, keys: list[ResourceKey], application: str) -> list[Failure]:
    """What is still there when the deadline has passed, and what holds it."""
    deadline = context.clock.monotonic() + request.app.sync.timeout
    while True:
        live = await read_by_name(context.cluster, dict.fromkeys(keys, ""))
        left = {key: body for key, body in live.items() if is_ours(body, key, application)}
        if not left:
            return []
        if context.clock.monotonic() > deadline:
            break
        await context.clock.sleep(_POLL_SECONDS)
        keys = list(left)
    return [
        Failure(key, f"{key} was deleted but does not go away ({reason_to_stay(body)})")
        for key, body in sorted(left.items())
    ]
