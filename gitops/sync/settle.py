"""After a sync that succeeded: the release is recorded, and the inventory says exactly what is owned.

After one that a person ended: what the inventory says of it.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from gitops.engine.completed_jobs import ended
from gitops.engine.hooks import leaves_something, removes_itself
from gitops.engine.inventory import BEGUN, Inventory, LastHealthy, LastSync
from gitops.engine.plan import all_hooks, has_deletion_hooks, hooks_of
from gitops.engine.plan_input import PlanInput
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ClusterError
from gitops.model.health import worst
from gitops.model.plan import Change
from gitops.model.release import Release
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.hook_cleanup import clean_up_hooks
from gitops.sync.inventory_store import read_inventory, write_inventory
from gitops.sync.live_state import read_by_name
from gitops.sync.progress import Progress
from gitops.sync.releases import known_releases, remembered


async def settle(
    request: Request,
    context: SyncContext,
    planned: PlannedSync,
    inventory: Inventory,
    progress: Progress,
    journal: AuditTrail,
) -> None:
    """Record the release, then make the inventory exact: what is desired, and what is kept though it left."""
    at, plan = planned.at, planned.plan
    health = worst(progress.healths.values()).word.value
    seen = {"health": health} if request.wait else {}  # nobody has looked at what was not waited for
    await journal.note("sync.finished", plan.revision.sha, changed=progress.told, **seen)
    settled = inventory
    if at.options.resources:
        being_created = at.inventory.being_created - {change.key for change in plan.changes}
        settled = replace(settled, being_created=being_created)
    else:
        if request.wait:
            settled = await _with_release(request, context, planned, settled, journal, health)
        settled = await _exact(request, context, planned, settled)
    settled = replace(settled, last=ended_sync(inventory, plan.revision, journal.now(), request.actor, Outcome.SYNCED))
    if ResourceKey("", "Namespace", "", inventory.parent.namespace) in {prune.key for prune in plan.prunes}:
        return  # the inventory goes with the namespace that it is in
    tidied = await write_inventory(context, journal.anchored(settled), inventory)
    if not at.options.resources and tidied.hooks is not None:
        gone = await clean_up_hooks(context.cluster, hooks_of(at), tidied.hooks.id, request.app.health)
        exact = replace(tidied, hooks=None, keys=tidied.keys - gone)
        await write_inventory(context, exact, tidied)


async def keep_terminated(request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail) -> None:
    """A person has ended the sync: it failed, and its hooks are over, so that the next one runs them again.

    What cannot be written now is of no harm: the next sync writes how it ended.
    """
    with contextlib.suppress(ClusterError, ManifestError):
        before = await read_inventory(context, request.app)
        last = ended_sync(before, planned.plan.revision, journal.now(), request.actor, Outcome.FAILED)
        await write_inventory(context, journal.anchored(replace(before, hooks=None, last=last)), before)


async def _with_release(
    request: Request,
    context: SyncContext,
    planned: PlannedSync,
    inventory: Inventory,
    journal: AuditTrail,
    health: str,
) -> Inventory:
    """The inventory with the release that is healthy now."""
    plan = planned.plan
    stored = await context.store.releases(inventory.application, context.cluster.name)
    known = known_releases(stored, inventory, context.cluster.name)
    if not known or known[0].digest != plan.digest:  # a repair of the present release is not a new one
        new = _release(request, context, planned, journal, health)
        new = replace(new, number=known[0].number + 1 if known else 1)
        known = [await context.store.add_release(new), *known]
    healthy = LastHealthy(plan.revision.sha, plan.revision.ref, plan.digest, journal.now())
    return replace(inventory, healthy=healthy, releases=remembered(known))


async def _exact(request: Request, context: SyncContext, planned: PlannedSync, inventory: Inventory) -> Inventory:
    """The inventory after all of a set was carried out: nothing of it is partially_applied."""
    at = planned.at
    leaves = any(leaves_something(hook) for hook in hooks_of(at))
    return replace(
        inventory,
        hooks=inventory.hooks if leaves else None,
        keys=await _owned(request, context, planned, inventory),
        completed_jobs=ended(at.rendered.manifests),
        being_created=frozenset(),
        partially_applied=frozenset(),
        synced=planned.plan.digest,
        deletion_hooks=has_deletion_hooks(at),
        rollback_target=None,
        quarantine=request.quarantine,
    )


async def _owned(
    request: Request, context: SyncContext, planned: PlannedSync, inventory: Inventory
) -> frozenset[ResourceKey]:
    """What is desired, kept, or may be there still though nobody wants it."""
    at, plan = planned.at, planned.plan
    keys = (at.rendered.keys - idle_hooks(at, plan.changes)) | {kept.key for kept in plan.kept}
    keys |= await _out_of_sight(context, planned)
    if not request.wait:  # nobody has seen what was deleted go
        keys |= (await read_by_name(context.cluster, dict.fromkeys((prune.key for prune in plan.prunes), ""))).keys()
    keys |= inventory.keys - at.inventory.keys - at.rendered.keys  # claimed by another runner meanwhile
    if at.inventory.partially_applied - {plan.digest}:  # whoever has begun that may still be about to make them
        keys |= at.inventory.keys - at.live.keys() - idle_hooks(at, plan.changes)
    return keys


async def _out_of_sight(context: SyncContext, planned: PlannedSync) -> set[ResourceKey]:
    """What is owned but of a kind that is not served now (its API is down): not seen is not the same as gone."""
    kinds = await context.cluster.kinds()
    pruned = {prune.key for prune in planned.plan.prunes}
    return {key for key in planned.at.inventory.keys - pruned if kinds.is_gone(key.group, key.kind)}


def _release(request: Request, context: SyncContext, planned: PlannedSync, journal: AuditTrail, health: str) -> Release:
    app, plan = request.app, planned.plan
    return Release(
        number=0,
        application=planned.at.inventory.application,
        cluster=context.cluster.name,
        revision=plan.revision.sha,
        ref=plan.revision.ref,
        digest=plan.digest,
        health=health,
        at=journal.now(),
        actor=request.actor,
        namespace=app.destination.namespace,
        source=planned.source,
    )


def idle_hooks(at: PlanInput, changes: Iterable[Change]) -> set[ResourceKey]:
    """Hooks that are not among `changes` and that no object is left of: they are not missing."""
    run = {change.key for change in changes}
    idle = (hook for hook in all_hooks(at) if hook.key not in run)
    return {hook.key for hook in idle if hook.key not in at.live or removes_itself(hook.body)}


def ended_sync(inventory: Inventory, revision: Revision, now: str, actor: str, outcome: Outcome) -> LastSync:
    """How the sync that was begun ended; what was not recorded as begun began just now."""
    last = inventory.last
    is_it = last is not None and last.outcome == BEGUN and last.revision == revision.sha
    return LastSync(revision.sha, revision.ref, last.at if is_it and last else now, actor, outcome.value)
